"""A recording is read as the session would have received it live."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.streams.files import raw_xdf
from volition.errors import RecordingError
from volition.service.sessions.config import MarkerStream, SignalStream, read_for
from volition.streams.files.recording import Recording

SIGNAL: dict[str, Any] = {"channel_count": 2, "nominal_srate": 100, "channel_format": "float32"}
MARKERS: dict[str, Any] = {"channel_count": 1, "nominal_srate": 0, "channel_format": "string"}
TIMES = 500.0 + np.arange(200) / 100


def signal(number: int, value: float, **keys: Any) -> bytes:
    rows = np.full((200, 2), value)
    return raw_xdf.header(number, **keys, **SIGNAL) + raw_xdf.numbers(
        number, rows, TIMES.tolist(), "<f4"
    )


def markers(number: int, names: list[str], **keys: Any) -> bytes:
    times = [500.5 + 0.1 * k for k in range(len(names))]
    return raw_xdf.header(number, **keys, **MARKERS) + raw_xdf.texts(
        number, [[name] for name in names], times
    )


def read(path: Path, stream: dict[str, Any], wanted: dict[str, Any] | None = None) -> Recording:
    return read_for(
        path,
        SignalStream.model_validate(stream),
        None if wanted is None else MarkerStream.model_validate(wanted),
    )


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        ({"type": "EMG"}, 3.0),
        ({"type": "emg", "name": "myo"}, 3.0),
        ({"name": "second"}, 2.0),
        ({"source_id": "p1"}, 1.0),
        ({"host": "lab-2"}, 2.0),
    ],
)
def test_the_signal_is_the_one_that_the_session_names(
    tmp_path: Path, keys: dict[str, Any], value: float
) -> None:
    path = raw_xdf.write(
        tmp_path / "a.xdf",
        signal(1, 1.0, name="first", type="EEG", source_id="p1", hostname="lab-1"),
        signal(2, 2.0, name="second", type="EEG", source_id="p2", hostname="lab-2"),
        signal(3, 3.0, name="myo", type="EMG", source_id="m", hostname="lab-1"),
    )
    recording = read(path, keys)
    assert recording.samples[0, 0] == value
    assert any(warning.startswith("not used: ") for warning in recording.warnings)


def test_of_several_signals_none_is_guessed(tmp_path: Path) -> None:
    path = raw_xdf.write(
        tmp_path / "a.xdf",
        signal(1, 1.0, name="first", type="EEG", source_id="p1"),
        signal(2, 2.0, name="second", type="EEG", source_id="p2"),
    )
    with pytest.raises(RecordingError, match="2 streams"):
        read(path, {"type": "EEG"})


def test_another_headset_stands_for_the_one_that_is_named_and_that_is_told(tmp_path: Path) -> None:
    path = raw_xdf.write(
        tmp_path / "a.xdf",
        signal(1, 1.0, name="amp", type="EEG", source_id="amp-1"),
        signal(2, 2.0, name="myo", type="EMG", source_id="myo-1"),
    )
    recording = read(path, {"type": "EEG", "source_id": "exo-12"})
    assert recording.samples[0, 0] == 1.0
    assert any("stands for it" in warning for warning in recording.warnings)


def test_the_markers_are_those_that_the_session_names(tmp_path: Path) -> None:
    path = raw_xdf.write(
        tmp_path / "a.xdf",
        signal(1, 1.0, name="amp", type="EEG"),
        markers(2, ["go", "go"], name="stim", type="Markers"),
        markers(3, ["key"] * 5, name="keyboard", type="Markers"),
    )
    named = read(path, {"type": "EEG"}, {"name": "stim"})
    assert [event.name for event in named.events] == ["go", "go"]
    assert len(read(path, {"type": "EEG"}).events) == 7


@pytest.mark.parametrize("kind", ["Experiment", "", "VR", "Stimulus"])
def test_markers_that_are_named_may_be_of_any_type(tmp_path: Path, kind: str) -> None:
    path = raw_xdf.write(
        tmp_path / "a.xdf",
        signal(1, 1.0, name="amp", type="EEG"),
        markers(2, ["go"], name="stim", type=kind),
    )
    assert len(read(path, {"type": "EEG"}, {"name": "stim", "type": None}).events) == 1


@pytest.mark.parametrize(
    ("format_", "dtype"), [("float32", "<f4"), ("double64", "<f8"), ("int32", "<i4")]
)
def test_markers_that_are_numbers_are_read_as_live(
    tmp_path: Path, format_: str, dtype: str
) -> None:
    of_numbers: dict[str, Any] = {"channel_count": 2, "nominal_srate": 0, "channel_format": format_}
    path = raw_xdf.write(
        tmp_path / "a.xdf",
        signal(1, 1.0, name="amp", type="EEG"),
        raw_xdf.header(2, name="stim", type="Markers", **of_numbers),
        raw_xdf.numbers(2, [[1, 7], [1, 8]], [500.5, 501.0], dtype),
    )
    recording = read(path, {"type": "EEG"}, {"name": "stim", "channel": 2})
    assert [event.name for event in recording.events] == ["7", "8"]
    with pytest.raises(RecordingError, match=r"markers\.channel"):
        read(path, {"type": "EEG"}, {"name": "stim"})


@pytest.mark.parametrize("desc", ["<!-- driver 1.2 -->", "<note><![CDATA[a<b<!DOCTYPE>]]></note>"])
def test_a_header_may_hold_comments_and_plain_text(tmp_path: Path, desc: str) -> None:
    body = raw_xdf.numbers(1, np.ones((200, 2)), TIMES.tolist(), "<f4")
    path = raw_xdf.write(
        tmp_path / "a.xdf", raw_xdf.header(1, desc, name="amp", type="EEG", **SIGNAL), body
    )
    assert len(read(path, {"type": "EEG"})) == 200
