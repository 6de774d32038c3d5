"""Archives of arrays: what is asked for is read, and nothing that is pickled."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from volition.errors import RecordingError
from volition.streams.files.npz import archives, only_archive, read_arrays


def test_what_is_asked_for_is_read_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, a=np.arange(3), b=np.arange(2), pickled=np.array([{}]))
    found = read_arrays(path, ["b"], optional=["a", "none"])
    assert {name: array.tolist() for name, array in found.items()} == {"b": [0, 1], "a": [0, 1, 2]}


def test_what_is_pickled_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", a=np.array([{}]))
    with pytest.raises(RecordingError, match=r"a\.npz cannot be read"):
        read_arrays(tmp_path / "a.npz", ["a"])


def test_an_array_that_is_not_there_is_told_with_those_that_are(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", a=np.arange(3), b=np.arange(2))
    with pytest.raises(RecordingError, match=r"a\.npz lacks c, d; found: a, b"):
        read_arrays(tmp_path / "a.npz", ["a", "c", "d"])


@pytest.mark.parametrize("content", [b"", b"nothing of the kind", None])
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "a.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RecordingError, match="cannot be read"):
        read_arrays(path, ["a"])


def test_a_folder_of_one_archive_holds_exactly_one(tmp_path: Path) -> None:
    assert archives(tmp_path / "none") == []
    with pytest.raises(RecordingError, match=r"reach is a folder with one \.npz file; found 0"):
        only_archive(tmp_path, "reach")
    np.savez(tmp_path / "a.npz", a=np.arange(3))
    assert only_archive(tmp_path, "reach") == tmp_path / "a.npz"
    np.savez(tmp_path / "b.npz", a=np.arange(3))
    with pytest.raises(RecordingError, match="found 2"):
        only_archive(tmp_path, "reach")
