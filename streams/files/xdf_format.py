"""XDF 1.0, the file format of the LSL world: the marks that its writer and its reader share.

A file is four letters and then chunks, each with its own length: a file header, per stream a
header and a footer in XML, samples, clock offsets, and boundary marks by which a reader finds its
way again after damage.

References
----------
The layout of the chunks follows pyxdf (BSD licence), which is also the judge of what is written.
"""

from __future__ import annotations

import struct
from typing import Literal

SampleFormat = Literal["float32", "float64", "int8", "int16", "int32", "int64"]
#: What the format calls them.
XDF_NAMES: dict[SampleFormat, str] = {
    "float32": "float32",
    "float64": "double64",
    "int8": "int8",
    "int16": "int16",
    "int32": "int32",
    "int64": "int64",
}
#: Size of one value, by the format's name.
VALUE_BYTES = {"float32": 4, "double64": 8, "int8": 1, "int16": 2, "int32": 4, "int64": 8}

MAGIC = b"XDF:"
FILE_HEADER, STREAM_HEADER, SAMPLES, CLOCK_OFFSET, BOUNDARY, STREAM_FOOTER = range(1, 7)
BOUNDARY_MARK = bytes.fromhex("43a546dccbf5410fb30ed5467383cbe4")


def encoded_length(n: int) -> bytes:
    """Encode a length: one byte for the size of the number, then the number."""
    if n < 1 << 8:
        return struct.pack("<BB", 1, n)
    if n < 1 << 32:
        return struct.pack("<BI", 4, n)
    return struct.pack("<BQ", 8, n)


def decoded_length(data: bytes, position: int) -> tuple[int, int] | None:
    """Decode a length; give it with where what follows begins, or None where there is none."""
    size = data[position] if position < len(data) else 0
    if size not in (1, 4, 8) or position + 1 + size > len(data):
        return None
    start = position + 1
    return int.from_bytes(data[start : start + size], "little"), start + size
