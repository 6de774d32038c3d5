from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from volition.benchmarks.quality.making.package_recordings import SOURCES, package
from volition.chunk import Event, SignalSpec
from volition.errors import ConfigError, RecordingError
from volition.streams.files.recording import (
    Recording,
    packaged_folder,
    packaged_recordings,
    read_recording,
)
from volition.streams.files.xdf_writer import XdfWriter

LABELS = ["Oz", "O1", "O2", "PO3", "POz", "PO7", "PO8", "PO4"]


def write_npz(path: Path, **changes: Any) -> Path:
    arrays = {
        "eeg": np.arange(24, dtype=np.int16).reshape(2, 12),
        "scale_uV": 0.5,
        "fs": 4.0,
        "ch_names": np.array(["Oz", "O1"]),
        "onset": np.array([2, 4, 6, 8], dtype=np.int32),
        "freq_hz": np.array([0.0, 13.0, 17.0, 8.25]),
        "trial_s": 0.5,
        "source": "made up",
        **changes,
    }
    np.savez(path, **{key: value for key, value in arrays.items() if value is not None})
    return path


def a_recording(n: int, event_times: list[float]) -> Recording:
    return Recording(
        SignalSpec(10.0, ("a",)),
        np.arange(n, dtype=float)[:, np.newaxis],
        np.arange(n) / 10.0,
        tuple(Event(time, f"e{k}") for k, time in enumerate(sorted(event_times))),
    )


# --- chunks ----------------------------------------------------------------------------------


@given(
    n=st.integers(1, 60),
    size=st.integers(1, 70),
    event_times=st.lists(st.floats(-1.0, 8.0), max_size=8),
)
def test_the_chunks_of_a_recording_hold_all_of_it_in_order(
    n: int, size: int, event_times: list[float]
) -> None:
    recording = a_recording(n, event_times)
    chunks = list(recording.chunks(size))

    np.testing.assert_array_equal(np.concatenate([c.samples for c, _ in chunks]), recording.samples)
    np.testing.assert_array_equal(np.concatenate([c.times for c, _ in chunks]), recording.times)
    assert [event for _, events in chunks for event in events] == list(recording.events)
    assert all(len(chunk) == size for chunk, _ in chunks[:-1])


@given(size=st.integers(1, 40), event_times=st.lists(st.floats(0.0, 2.0), max_size=8))
def test_an_event_comes_with_the_first_chunk_that_reaches_its_time(
    size: int, event_times: list[float]
) -> None:
    before = -np.inf
    chunks = list(a_recording(30, event_times).chunks(size))
    for chunk, events in chunks[:-1]:
        assert all(before < event.time <= chunk.times[-1] for event in events)
        before = chunk.times[-1]
    assert all(before < event.time for event in chunks[-1][1])


def test_changing_a_chunk_does_not_change_the_recording() -> None:
    recording = a_recording(10, [])
    for chunk, _ in recording.chunks(5):
        chunk.samples[:] = -1.0
        chunk.times[:] = -1.0

    np.testing.assert_array_equal(recording.samples[:, 0], np.arange(10))
    np.testing.assert_array_equal(recording.times, np.arange(10) / 10.0)


def test_a_part_of_a_recording_has_the_events_of_that_part() -> None:
    part = a_recording(20, [0.0, 0.5, 1.0, 1.5]).between(0.5, 1.5)

    np.testing.assert_array_equal(part.samples[:, 0], np.arange(5, 15))
    assert [event.name for event in part.events] == ["e1", "e2"]
    assert part.duration_s == pytest.approx(1.0)


def test_a_chunk_has_at_least_one_sample() -> None:
    with pytest.raises(ValueError, match="at least one sample"):
        next(a_recording(3, []).chunks(0))


# --- npz -------------------------------------------------------------------------------------


def test_a_file_of_trials_comes_as_microvolts_with_an_event_for_each_onset(tmp_path: Path) -> None:
    recording = read_recording(write_npz(tmp_path / "a.npz"))

    assert recording.spec == SignalSpec(4.0, ("Oz", "O1"))
    np.testing.assert_array_equal(recording.samples[:, 1], np.arange(12, 24) * 0.5)
    np.testing.assert_array_equal(recording.times, np.arange(12) / 4.0)
    assert recording.events == (
        Event(0.5, "trial_start", {"target": "rest", "freq_hz": 0}),
        Event(1.0, "trial_start", {"target": "13 Hz", "freq_hz": 13}),
        Event(1.5, "trial_start", {"target": "17 Hz", "freq_hz": 17}),
        Event(2.0, "trial_start", {"target": "8.25 Hz", "freq_hz": 8.25}),
    )
    assert recording.metadata == {"file": "a.npz", "source": "made up", "trial_s": 0.5}
    assert recording.warnings == ()
    assert len(recording.trials(skip_rest=True)) == 3


