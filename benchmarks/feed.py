"""A stream to measure with: a real LSL outlet in a process of its own, fed by absolute deadlines.

The newest sample of each chunk is stamped at the moment it is pushed, so that a latency counted
from the stamp holds neither the wait for the chunk to fill nor the feeder's own lateness.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import numpy as np

from streams.chunk import SignalSpec
from streams.clock import local_clock
from streams.outlet import SignalOutlet

_STOP_S = 10.0


@dataclass(frozen=True, slots=True)
class Feed:
    """What is fed."""

    n_channels: int
    rate_hz: float
    chunk_s: float
    source_id: str

    @property
    def chunk_samples(self) -> int:
        return max(1, round(self.chunk_s * self.rate_hz))


@contextlib.contextmanager
def feeding(n_channels: int, rate_hz: float, chunk_s: float) -> Iterator[Feed]:
    """Feed noise of a realistic size while the block lasts."""
    feed = Feed(n_channels, rate_hz, chunk_s, f"feed-{uuid4().hex}")
    context = multiprocessing.get_context("spawn")
    ready, stop = context.Event(), context.Event()
    process = context.Process(target=_feed, args=(feed, ready, stop), daemon=True)
    process.start()
    try:
        if not ready.wait(30):
            raise RuntimeError("the feeder did not start within 30 s")
        yield feed
    finally:
        stop.set()
        process.join(_STOP_S)
        process.kill()
        process.join()


def _feed(feed: Feed, ready: Any, stop: Any) -> None:
    n = feed.chunk_samples
    spec = SignalSpec(feed.rate_hz, tuple(f"C{i + 1}" for i in range(feed.n_channels)))
    random = np.random.default_rng(0)
    noise = random.normal(0, 10, (64, n, feed.n_channels)).astype(np.float32)
    offsets = np.arange(1 - n, 1) / feed.rate_hz
    with SignalOutlet(spec, name="feed", type="EEG", source_id=feed.source_id) as outlet:
        ready.set()
        start = local_clock()
        for number in range(1, 1 << 62):
            wait_s = start + number * n / feed.rate_hz - local_clock()
            if wait_s > 0:
                time.sleep(wait_s)
            outlet.push(noise[number % 64], offsets + local_clock())
            if stop.is_set():
                return
