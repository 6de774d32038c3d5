"""What may come in from outside, wherever it comes in.

REST, sockets, LSL markers, files and replay ask the same two questions here, so that what is
decoded is also what is stored, sent on and replayed. A text must be one that UTF-8 can write. Plain
data must be what JSON writes and reads back unchanged: bounded in bytes and in depth, numbers
finite and whole ones of at most 64 bits. Nothing here raises or recurses.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

MOST_TEXT_CHARS = 65_536
"""Most characters of a text from a stream or file; of a longer one the beginning is kept."""

MOST_DATA_BYTES = 16_384
"""Most bytes of plain data, counted as `n_bytes_of` does."""

MOST_DEPTH = 16
"""Most objects and lists within each other, in a marker's data."""

MOST_REQUEST_DEPTH = 32
"""The same, in a request or a configuration as a whole."""

LATEST_TIME_S = 1e12
"""No LSL time is later, nor earlier than the same below zero."""

_LARGEST_WHOLE = 2**63
_BYTES_OF_A_NUMBER = 8


def readable(text: str) -> str:
    """Give a text that UTF-8 can write: lone surrogates become question marks; bounded."""
    return text[:MOST_TEXT_CHARS].encode("utf-8", "replace").decode()


def fault_of_text(text: str) -> str:
    """Say why a text is not taken; nothing where it is."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return f"half a character (a lone surrogate) at {error.start}"
    return ""


def fault_of_time(t: float) -> str:
    """Say why a number is no LSL time; nothing where it is."""
    return "" if abs(t) <= LATEST_TIME_S else f"a time in seconds is at most {LATEST_TIME_S:g}"


def fault_of_data(
    data: Any, most_bytes: int = MOST_DATA_BYTES, most_depth: int = MOST_DEPTH
) -> str:
    """Say why plain data is not taken; nothing where it is."""
    n_bytes, depth, level = 0, 0, [data]
    while level:
        inner: list[Any] = []
        for value in level:
            if depth == most_depth and isinstance(value, dict | list | tuple):
                return f"nested more than {most_depth} deep"
            if fault := _fault_of_one(value):
                return fault
            n_bytes += _n_bytes_of_one(value)
            if n_bytes > most_bytes:
                return f"larger than {most_bytes} bytes"
            inner += _inside(value)
        depth, level = depth + 1, inner
    return ""


def n_bytes_of(data: Any) -> int:
    """Count the bytes of checked data: of each text its UTF-8, of each number eight."""
    total, level = 0, [data]
    while level:
        total += sum(_n_bytes_of_one(value) for value in level)
        level = [value for one in level for value in _inside(one)]
    return total


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return [*value.keys(), *value.values()]
    return value if isinstance(value, list | tuple) else ()


def _fault_of_one(value: Any) -> str:
    if isinstance(value, str):
        return fault_of_text(value)
    if isinstance(value, float) and not math.isfinite(value):
        return f"a number that JSON cannot hold ({value})"
    if isinstance(value, int) and not -_LARGEST_WHOLE <= value < _LARGEST_WHOLE:
        return "a whole number of more than 64 bits"
    return ""


def _n_bytes_of_one(value: Any) -> int:
    return (
        len(value.encode("utf-8", "replace")) + 2
        if isinstance(value, str)
        else (_BYTES_OF_A_NUMBER)
    )
