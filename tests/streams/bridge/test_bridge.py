"""A bridge publishes what its source is, counts losses, and opens it again when it is gone."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from volition.chunk import SignalSpec
from volition.errors import ConfigError, StreamError
from volition.streams.bridge import bridge as bridges
from volition.streams.bridge.brainflow import (
    BoardOptions,
    BrainFlowSource,
    PackageCount,
    board_ids,
)
from volition.streams.bridge.bridge import Bridge
from volition.streams.bridge.files import FileSource
from volition.streams.bridge.source import Came, Source
from volition.streams.files.recording import packaged_recordings, read_recording
from volition.streams.lsl.discovery import find_one
from volition.streams.lsl.inlet import SignalInlet

SPEC = SignalSpec(100.0, ("Oz", "O1"), ("microvolts", "microvolts"), ("EEG", "EEG"))


class Script:
    """A source that does what each entry says: samples that come, or an error."""

    name = "script"

    def __init__(self, *lives: list[Came | Exception]) -> None:
        self.source_id = uuid.uuid4().hex
        self._lives = iter(lives)
        self.closed = 0

    def open(self) -> SignalSpec:
        self._life = iter(next(self._lives))
        return SPEC

    def read(self) -> Came:
        step = next(self._life)
        if isinstance(step, Exception):
            raise step
        return step

    def close(self) -> None:
        self.closed += 1


def came(n_samples: int = 5, lost: int = 0, *, ended: bool = False) -> Came:
    return Came(np.ones((n_samples, 2)), lost, ended)


def test_a_source_that_is_lost_is_closed_and_opened_again_until_it_ends() -> None:
    source = Script(
        [came(), came(lost=3), StreamError("the dongle is gone")],
        [came(), came(0, ended=True)],
    )
    told: list[tuple[str, str]] = []
    done = Bridge(source, on_state=lambda state, why: told.append((state, why))).run(
        threading.Event()
    )
    assert (done.samples, done.lost, done.connections) == (15, 3, 2)
    assert [state for state, _ in told] == ["connecting", "streaming", "lost", "streaming", "ended"]
    assert told[1][1] == "2 channels, 100 Hz"
    assert told[2][1] == "the dongle is gone; tried again in 0.25 s"
    assert source.closed == 2


def test_a_source_that_can_never_be_opened_ends_it_and_is_closed() -> None:
    source = Script([ConfigError("no such board")])
    with pytest.raises(ConfigError, match="no such board"):
        Bridge(source).run(threading.Event())
    assert source.closed == 1


def test_silence_counts_as_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bridges, "SILENCE_S", 0.01)
    silent = [came(0)] * 10_000_000

    class Slow(Script):
        def read(self) -> Came:
            time.sleep(0.005)
            return super().read()

    told: list[str] = []
    source = Slow([came(), *silent[:1000]], [came(0, ended=True)])
    Bridge(source, on_state=lambda _, why: told.append(why)).run(threading.Event())
    assert "script has sent nothing for 0.01 s; tried again in 0.25 s" in told


@contextmanager
def bridged(source: Source, source_id: str) -> Iterator[Bridge]:
    stop = threading.Event()
    bridge = Bridge(source, source_id=source_id)
    thread = threading.Thread(target=bridge.run, args=(stop,), daemon=True)
    thread.start()
    try:
        yield bridge
    finally:
        stop.set()
        thread.join(60)
        assert not thread.is_alive()


def await_samples(inlet: SignalInlet, enough: Callable[[int], bool]) -> tuple[int, float]:
    """Pull until there are enough; give how many came, and the newest time."""
    n_samples, newest, deadline = 0, 0.0, time.monotonic() + 120
    while not enough(n_samples):
        assert time.monotonic() < deadline
        chunk = inlet.pull(0.2)
        if len(chunk):
            assert chunk.times[0] > newest
            n_samples, newest = n_samples + len(chunk), float(chunk.times[-1])
    return n_samples, newest


def test_brainflows_synthetic_board_is_an_lsl_stream_with_its_own_labels_and_units() -> None:
    source_id = uuid.uuid4().hex
    source = BrainFlowSource(BoardOptions("synthetic"))
    with bridged(source, source_id) as bridge:
        found = find_one(source_id=source_id, wait_s=60.0)
        assert (found.name, found.type) == ("Synthetic", "EEG")
        with SignalInlet(found) as inlet:
            assert inlet.spec.rate_hz == 250.0
            assert inlet.spec.labels[:3] == ("Fz", "C3", "Cz")
            assert set(inlet.spec.units) == {"microvolts"}
            assert set(inlet.spec.kinds) == {"EEG"}
            await_samples(inlet, lambda n: n > 300)
        assert bridge.counts.lost == 0
        assert source.source_id == "brainflow-synthetic"


def test_a_recording_is_an_lsl_stream_that_ends_with_it() -> None:
    path = packaged_recordings()["ssvep-exo-s12"]
    whole = read_recording(path)
    source = FileSource(path)
    assert source.open() == whole.spec
    taken = source.read()
    np.testing.assert_array_equal(taken.samples, whole.samples[: len(taken.samples)])
    assert not taken.ended


def test_a_recording_that_is_played_again_and_again_leaves_nothing_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [0.0]
    monkeypatch.setattr("volition.streams.bridge.files.time.monotonic", lambda: now[0])
    monkeypatch.setattr("volition.streams.bridge.files.time.sleep", lambda _: None)
    path = packaged_recordings()["ssvep-exo-s12"]
    whole = read_recording(path)
    source = FileSource(path, loop=True)
    source.open()
    rows = [np.empty((0, whole.spec.n_channels))]
    while sum(map(len, rows)) < len(whole) + 500:
        now[0] += 7.3
        rows.append(source.read().samples)
    played = np.concatenate(rows)
    np.testing.assert_array_equal(played[: len(whole)], whole.samples)
    np.testing.assert_array_equal(played[len(whole) :][:500], whole.samples[:500])


def test_boards_are_called_as_people_call_them_and_others_are_refused_with_those_there_are() -> (
    None
):
    ids = board_ids()
    assert {"synthetic": -1, "cyton": 0, "ganglion": 1}.items() <= ids.items()
    with pytest.raises(ConfigError, match=r"no board 'cytn'; it knows: .*cyton"):
        BrainFlowSource(BoardOptions("cytn"))
    with pytest.raises(ConfigError, match="no channels of kind EOG"):
        BrainFlowSource(BoardOptions("muse-2", signal="EOG")).open()


def test_a_board_that_is_not_there_is_told_and_not_the_end() -> None:
    options = BoardOptions("cyton", parameters={"serial_port": "/dev/none"})
    source = BrainFlowSource(options)
    assert source.source_id == "brainflow-cyton-/dev/none"
    with pytest.raises(StreamError, match="Cyton cannot be opened"):
        source.open()
    source.close()


@pytest.mark.parametrize(
    ("numbers", "lost"),
    [
        ([*range(256), 0, 1, 2, 6], 3),
        ([*range(256), 0, 1, 254, 255, 0], 252),
        ([0, 1, 2, 6, 7], 0),
        ([*range(201), 0, 1, 5], 0),
        ([0, 0, 1, 1, 2, 2], 0),
    ],
    ids=["lost", "around", "not yet believed", "another modulus", "twice each"],
)
def test_packages_are_missed_by_their_numbers_once_these_are_known(
    numbers: list[int], lost: int
) -> None:
    assert PackageCount().lost_before(np.array(numbers, dtype=float)) == lost


def test_what_is_no_recording_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.edf").write_bytes(b"no")
    with pytest.raises(Exception, match=r"x\.edf"):
        FileSource(tmp_path / "x.edf")
