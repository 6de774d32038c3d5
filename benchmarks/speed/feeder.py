"""Streams to measure with: real LSL outlets in a process of their own, fed by absolute deadlines.

The newest sample of each chunk is stamped at the moment it is pushed, so that a latency counted
from the stamp holds neither the wait for the chunk to fill nor the feeder's own lateness.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import Any, Self
from uuid import uuid4

import numpy as np
import numpy.typing as npt

from volition.children import forking
from volition.chunk import SignalSpec
from volition.streams.lsl.clock import local_clock
from volition.streams.lsl.outlet import SignalOutlet

_START_S = 30.0
_GOLDEN = 0.6180339887


@dataclass(frozen=True, slots=True)
class FedStream:
    """What is fed."""

    n_channels: int
    rate_hz: float
    chunk_s: float
    source_id: str

    @property
    def chunk_samples(self) -> int:
        return max(1, round(self.chunk_s * self.rate_hz))


class Feeder:
    """Feeds noise of a realistic size while the ``with`` block lasts.

    Parameters
    ----------
    n_channels, rate_hz, chunk_s
        Properties of each stream.
    n_streams
        How many there are. Their chunks are due at different times, as those of devices that know
        nothing of each other.
    """

    def __init__(
        self, n_channels: int, rate_hz: float, chunk_s: float, *, n_streams: int = 1
    ) -> None:
        self.streams = [
            FedStream(n_channels, rate_hz, chunk_s, f"stream-{uuid4().hex}")
            for _ in range(n_streams)
        ]
        self._ours, theirs = forking.Pipe()
        self._ready, self._stop = forking.Event(), forking.Event()
        self._process = forking.Process(
            target=_feed, args=(self.streams, self._ready, self._stop, theirs), daemon=True
        )

    @property
    def stream(self) -> FedStream:
        """The first stream."""
        return self.streams[0]

    def __enter__(self) -> Self:
        self._process.start()
        if not self._ready.wait(_START_S):
            self._process.kill()
            raise RuntimeError(f"the feeder did not start within {_START_S:g} s")
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.kill()
        self._process.join()

    def finish(self) -> npt.NDArray[np.float64]:
        """End feeding; give the LSL time of each chunk's newest sample, of the first stream."""
        return self.finish_all()[0]

    def finish_all(self) -> list[npt.NDArray[np.float64]]:
        """End feeding; give what `finish` gives, of each stream."""
        self._stop.set()
        pushed: list[npt.NDArray[np.float64]] = self._ours.recv()
        return pushed


def completed(
    times: npt.NDArray[np.float64], pushed: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Give the stamp of the newest sample of the chunk that each time lies in.

    A decoder's grid need not fall on the edges of chunks, and a sample within a chunk carries a
    time before the push.
    """
    places = np.searchsorted(pushed, times - 1e-6)
    return pushed[np.minimum(places, len(pushed) - 1)]


def _feed(streams: list[FedStream], ready: Any, stop: Any, results: Any) -> None:
    stream = streams[0]
    n = stream.chunk_samples
    spec = SignalSpec(stream.rate_hz, tuple(f"C{i + 1}" for i in range(stream.n_channels)))
    random = np.random.default_rng(0)
    noise = random.normal(0, 10, (64, n, stream.n_channels)).astype(np.float32)
    offsets = np.arange(1 - n, 1) / stream.rate_hz
    pushed: list[list[float]] = [[] for _ in streams]
    period_s = n / stream.rate_hz
    with contextlib.ExitStack() as stack:
        outlets = [
            stack.enter_context(
                SignalOutlet(spec, name="stream", type="EEG", source_id=each.source_id)
            )
            for each in streams
        ]
        ready.set()
        start = local_clock() + period_s
        # In order of their phases, which the golden ratio spreads whatever their number.
        phases = sorted((number * _GOLDEN % 1.0, number) for number in range(len(streams)))
        round_ = 0
        while not stop.is_set():
            for phase, number in phases:
                wait_s = start + (round_ + phase) * period_s - local_clock()
                if wait_s > 0:
                    time.sleep(wait_s)
                now = local_clock()
                outlets[number].push(noise[round_ % 64], offsets + now)
                pushed[number].append(now)
            round_ += 1
    results.send([np.array(times) for times in pushed])
