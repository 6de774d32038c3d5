"""Made-up signals for the tests of artifact removal, and what runs a stage on them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from volition.chunk import Chunk, FloatArray, SignalSpec
from volition.decoders.contract.stage import Stage

RATE_HZ = 250.0


def brain(
    seconds: float, n_channels: int, *, seed: int = 0, rate_hz: float = RATE_HZ
) -> FloatArray:
    """Give noise that channels share in part, of some 10 µV each."""
    rng = np.random.default_rng(seed)
    n = round(seconds * rate_hz)
    shared = rng.standard_normal((n, n_channels)) @ rng.standard_normal((n_channels, n_channels))
    own = rng.standard_normal((n, n_channels))
    signal: FloatArray = 7 * (shared / np.sqrt(n_channels) + own)
    return signal


def blinks(n_samples: int, at_s: Sequence[float], *, rate_hz: float = RATE_HZ) -> FloatArray:
    """Give the course of blinks (n_samples,): bumps of height 1 that last 0.3 s."""
    times = np.arange(n_samples) / rate_hz
    course = np.zeros(n_samples)
    for at in at_s:
        course += np.exp(-0.5 * ((times - at) / 0.07) ** 2)
    return course


def run(stage: Stage[Any], samples: FloatArray, cuts: Sequence[int] = (), step: int = 50) -> Chunk:
    """Run samples in chunks of the lengths ``cuts``, then of ``step``."""
    times = np.arange(len(samples)) / RATE_HZ
    outputs = [stage.process(chunk) for chunk in _chunks(samples, times, cuts, step)]
    return Chunk(
        np.concatenate([np.array(one.samples) for one in outputs]),
        np.concatenate([one.times for one in outputs]),
    )


def _chunks(
    samples: FloatArray, times: FloatArray, cuts: Sequence[int], step: int
) -> Iterator[Chunk]:
    start = 0
    lengths = iter(cuts)
    while start < len(times):
        stop = start + next(lengths, step)
        yield Chunk(samples[start:stop].copy(), times[start:stop].copy())
        start = stop


def spec_of(n_channels: int, rate_hz: float = RATE_HZ) -> SignalSpec:
    """Give a spec with channels that are nobody's electrodes."""
    return SignalSpec(rate_hz, tuple(f"channel {i}" for i in range(n_channels)))
