"""Writes BrainVision: samples as 32-bit floats, a header and markers beside them.

References
----------
Brain Products, "BrainVision Core Data Format 1.0", 2017.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from volition.chunk import FloatArray

_HEADER = """\
Brain Vision Data Exchange Header File Version 1.0
; Written by Volition

[Common Infos]
Codepage=UTF-8
DataFile={data}
MarkerFile={markers}
DataFormat=BINARY
DataOrientation=MULTIPLEXED
NumberOfChannels={n_channels}
SamplingInterval={interval_us!r}

[Binary Infos]
BinaryFormat=IEEE_FLOAT_32

[Channel Infos]
; Ch<number>=<name>,<reference>,<resolution>,<unit>
"""
_MARKERS = """\
Brain Vision Data Exchange Marker File, Version 1.0

[Common Infos]
Codepage=UTF-8
DataFile={data}

[Marker Infos]
; Mk<number>=<type>,<description>,<position, from 1>,<points>,<channel, 0 for all>
"""


def write_brainvision(
    path: Path,
    samples: FloatArray,
    *,
    rate_hz: float,
    labels: Sequence[str],
    units: Sequence[str],
    markers: Sequence[tuple[int, str]] = (),
) -> None:
    """Write a recording whose samples are evenly apart.

    Parameters
    ----------
    path
        The header, ``NAME.vhdr``; ``NAME.eeg`` and ``NAME.vmrk`` are written beside it.
    samples : ndarray of float64, shape (n_samples, n_channels)
        Kept as 32-bit floats; NaN where there is none.
    rate_hz
        Samples a second.
    labels, units
        One of each for every channel.
    markers
        For each, the index of its sample, from 0, and its description.
    """
    data, marks = path.with_suffix(".eeg"), path.with_suffix(".vmrk")
    np.ascontiguousarray(samples, dtype="<f4").tofile(data)
    header = _HEADER.format(
        data=data.name, markers=marks.name, n_channels=len(labels), interval_us=1e6 / rate_hz
    )
    channels = enumerate(zip(labels, units, strict=True), 1)
    lines = [f"Ch{n}={_field(label)},,1,{_field(unit)}" for n, (label, unit) in channels]
    path.write_text(header + "\n".join(lines) + "\n", "utf-8")
    told = [(f"Stimulus,{_field(text)}", at + 1) for at, text in markers]
    rows = [("New Segment,", 1), *told]
    text = [f"Mk{n}={what},{position},1,0" for n, (what, position) in enumerate(rows, 1)]
    marks.write_text(_MARKERS.format(data=data.name) + "\n".join(text) + "\n", "utf-8")


def _field(text: str) -> str:
    """Write a text as a field: one line, its commas as the format has them."""
    return " ".join(text.split()).replace(",", "\\1")
