"""Archives of arrays (``.npz``), read with care: nothing that is pickled, and no surprise.

To read an archive never runs anything, and whatever is wrong with it is one `RecordingError` that
names the file.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from volition.errors import RecordingError

#: What zipfile and numpy raise for what is none of theirs, or is damaged.
_UNREADABLE = (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error)


def read_arrays(path: Path, needed: Sequence[str], optional: Sequence[str] = ()) -> dict[str, Any]:
    """Give arrays of an archive, by name; others that it holds are not read.

    Parameters
    ----------
    path
        Path of the archive.
    needed
        Names of arrays that it must hold.
    optional
        Names of those that it may hold.

    Raises
    ------
    RecordingError
        It cannot be read, or lacks an array.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            held = [name.removesuffix(".npy") for name in archive.namelist()]
            missing = [name for name in needed if name not in held]
            if not missing:
                wanted = [name for name in (*needed, *optional) if name in held]
                return {name: _array(archive, name) for name in wanted}
    except _UNREADABLE as error:
        raise RecordingError(f"{path} cannot be read: {error}", path=str(path)) from error
    raise RecordingError(
        f"{path.name} lacks {', '.join(missing)}; found: {', '.join(held) or 'no array'}",
        path=str(path),
        found=held,
    )


def _array(archive: zipfile.ZipFile, name: str) -> Any:
    with archive.open(f"{name}.npy") as file:
        return np.lib.format.read_array(file, allow_pickle=False)


def only_archive(folder: Path, name: str) -> Path:
    """Give the one ``.npz`` file of a folder; ``name`` is what an error calls the folder.

    Raises
    ------
    RecordingError
        There is none, or more than one.
    """
    paths = archives(folder)
    if len(paths) != 1:
        raise RecordingError(
            f"{name} is a folder with one .npz file; found {len(paths)} in {folder}",
            root=str(folder),
        )
    return paths[0]


def archives(folder: Path) -> list[Path]:
    """Give the ``.npz`` files of a folder, by name; none where it is no folder."""
    return sorted(folder.glob("*.npz")) if folder.is_dir() else []
