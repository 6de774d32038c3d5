"""Writes small ONNX files byte by byte, so that what tries networks needs nothing to export with.

A field of a protocol buffer is its number and kind, then a number or a length and bytes; the
numbers are those of ONNX's ``onnx.proto``.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from volition.decoders.fitting.network import NetworkManifest


def number(field: int, value: int) -> bytes:
    """Give a field that holds a whole number."""
    return _varint(field << 3) + _varint(value)


def message(field: int, content: bytes | str) -> bytes:
    """Give a field that holds bytes, a text or other fields."""
    content = content.encode() if isinstance(content, str) else content
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def tensor(name: str, values: Any) -> bytes:
    """Give a constant."""
    array = np.asarray(values, dtype="<f4")
    dims = b"".join(number(1, length) for length in array.shape)
    return dims + number(2, 1) + message(8, name) + message(9, array.tobytes())


def value_info(name: str, shape: tuple[int | str, ...]) -> bytes:
    """Describe an input or an output."""
    axes = b"".join(
        message(1, number(1, one) if isinstance(one, int) else message(2, one)) for one in shape
    )
    of_type = message(1, number(1, 1) + message(2, axes))
    return message(1, name) + message(2, of_type)


def node(kind: str, inputs: list[str], outputs: list[str], extra: bytes = b"") -> bytes:
    """Give one operation."""
    names = b"".join(message(1, one) for one in inputs)
    return names + b"".join(message(2, one) for one in outputs) + message(4, kind) + extra


def model(
    nodes: list[bytes],
    inputs: dict[str, tuple[int | str, ...]],
    outputs: dict[str, tuple[int | str, ...]],
    weights: dict[str, Any] | None = None,
    *,
    opset: int = 17,
    extra: bytes = b"",
) -> bytes:
    """Give the bytes of a file."""
    graph = b"".join(message(1, one) for one in nodes) + message(2, "g")
    graph += b"".join(message(5, tensor(*one)) for one in (weights or {}).items())
    graph += b"".join(message(11, value_info(*one)) for one in inputs.items())
    graph += b"".join(message(12, value_info(*one)) for one in outputs.items())
    return number(1, 8) + message(7, graph) + message(8, number(2, opset)) + extra


def doubler(**changes: Any) -> bytes:
    """Give the network y = 2 x of three numbers."""
    wanted: dict[str, Any] = {
        "nodes": [node("Mul", ["x", "two"], ["y"])],
        "inputs": {"x": (1, 3)},
        "outputs": {"y": (1, 3)},
        "weights": {"two": [2.0]},
    }
    return model(**{**wanted, **changes})


def manifest(content: bytes, **changes: Any) -> NetworkManifest:
    """Give the manifest of `doubler`, with changes."""
    fields: dict[str, Any] = {
        "name": "doubler",
        "kind": "test",
        "inputs": [{"name": "x", "shape": [1, 3], "unit": "uV"}],
        "outputs": [{"name": "y", "shape": [1, 3], "unit": "uV"}],
        "opset": 17,
        "sha256": hashlib.sha256(content).hexdigest(),
        "trained_on": "nothing",
        "licence": "Apache-2.0",
    }
    return NetworkManifest.model_validate({**fields, **changes})
