"""From a signal to the bins that are decoded: each sample, or one value for every step.

With a step, the samples since the last decision become one row of features, so a decoder of bins
runs on any signal. The grid counts samples from the first, not chunks, and the samples of a step
are gathered before they are reduced, so that the result has the same bits however they came.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np

from volition.chunk import Chunk, FloatArray
from volition.errors import ConfigError

StepValue = Literal["mean", "last", "power"]


class Bins:
    """Cuts a signal into bins.

    Parameters
    ----------
    samples_per_bin
        1 gives each sample as it is.
    n_channels
        Number of the signal's channels.
    value
        What a bin's samples become: their mean, the last, or their mean square.
    """

    def __init__(self, samples_per_bin: int, n_channels: int, value: StepValue) -> None:
        self._size = samples_per_bin
        self._value = value
        self._gathered = np.empty((samples_per_bin, n_channels))
        self._count = 0

    def reset(self) -> None:
        self._count = 0

    def feed(self, chunk: Chunk) -> Iterator[tuple[FloatArray, float]]:
        """Give the row of features and the time of its newest sample, for each bin that ends."""
        samples, times = chunk.samples, chunk.times
        if self._size == 1:
            # A contiguous copy: whether it was cut from rows or columns must not change a bit.
            yield from zip(np.ascontiguousarray(samples), times.tolist(), strict=True)
            return
        position, n_samples = 0, len(times)
        while position < n_samples:
            taken = min(self._size - self._count, n_samples - position)
            part = slice(position, position + taken)
            self._gathered[self._count : self._count + taken] = samples[part]
            self._count += taken
            position += taken
            if self._count == self._size:
                self._count = 0
                yield self._reduced(), float(times[position - 1])

    def _reduced(self) -> FloatArray:
        if self._value == "last":
            # A step with a missing sample is a missing step, whatever its last sample is.
            whole = bool(np.isfinite(self._gathered).all())
            return self._gathered[-1].copy() if whole else np.full(self._gathered.shape[1], np.nan)
        if self._value == "power":
            power: FloatArray = np.einsum("ij,ij->j", self._gathered, self._gathered)
            return power / self._size
        mean: FloatArray = self._gathered.mean(axis=0)
        return mean


def samples_per_step(step_s: float | None, rate_hz: float, who: str) -> int:
    """Give the samples of a step, 1 without one; raise `ConfigError` when it has no sample."""
    if step_s is None:
        return 1
    n_samples = round(step_s * rate_hz)
    if n_samples < 1:
        raise ConfigError(
            f"{who}: step_s of {step_s:g} s holds no sample at {rate_hz:g} Hz; it must be at "
            f"least {1 / rate_hz:g}",
            found=step_s,
            allowed_from=1 / rate_hz,
        )
    return n_samples
