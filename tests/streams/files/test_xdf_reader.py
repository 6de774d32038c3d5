from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import pyxdf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from volition.chunk import SignalSpec
from volition.errors import RecordingError
from volition.streams.files.xdf_reader import read_xdf
from volition.streams.files.xdf_writer import XdfWriter

SPEC = SignalSpec(256.0, ("Oz", "VEOG"), ("microvolts", "mV"), ("EEG", "EOG"))


def write_two_streams(path: Path, *, n_chunks: int = 20, close: bool = True) -> list[int]:
    """Write counting samples and a marker per chunk; give the file's size after each chunk."""
    writer = XdfWriter(path)
    signal = writer.add_signal(SPEC, name="exo", source_id="exo-12")
    markers = writer.add_markers(name="cues", source_id="cues-1")
    sizes = []
    for k in range(n_chunks):
        numbers = np.arange(10 * k, 10 * k + 10)
        writer.write_samples(signal, np.stack([numbers, -numbers], axis=1), 50.0 + numbers / 256.0)
        writer.write_texts(markers, [f"chunk {k}"], [50.0 + k])
        writer.flush()
        sizes.append(path.stat().st_size)
    if close:
        writer.close()
    return sizes


def test_a_file_cut_off_anywhere_gives_every_chunk_before_the_cut(tmp_path: Path) -> None:
    path, cut = tmp_path / "whole.xdf", tmp_path / "cut.xdf"
    sizes = write_two_streams(path)
    whole = path.read_bytes()
    for length in range(sizes[4], sizes[6], 3):
        cut.write_bytes(whole[:length])
        contents = read_xdf(cut)
        signal, markers = contents.streams
        n_flushed = sum(size <= length for size in sizes)

        assert len(signal.times) in (10 * n_flushed, 10 * n_flushed + 10)
        np.testing.assert_array_equal(signal.samples[:, 0], np.arange(len(signal.times)))
        assert len(markers.times) in (n_flushed, n_flushed + 1)
        assert contents.warnings


def test_damage_in_the_middle_loses_no_more_than_up_to_the_next_boundary(tmp_path: Path) -> None:
    path = tmp_path / "damaged.xdf"
    sizes = write_two_streams(path)
    data = bytearray(path.read_bytes())
    data[sizes[4] : sizes[4] + 6] = b"\xff" * 6
    path.write_bytes(data)
    contents = read_xdf(path)

    expected = np.r_[np.arange(50), np.arange(60, 200)]
    np.testing.assert_array_equal(contents.streams[0].samples[:, 0], expected)
    assert contents.warnings == (
        f"{sizes[5] - sizes[4]} bytes from byte {sizes[4]} on are damaged",
    )


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None
)
@given(data=st.data())
def test_no_damage_at_all_makes_anything_worse_than_a_recording_error(
    tmp_path: Path, data: st.DataObject
) -> None:
    path = tmp_path / "fuzzed.xdf"
    if not path.exists():
        write_two_streams(path, n_chunks=3)
    whole = path.read_bytes()
    damaged = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(damaged) - 1))
        damaged[position : position + data.draw(st.integers(0, 3))] = data.draw(
            st.binary(max_size=9)
        )
    fuzzed = tmp_path / "f.xdf"
    fuzzed.write_bytes(damaged)
    try:
        contents = read_xdf(fuzzed)
    except RecordingError:
        return
    assert contents.streams


def test_a_count_of_samples_that_cannot_be_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "huge.xdf"
    with XdfWriter(path) as writer:
        number = writer.add_markers(name="m", source_id="")
        writer.write_texts(number, ["a"], [1.0])
    data = path.read_bytes()
    honest = b"\x01\x01\x08" + np.float64(1.0).tobytes() + b"\x01\x01a"
    assert honest in data
    path.write_bytes(data.replace(honest, b"\x04\xff\xff\xff\xff" + honest[5:]))

    (stream,) = read_xdf(path).streams
    assert len(stream.times) == 0


def test_a_header_that_declares_entities_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "bomb.xdf"
    declaration = b"<!ENTITY a 'aaaaaaaa'>"
    with XdfWriter(path) as writer:
        writer.add_markers(name="n" * len(declaration), source_id="")
    path.write_bytes(path.read_bytes().replace(b"n" * len(declaration), declaration))

    with pytest.raises(RecordingError, match="holds no stream"):
        read_xdf(path)


@pytest.mark.parametrize("content", [b"", b"XDF", b"PK\x03\x04", b"XDF:", b"XDF:\x01\x00"])
def test_what_is_no_xdf_file_is_an_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "no.xdf"
    path.write_bytes(content)

    with pytest.raises(RecordingError, match=r"no XDF file|holds no stream"):
        read_xdf(path)


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="cannot be read"):
        read_xdf(tmp_path / "none.xdf")


# --- files of other programs -----------------------------------------------------------------


@pytest.mark.parametrize("name", ["minimal", "clock_resets", "empty_streams"])
def test_files_of_other_programs_read_as_pyxdf_reads_them(shared_data: Path, name: str) -> None:
    path = shared_data / "xdf_format" / f"{name}.xdf"
    theirs, _ = pyxdf.load_xdf(io.BytesIO(path.read_bytes()), dejitter_timestamps=False)
    ours = read_xdf(path)

    assert ours.warnings == ()
    assert len(ours.streams) == len(theirs)
    for one, other in zip(ours.streams, theirs, strict=True):
        assert one.name == other["info"]["name"][0]
        np.testing.assert_array_equal(one.times, other["time_stamps"])
        np.testing.assert_array_equal(one.samples, other["time_series"])
