"""A program that makes LSL outlets and pushes what it is told, one JSON command a line.

It uses pylsl alone, so that it can make streams that ours would not: without labels, with odd
units, in any format.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pylsl

_outlets: dict[str, Any] = {}


def make(
    key: str,
    *,
    name: str,
    source_id: str,
    kind: str = "EEG",
    rate_hz: float = 250.0,
    n_channels: int = 2,
    channel_format: str = "float32",
    channels: list[dict[str, str]] | None = None,
) -> dict[str, Any]:
    info = pylsl.StreamInfo(name, kind, n_channels, rate_hz, channel_format, source_id)
    if channels is not None:
        parent = info.desc().append_child("channels")
        for channel in channels:
            node = parent.append_child("channel")
            for tag, value in channel.items():
                node.append_child_value(tag, value)
    _outlets[key] = pylsl.StreamOutlet(info, 0, 60)
    return {"uid": _outlets[key].get_info().uid()}


def push(key: str, samples: list[list[Any]], times: list[float]) -> dict[str, Any]:
    for sample, time in zip(samples, times, strict=True):
        _outlets[key].push_sample(sample, time)
    return {}


def count(
    key: str, *, first: int, n: int, chunk: int, n_channels: int, rate_hz: float
) -> dict[str, Any]:
    """Push samples that count, as fast as they go."""
    start = pylsl.local_clock()
    for number in range(first, first + n, chunk):
        numbers = np.arange(number, min(number + chunk, first + n))
        samples = np.zeros((len(numbers), n_channels), dtype=np.float32)
        samples[:, 0] = numbers
        _outlets[key].push_chunk(samples, list(start + numbers / rate_hz))
    return {"start": start}


COMMANDS: dict[str, Callable[..., dict[str, Any]]] = {
    "make": make,
    "push": push,
    "count": count,
}

if __name__ == "__main__":
    for line in sys.stdin:
        command = json.loads(line)
        answer = COMMANDS[command.pop("do")](**command)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
