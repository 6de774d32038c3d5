from __future__ import annotations

import hashlib
import subprocess
import sys
from itertools import accumulate, repeat
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import pyxdf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from volition.chunk import SignalSpec
from volition.errors import RecordingError
from volition.streams.files.xdf_format import SampleFormat
from volition.streams.files.xdf_reader import read_xdf
from volition.streams.files.xdf_writer import XdfWriter

SPEC = SignalSpec(256.0, ("Oz", "VEOG"), ("microvolts", "mV"), ("EEG", "EOG"))
RAW: dict[str, Any] = {"synchronize_clocks": False, "dejitter_timestamps": False}


def test_pyxdf_reads_what_was_written_with_its_description(tmp_path: Path) -> None:
    path = tmp_path / "a.xdf"
    with XdfWriter(path) as writer:
        number = writer.add_signal(
            SPEC,
            name="µ & <exo>",
            type="EEG",
            source_id="exo-12",
            created_at=12.5,
            host="amp",
            description={"session": {"stages": ["notch", "bandpass"], "seed": 3}},
        )
        writer.write_samples(number, [[1.0, 2.0]], [7.0])
        writer.write_clock_offset(number, 7.0, -0.5)
        writer.write_clock_offset(number, 8.0, -0.5)
    (stream,), header = pyxdf.load_xdf(path)

    assert header["info"]["version"] == ["1.0"]
    info = stream["info"]
    assert info["name"] == ["µ & <exo>"]
    assert info["type"] == ["EEG"]
    assert info["source_id"] == ["exo-12"]
    assert info["hostname"] == ["amp"]
    assert float(info["created_at"][0]) == 12.5
    assert float(info["nominal_srate"][0]) == 256.0
    channels = info["desc"][0]["channels"][0]["channel"]
    assert [channel["label"] for channel in channels] == [["Oz"], ["VEOG"]]
    assert [channel["unit"] for channel in channels] == [["microvolts"], ["mV"]]
    assert [channel["type"] for channel in channels] == [["EEG"], ["EOG"]]
    assert info["desc"][0]["session"][0]["stages"] == ["notch", "bandpass"]
    footer = stream["footer"]["info"]
    assert footer["sample_count"] == ["1"]
    assert footer["first_timestamp"] == ["7"]
    assert stream["clock_times"] == [7.0, 8.0]
    assert stream["clock_values"] == [-0.5, -0.5]
    # pyxdf maps the stream's time to the recording computer's.
    assert stream["time_stamps"] == pytest.approx([6.5])


@pytest.mark.parametrize("sample_format", get_args(SampleFormat))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
@given(data=st.data())
def test_any_samples_come_back_through_pyxdf_to_the_bit(
    tmp_path: Path, sample_format: SampleFormat, data: st.DataObject
) -> None:
    n_channels = data.draw(st.integers(1, 5))
    rate_hz = data.draw(st.sampled_from([0.0, 1.0, 256.0, 999.7]))
    sizes = data.draw(st.lists(st.integers(0, 20) | st.just(300), min_size=1, max_size=3))
    chunks = [data.draw(hnp.arrays(sample_format, (size, n_channels))) for size in sizes]
    times = [data.draw(_times(size, rate_hz)) for size in sizes]
    path = tmp_path / "any.xdf"
    path.unlink(missing_ok=True)
    spec = SignalSpec(rate_hz, tuple(f"c{k}" for k in range(n_channels)))
    with XdfWriter(path) as writer:
        number = writer.add_signal(spec, name="s", source_id="", format=sample_format)
        for samples, stamps in zip(chunks, times, strict=True):
            writer.write_samples(number, samples, stamps)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):  # pyxdf's effective rate
        (stream,), _ = pyxdf.load_xdf(path, **RAW)

    np.testing.assert_array_equal(stream["time_series"], np.concatenate(chunks))
    np.testing.assert_array_equal(stream["time_stamps"], np.concatenate(times))
    ours = read_xdf(path)
    assert ours.warnings == ()
    np.testing.assert_array_equal(ours.streams[0].samples, np.concatenate(chunks))


def _times(n: int, rate_hz: float) -> st.SearchStrategy[np.ndarray[Any, Any]]:
    """Any times, or times as a reader deduces them, which may be left out of the file."""
    finite = st.floats(-1e9, 1e9)

    def regular(first: float) -> np.ndarray[Any, Any]:
        interval_s = 1.0 / rate_hz if rate_hz else 0.0
        return np.array(list(accumulate(repeat(interval_s, max(0, n - 1)), initial=first))[:n])

    return hnp.arrays(np.float64, n, elements=finite) | finite.map(regular)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(
        st.text(st.characters(blacklist_categories=["Cs"])) | st.just("x" * 300), max_size=20
    )
)
def test_any_texts_come_back_through_pyxdf(tmp_path: Path, texts: list[str]) -> None:
    path = tmp_path / "texts.xdf"
    path.unlink(missing_ok=True)
    times = np.arange(len(texts)) * 1.5
    with XdfWriter(path) as writer:
        number = writer.add_markers(name="m", source_id="")
        writer.write_texts(number, texts, times)
    (stream,), _ = pyxdf.load_xdf(path, **RAW)

    assert [row[0] for row in stream["time_series"]] == texts
    np.testing.assert_array_equal(stream["time_stamps"], times)


