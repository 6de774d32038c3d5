"""What a network file says it is, read without running it.

An ONNX file is one protocol buffer. Only those messages that name operators, versions and
where weights lie are opened here, by their numbers in ONNX's ``onnx.proto``; everything else is
stepped over. So a file can be refused for what it would do before the runtime has seen it, and
without the package onnx, which serving does not install.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from volition.errors import ModelError

_MOST_VARINT_BYTES = 10


@dataclass(frozen=True, slots=True)
class Outline:
    """What the file declares.

    Attributes
    ----------
    opsets
        Version of each operator set, by domain; ONNX's own is the empty string.
    operators
        Types of its operators, with ``domain::`` before those that are not ONNX's own.
    has_functions
        It defines operators of its own.
    has_control_flow
        An operator carries a graph (a loop or a branch).
    has_external_weights
        Weights lie in other files.
    """

    opsets: dict[str, int]
    operators: frozenset[str]
    has_functions: bool
    has_control_flow: bool
    has_external_weights: bool


def outline(content: bytes) -> Outline:
    """Read a file's outline.

    Raises
    ------
    ModelError
        The bytes are not an ONNX file.
    """
    opsets: dict[str, int] = {}
    found = _Found()
    n_graphs = 0
    for number, value in _fields(memoryview(content)):
        if number == 7:
            n_graphs += 1
            _read_graph(_message(value), found)
        elif number == 8:
            _read_opset(_message(value), opsets)
        elif number in (20, 25):  # training_info, functions
            found.has_functions = True
    if n_graphs != 1 or not opsets:
        raise ModelError(
            f"this is not an ONNX file: it must hold one graph and the versions of its operators; "
            f"found {n_graphs} graphs and {len(opsets)} versions"
        )
    return Outline(
        opsets,
        frozenset(found.operators),
        found.has_functions,
        found.has_control_flow,
        found.has_external_weights,
    )


class _Found:
    def __init__(self) -> None:
        self.operators: set[str] = set()
        self.has_functions = False
        self.has_control_flow = False
        self.has_external_weights = False


def _read_opset(message: memoryview, opsets: dict[str, int]) -> None:
    domain, version = "", 0
    for number, value in _fields(message):
        if number == 1:
            domain = _text(value)
        elif number == 2 and isinstance(value, int):
            version = value
    opsets["" if domain == "ai.onnx" else domain] = version


def _read_graph(graph: memoryview, found: _Found) -> None:
    for number, value in _fields(graph):
        if number == 1:
            _read_node(_message(value), found)
        elif number == 5:
            _read_tensor(_message(value), found)


def _read_node(node: memoryview, found: _Found) -> None:
    kind, domain = "", ""
    for number, value in _fields(node):
        if number == 4:
            kind = _text(value)
        elif number == 7:
            domain = _text(value)
        elif number == 5:
            for part, content in _fields(_message(value)):
                if part in (5, 10):  # a tensor, tensors
                    _read_tensor(_message(content), found)
                elif part in (6, 11):  # a graph, graphs
                    found.has_control_flow = True
    own = domain in ("", "ai.onnx")
    found.operators.add(kind if own else f"{domain}::{kind}")


def _read_tensor(tensor: memoryview, found: _Found) -> None:
    for number, value in _fields(tensor):
        if number == 13 or (number == 14 and value != 0):
            found.has_external_weights = True


def _message(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        raise ModelError("this is not an ONNX file: a number stands where a message must")
    return value


def _text(value: int | memoryview) -> str:
    return bytes(_message(value)).decode("utf-8", "replace")


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Give the number and value of each field of a protocol buffer's message."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            value, at = _varint(message, at)
            yield number, value
            continue
        if wire == 2:
            length, at = _varint(message, at)
        elif wire in (1, 5):
            length = 8 if wire == 1 else 4
        else:
            raise ModelError(f"this is not an ONNX file: its bytes hold a field of type {wire}")
        if length > len(message) - at:
            raise ModelError(
                f"this ONNX file is cut off, or is none: {length} bytes are announced where "
                f"{len(message) - at} are left"
            )
        yield number, message[at : at + length]
        at += length


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    result = 0
    for place in range(_MOST_VARINT_BYTES):
        if at >= len(message):
            break
        byte = message[at]
        at += 1
        result |= (byte & 0x7F) << (7 * place)
        if not byte & 0x80:
            return result, at
    raise ModelError("this is not an ONNX file, or it is cut off: a number in it does not end")
