"""A recorder beside a loop that must never wait for it."""

from __future__ import annotations

import os
import resource
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import pyxdf

from volition.chunk import Chunk, SignalSpec
from volition.service.worker.recorder import Recorder
from volition.streams.files.xdf_reader import read_xdf

SPEC = SignalSpec(250.0, ("counter", "b"))
STREAM = {"name": "exo", "type": "EEG", "source_id": "exo-1", "host": "h", "created_at": 1.5}


class Recording:
    """A recorder, and the numbered samples that were handed to it."""

    def __init__(self, folder: Path) -> None:
        self.recorder = Recorder(
            folder, "s-1", 2, SPEC, stream=STREAM, header={"next_seq": 7, "config": "{}"}
        )
        self.sent = 0

    def send(self, n_samples: int = 100) -> None:
        numbers = np.arange(self.sent, self.sent + n_samples, dtype=np.float64)
        chunk = Chunk(np.stack([numbers, -numbers], axis=1), 50.0 + numbers / 250.0)
        self.recorder.write_signal(self.recorder.copy(chunk), n_samples)
        self.sent += n_samples

    def await_state(self, done: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        while not done(state := self.recorder.state()):
            time.sleep(0.02)
        return state

    @property
    def process(self) -> psutil.Process:
        return psutil.Process(self.recorder._process.pid)


@pytest.fixture
def recording(tmp_path: Path) -> Iterator[Recording]:
    made = Recording(tmp_path / "made" / "anew")
    yield made
    made.recorder.close(10.0)


def counter_of(path: Path) -> np.ndarray:
    streams, _ = pyxdf.load_xdf(path, dejitter_timestamps=False)
    (signal_,) = (stream for stream in streams if stream["info"]["name"] == ["exo"])
    return np.asarray(signal_["time_series"])[:, 0]


def test_all_that_was_handed_over_is_in_the_file(recording: Recording, tmp_path: Path) -> None:
    recording.send()
    recording.recorder.write_marker("cue", 50.1)
    recording.recorder.write_intent(b'{"seq":7}', 50.2)
    recording.recorder.write_status({"state": "running"}, 50.0)
    recording.send()
    recording.recorder.close(10.0)
    (path,) = (tmp_path / "made" / "anew").iterdir()
    contents = read_xdf(path)
    assert not contents.warnings
    exo, intents, status, markers = contents.streams
    assert (exo.source_id, exo.labels, exo.rate_hz) == ("exo-1", SPEC.labels, 250.0)
    assert exo.samples[:, 0].tolist() == list(range(200))
    assert exo.times.tolist() == [50.0 + n / 250.0 for n in range(200)]
    assert intents.samples == [['{"seq":7}']]
    assert status.samples == [['{"state": "running"}']]
    assert (markers.samples, markers.times.tolist()) == ([["cue"]], [50.1])
    assert contents.header["volition"] == [
        {
            "session": ["s-1"],
            "epoch": ["2"],
            "samples_before": ["0"],
            "next_seq": ["7"],
            "config": ["{}"],
        }
    ]


def test_a_full_disk_is_said_and_costs_nothing_that_comes_when_there_is_room(
    tmp_path: Path,
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        recording = Recording(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    recording.send(500)
    recording.await_state(lambda state: state["samples"] == 500 and not state["error"])
    recording.send(2000)
    state = recording.await_state(lambda state: state["error"])
    assert "cannot be written" in state["error"]
    path = tmp_path / state["file"]
    assert counter_of(path).tolist() == list(range(500))
    resource.prlimit(recording.process.pid, resource.RLIMIT_FSIZE, (hard, hard))
    recording.send(500)
    recording.await_state(lambda state: not state["error"] and state["samples"] == 3000)
    recording.recorder.close(10.0)
    assert counter_of(path).tolist() == list(range(3000))


def test_a_recorder_that_hangs_holds_nobody_up_and_knows_what_it_missed(
    recording: Recording, tmp_path: Path
) -> None:
    recording.send()
    state = recording.await_state(lambda state: state["samples"] == 100)
    os.kill(recording.process.pid, signal.SIGSTOP)
    slowest_s = 0.0
    for _ in range(400):
        start = time.thread_time()
        recording.send(2500)
        slowest_s = max(slowest_s, time.thread_time() - start)
    assert slowest_s < 0.05
    os.kill(recording.process.pid, signal.SIGCONT)
    # What is kept for it goes out with what comes next.
    while recording.await_state(lambda _: True)["lost"] == 0:
        recording.send(1)
        time.sleep(0.01)
    recording.recorder.close(20.0)
    counter = counter_of(tmp_path / "made" / "anew" / state["file"])
    missing = recording.sent - len(counter)
    assert 0 < missing < recording.sent
    (status,) = (
        s
        for s in read_xdf(next((tmp_path / "made" / "anew").iterdir())).streams
        if s.name == "volition-status"
    )
    assert [f"{missing} samples before this are lost" in text for (text,) in status.samples] == [
        True
    ]


def test_recordings_of_one_name_that_begin_at_once_each_get_a_file(tmp_path: Path) -> None:
    several = [Recording(tmp_path) for _ in range(4)]
    for one in several:
        one.send()
    files = [one.await_state(lambda state: state["samples"])["file"] for one in several]
    for one in several:
        one.recorder.close(10.0)
    assert len(set(files)) == 4
    assert all(len(counter_of(tmp_path / file)) == 100 for file in files)


def test_signals_do_not_end_a_recorder_but_the_end_of_its_worker_does(
    recording: Recording, tmp_path: Path
) -> None:
    recording.send()
    recording.await_state(lambda state: state["samples"] == 100)
    process = recording.process
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGINT)
    recording.send()
    state = recording.await_state(lambda state: state["samples"] == 200)
    recording.recorder.close(10.0)
    assert not process.is_running()
    assert len(counter_of(tmp_path / "made" / "anew" / state["file"])) == 200
