"""Write XDF files after the format's own description, with headers as others write them."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt


def _length(n: int) -> bytes:
    return struct.pack("<BB", 1, n) if n < 256 else struct.pack("<BI", 4, n)


def _chunk(tag: int, content: bytes) -> bytes:
    return _length(len(content) + 2) + struct.pack("<H", tag) + content


def header(number: int, desc: str = "", **values: Any) -> bytes:
    """Give a stream's header."""
    fields = "".join(f"<{key}>{value}</{key}>" for key, value in values.items())
    xml = f'<?xml version="1.0"?><info>{fields}<desc>{desc}</desc></info>'
    return _chunk(2, struct.pack("<I", number) + xml.encode())


def numbers(number: int, rows: npt.ArrayLike, times: Sequence[float], dtype: str) -> bytes:
    """Give samples of a numeric stream."""
    content = struct.pack("<I", number) + _length(len(times))
    for row, time in zip(np.asarray(rows, dtype=dtype), times, strict=True):
        content += b"\x08" + struct.pack("<d", time) + row.tobytes()
    return _chunk(3, content)


def texts(number: int, rows: Sequence[Sequence[str]], times: Sequence[float]) -> bytes:
    """Give samples of a stream of texts."""
    content = struct.pack("<I", number) + _length(len(times))
    for row, time in zip(rows, times, strict=True):
        content += b"\x08" + struct.pack("<d", time)
        for value in row:
            content += _length(len(value.encode())) + value.encode()
    return _chunk(3, content)


def write(path: Path, *parts: bytes) -> Path:
    """Write a file of these."""
    begin = _chunk(1, b'<?xml version="1.0"?><info><version>1.0</version></info>')
    path.write_bytes(b"XDF:" + begin + b"".join(parts))
    return path
