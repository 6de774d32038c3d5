"""BrainVision: a header (.vhdr), a file of samples and a file of markers (.vmrk) beside it.

Read are the binary formats that recorders write: 16-bit integers and 32-bit floats, multiplexed or
vectorised. A marker's event is its description, or its type where it has none. Times count from 0.

References
----------
Brain Products, "BrainVision Core Data Format 1.0", 2017.
"""

from __future__ import annotations

import configparser
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from volition.chunk import Event, FloatArray
from volition.errors import RecordingError

_DTYPES: dict[str, np.dtype[Any]] = {"INT_16": np.dtype("<i2"), "IEEE_FLOAT_32": np.dtype("<f4")}
_COMMA = "\\1"  # how a comma is written within a field


class BrainVisionContents(NamedTuple):
    """The signal of a file and its events."""

    samples: FloatArray
    labels: tuple[str, ...]
    units: tuple[str, ...]
    rate_hz: float
    events: tuple[Event, ...]


def read_brainvision(path: Path) -> BrainVisionContents:
    """Read the recording that a header describes.

    Raises
    ------
    RecordingError
        A file is missing, or says what is not understood.
    """
    try:
        header = _sections(path)
        common = header["Common Infos"]
        rate_hz = 1e6 / float(common["SamplingInterval"])
        n_channels = int(common["NumberOfChannels"])
        rows = [header["Channel Infos"][f"Ch{n + 1}"].split(",") for n in range(n_channels)]
        rows = [[field.replace(_COMMA, ",") for field in (*row, "", "", "")][:4] for row in rows]
        scales = np.array([float(row[2] or 1.0) for row in rows])
        raw = _samples(path, header, n_channels)
        events = _events(path, common.get("MarkerFile", ""), rate_hz)
    except (OSError, KeyError, ValueError, configparser.Error) as error:
        raise RecordingError(
            f"{path.name} cannot be read as BrainVision: {type(error).__name__}: {error}",
            path=str(path),
        ) from None
    labels, units = (tuple(row[at] for row in rows) for at in (0, 3))
    return BrainVisionContents(
        raw * scales, labels, tuple(unit or "µV" for unit in units), rate_hz, events
    )


def _sections(path: Path) -> configparser.ConfigParser:
    found = configparser.ConfigParser(
        interpolation=None, delimiters=("=",), comment_prefixes=(";",), allow_no_value=True
    )
    found.optionxform = str  # type: ignore[assignment]  # configparser's own way to keep the case
    text = path.read_bytes().decode("utf-8-sig", "replace")
    # A first line names the format, and a comment at the end is free text.
    body = text[text.index("[") :].partition("[Comment]")[0]
    found.read_string(body)
    return found


def _samples(path: Path, header: configparser.ConfigParser, n_channels: int) -> FloatArray:
    common = header["Common Infos"]
    dtype = _DTYPES[header["Binary Infos"]["BinaryFormat"]]
    values: FloatArray = np.fromfile(_beside(path, common["DataFile"]), dtype).astype(np.float64)
    values = values[: len(values) // n_channels * n_channels]
    if common.get("DataOrientation", "MULTIPLEXED") == "VECTORIZED":
        return np.ascontiguousarray(values.reshape(n_channels, -1).T)
    return values.reshape(-1, n_channels)


def _events(path: Path, name: str, rate_hz: float) -> tuple[Event, ...]:
    if not name:
        return ()
    events = []
    for key, line in _sections(_beside(path, name))["Marker Infos"].items():
        if not re.fullmatch(r"Mk\d+", key):
            continue
        type_, description, position, *_ = (*line.split(","), "", "")
        text = (description or type_).replace(_COMMA, ",").strip()
        events.append(Event.parse((int(position) - 1) / rate_hz, text))
    return tuple(sorted(events, key=lambda event: event.time))


def _beside(path: Path, name: str) -> Path:
    """Give the file that a header names, which was renamed with it where it is not there."""
    named = path.parent / name.replace("$b", path.stem)
    return named if named.is_file() else path.with_suffix(named.suffix)