def test_channels_and_units_are_chosen_as_at_the_inlet(tmp_path: Path) -> None:
    path = write_npz(tmp_path / "a.npz")
    recording = read_recording(path, channels=["O1"], units="mV")

    assert recording.spec.labels == ("O1",)
    np.testing.assert_array_equal(recording.samples[:, 0], np.arange(12, 24) * 500.0)
    with pytest.raises(ConfigError, match="no channel 'Cz'; found: Oz, O1"):
        read_recording(path, channels=["Cz"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"onset": None}, "lacks onset; found: eeg"),
        ({"ch_names": np.array(["Oz"])}, "does not fit 1 channels"),
        ({"freq_hz": np.array([13.0])}, "do not fit"),
        ({"eeg": np.array([{}])}, "cannot be read"),
    ],
)
def test_a_file_of_another_layout_is_an_error_that_says_what_is_wrong(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    path = write_npz(tmp_path / "a.npz", **changes)

    with pytest.raises(RecordingError, match=message):
        read_recording(path)


@pytest.mark.parametrize("name", ["a.npz", "a.xdf", "a.gdf"])
def test_a_file_that_is_no_recording_is_an_error(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"nothing of the kind")

    with pytest.raises(RecordingError, match=re.escape(name)):
        read_recording(path)


# --- xdf -------------------------------------------------------------------------------------


def test_markers_of_all_marker_streams_come_in_order_and_other_texts_do_not(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.xdf"
    with XdfWriter(path) as writer:
        signal = writer.add_signal(SignalSpec(4.0, ("Oz",), ("mV",)), name="exo", source_id="e")
        cues = writer.add_markers(name="cues", source_id="c")
        keys = writer.add_signal(
            SignalSpec(0.0, ("key",)), name="keys", source_id="k", type="Events", format="int32"
        )
        intents = writer.add_markers(name="intents", source_id="i", type="Intents")
        writer.write_samples(signal, [[1.0], [2.0]], [10.0, 10.25])
        writer.write_texts(cues, ["b", '{"event": "c", "n": 1}'], [10.1, 10.3])
        writer.write_samples(keys, [[7]], [10.2])
        writer.write_texts(intents, ["{}"], [10.2])
    recording = read_recording(path)

    assert recording.events == (Event(10.1, "b"), Event(10.2, "7"), Event(10.3, "c", {"n": 1}))
    np.testing.assert_array_equal(recording.samples, [[1000.0], [2000.0]])
    assert recording.metadata["marker_streams"] == ["cues", "keys"]
    assert recording.metadata["other_streams"] == ["intents (Intents, 1 ch, 1 samples)"]


def write_signals(path: Path, *kinds: str) -> Path:
    with XdfWriter(path) as writer:
        for k, kind in enumerate(kinds):
            number = writer.add_signal(
                SignalSpec(4.0, ("a",)), name=f"s{k}", source_id=f"id-{k}", type=kind
            )
            writer.write_samples(number, [[float(k)]], [1.0])
    return path


def test_the_eeg_among_several_signals_is_meant(tmp_path: Path) -> None:
    path = write_signals(tmp_path / "a.xdf", "Gaze", "EEG", "Gaze")

    assert read_recording(path).metadata["stream"] == "s1"


@pytest.mark.parametrize("wanted", ["s2", "id-2", "3"])
def test_a_signal_is_chosen_by_name_source_id_or_number(tmp_path: Path, wanted: str) -> None:
    path = write_signals(tmp_path / "a.xdf", "EEG", "EEG", "EEG")

    np.testing.assert_array_equal(read_recording(path, stream=wanted).samples, [[2.0]])


def test_several_signals_are_an_error_that_lists_them(tmp_path: Path) -> None:
    path = write_signals(tmp_path / "a.xdf", "EEG", "EEG")

    with pytest.raises(RecordingError, match=r"2 streams could be the signal; found: s0 \(EEG"):
        read_recording(path)
    with pytest.raises(RecordingError, match=r"no signal 'exo'; found: s0 \(EEG"):
        read_recording(path, stream="exo")


def test_a_recording_that_was_cut_off_is_read_with_a_warning(tmp_path: Path) -> None:
    path = write_signals(tmp_path / "a.xdf", "EEG")
    path.write_bytes(path.read_bytes()[:-40])
    recording = read_recording(path)

    assert len(recording) == 1
    assert any("not closed" in warning for warning in recording.warnings)


def test_the_files_of_other_programs_are_recordings(shared_data: Path) -> None:
    folder = shared_data / "xdf_format"
    reset = read_recording(folder / "clock_resets.xdf")
    minimal = read_recording(folder / "minimal.xdf")

    assert reset.samples.shape == (27815, 8)
    assert len(reset.events) == 175
    assert reset.events[1].name == "Test"
    np.testing.assert_array_equal(minimal.samples[0], [192.0, 255.0, 238.0])


# --- what comes along ------------------------------------------------------------------------


def test_the_packaged_recordings_hold_real_trials_with_their_targets() -> None:
    assert set(packaged_recordings()) == set(SOURCES)
    for path in packaged_recordings().values():
        recording = read_recording(path)
        frequencies = [event.data["freq_hz"] for event in recording.trials()]

        assert recording.warnings == ()
        assert recording.spec == SignalSpec(256.0, tuple(LABELS))
        assert sorted(frequencies) == [0] * 8 + [13] * 8 + [17] * 8 + [21] * 8
        assert np.all(np.isfinite(recording.samples))
        assert path.stat().st_size < 3_000_000


def test_the_card_of_the_packaged_recordings_has_their_checksums_and_licence() -> None:
    card = (packaged_folder() / "README.md").read_text(encoding="utf-8")

    assert "CC0" in card
    for name, path in packaged_recordings().items():
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        assert re.search(rf"`{name}\.xdf`.*`{digest}`", card)


def test_the_packaged_recordings_are_made_from_the_public_data(
    shared_data: Path, tmp_path: Path
) -> None:
    for name, source in SOURCES.items():
        made = package(name, shared_data / "ssvep_exo" / source, tmp_path)
        original = read_recording(shared_data / "ssvep_exo" / source)
        recording = read_recording(made)

        assert made.read_bytes() == packaged_recordings()[name].read_bytes()
        assert recording.events == original.events
        n = len(recording)
        np.testing.assert_array_equal(recording.times, original.times[:n])
        np.testing.assert_allclose(recording.samples, original.samples[:n], rtol=0, atol=1e-4)