def test_times_that_follow_from_the_rate_are_left_out(tmp_path: Path) -> None:
    regular, jittery = tmp_path / "regular.xdf", tmp_path / "jittery.xdf"
    n = 1000
    for path, jitter in ((regular, 0.0), (jittery, 1e-6)):
        with XdfWriter(path) as writer:
            number = writer.add_signal(SPEC, name="s", source_id="")
            times = np.arange(n) / 256.0
            times[1:-1:2] += jitter
            writer.write_samples(number, np.zeros((n, 2)), times)

    assert jittery.stat().st_size - regular.stat().st_size == 8 * (n - 1)


def test_control_characters_cannot_break_the_description(tmp_path: Path) -> None:
    path = tmp_path / "a.xdf"
    spec = SignalSpec(1.0, ("a\x00b",))
    with XdfWriter(path) as writer:
        number = writer.add_signal(
            spec, name="\x1b[31m]]>&", source_id="", description={"note": "\ud800 & \x07"}
        )
        writer.write_samples(number, [[1.0]], [1.0])

    (stream,) = read_xdf(path).streams
    assert stream.name == "\ufffd[31m]]>&"
    assert stream.labels == ("a\ufffdb",)


def test_a_key_that_xml_cannot_hold_is_refused(tmp_path: Path) -> None:
    with (
        XdfWriter(tmp_path / "a.xdf") as writer,
        pytest.raises(RecordingError, match="'a b' cannot be a key"),
    ):
        writer.add_markers(name="m", source_id="", description={"a b": 1})


def test_a_recording_is_never_written_over(tmp_path: Path) -> None:
    path = tmp_path / "a.xdf"
    path.write_bytes(b"precious")

    with pytest.raises(RecordingError, match="exists; a recording is never written over"):
        XdfWriter(path)
    assert path.read_bytes() == b"precious"


@pytest.mark.parametrize(
    ("samples", "times"), [([[1.0, 2.0]], [1.0, 2.0]), ([[1.0]], [1.0]), ([1.0, 2.0], [1.0])]
)
def test_samples_that_do_not_fit_are_refused(tmp_path: Path, samples: Any, times: Any) -> None:
    with XdfWriter(tmp_path / "a.xdf") as writer:
        number = writer.add_signal(SPEC, name="s", source_id="")
        with pytest.raises(RecordingError, match=r"do not make \(n, 2\) samples"):
            writer.write_samples(number, samples, times)


def test_samples_and_texts_go_to_their_own_kind_of_stream(tmp_path: Path) -> None:
    with XdfWriter(tmp_path / "a.xdf") as writer:
        signal = writer.add_signal(SPEC, name="s", source_id="")
        markers = writer.add_markers(name="m", source_id="")
        with pytest.raises(RecordingError, match=f"no stream {markers} of samples"):
            writer.write_samples(markers, [[1.0]], [1.0])
        with pytest.raises(RecordingError, match=f"no stream {signal} of texts"):
            writer.write_texts(signal, ["a"], [1.0])
        with pytest.raises(RecordingError, match="2 texts need as many times"):
            writer.write_texts(markers, ["a", "b"], [1.0])


def test_a_closed_writer_refuses_more(tmp_path: Path) -> None:
    writer = XdfWriter(tmp_path / "a.xdf")
    number = writer.add_signal(SPEC, name="s", source_id="")
    writer.close()
    writer.close()

    with pytest.raises(RecordingError, match="is closed"):
        writer.write_samples(number, [[1.0, 2.0]], [1.0])


def test_the_same_content_gives_the_same_bytes(tmp_path: Path) -> None:
    digests = set()
    for k in range(2):
        path = tmp_path / f"{k}.xdf"
        with XdfWriter(path, recorded_at="2012-07-11T15:33:08") as writer:
            number = writer.add_signal(SPEC, name="s", source_id="")
            writer.write_samples(number, np.ones((5, 2)), np.arange(5.0))
        digests.add(hashlib.sha256(path.read_bytes()).hexdigest())

    assert len(digests) == 1


def test_what_was_flushed_survives_the_death_of_the_process(tmp_path: Path) -> None:
    path = tmp_path / "killed.xdf"
    program = (
        "import os, sys, numpy as np\n"
        "from pathlib import Path\n"
        "from volition.chunk import SignalSpec\n"
        "from volition.streams.files.xdf_writer import XdfWriter\n"
        "writer = XdfWriter(Path(sys.argv[1]))\n"
        "eeg = writer.add_signal(SignalSpec(100.0, ('a',)), name='s', source_id='i')\n"
        "writer.write_samples(eeg, np.arange(500.0)[:, None], np.arange(500) / 100)\n"
        "writer.flush()\n"
        "writer.write_samples(eeg, np.zeros((7, 1)), np.arange(7.0))\n"
        "os._exit(9)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(path)], check=False)
    contents = read_xdf(path)

    assert done.returncode == 9
    np.testing.assert_array_equal(contents.streams[0].samples[:500, 0], np.arange(500))
    assert "1 of 1 streams have no footer: the recording was not closed" in contents.warnings
    (by_pyxdf,), _ = pyxdf.load_xdf(path, **RAW)
    np.testing.assert_array_equal(by_pyxdf["time_series"][:500, 0], np.arange(500))
