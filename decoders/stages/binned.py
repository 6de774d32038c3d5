"""What the stages that reduce a signal to bins share: a stage is what becomes of one bin.

A bin is a fixed number of samples, counted from the first, whatever the chunks. It is taken in
parts, while its samples are in the caches and so that little is left to do when it ends. The parts
lie on the same grid, so the result has the same bits however the signal came. A bin's time is that
of its newest sample, and a bin with a missing sample in a channel is missing in that channel.
"""

from __future__ import annotations

from abc import abstractmethod
from itertools import pairwise
from typing import TypeVar

import numpy as np
from pydantic import Field

from volition.chunk import Chunk, FloatArray, SignalSpec
from volition.decoders.contract.settings import Settings
from volition.decoders.contract.stage import Stage, check_channels
from volition.decoders.filtering import regular_rate
from volition.errors import ConfigError


class BinnedSettings(Settings):
    """Settings of a stage that reduces a signal to bins."""

    bin_s: float = Field(
        gt=0, le=60, description="Length of a bin, rounded to whole samples, seconds."
    )


S = TypeVar("S", bound=BinnedSettings)

#: Where the parts of a bin end. The last is short, since its results are waited for; more parts
#: would take more time in all.
_PART_ENDS = (0.25, 0.5, 0.75, 0.95, 1.0)


class BinnedStage(Stage[S]):
    """A stage that gives one sample a bin."""

    #: Unit of what comes out; that of what goes in when None.
    unit: str | None = None

    @abstractmethod
    def take(self, rows: FloatArray) -> None:
        """Take the next part of a bin.

        Parameters
        ----------
        rows : ndarray, shape (n_channels, n_part_samples)
            Its samples; overwritten once the call returns.
        """

    @abstractmethod
    def finish(self) -> FloatArray:
        """Give the value of the bin that was taken, shape (n_channels,), and begin the next.

        It is NaN where the bin holds NaN.
        """

    def prepare(self, spec: SignalSpec) -> SignalSpec:
        kind, bin_s = self.settings.kind, self.settings.bin_s
        rate_hz = regular_rate(spec, kind)
        self._bin_samples = round(bin_s * rate_hz)
        if self._bin_samples < 1:
            raise ConfigError(
                f"{kind}: a bin of {bin_s:g} s holds no sample at {rate_hz:g} Hz; bin_s must be "
                f"at least {1 / rate_hz:g}",
                found=bin_s,
                allowed_from=1 / rate_hz,
            )
        self._n_channels = spec.n_channels
        ends = sorted({round(end * self._bin_samples) for end in _PART_ENDS} - {0})
        self._parts = list(pairwise([0, *ends]))
        self._part_samples = max(end - start for start, end in self._parts)
        self._part = np.empty((spec.n_channels, self._part_samples))
        self.reset()
        units = spec.units if self.unit is None else (self.unit,) * spec.n_channels
        return SignalSpec(rate_hz / self._bin_samples, spec.labels, units, spec.kinds)

    @abstractmethod
    def restart(self) -> None:
        """Begin the first bin."""

    def reset(self) -> None:
        self._n_bin = self._n_parts = 0  # samples of the bin so far, and parts that were taken
        self.restart()

    def process(self, chunk: Chunk) -> Chunk:
        check_channels(chunk, self._n_channels, self.settings.kind)
        samples, times = chunk.samples.T, chunk.times
        n_bins = (self._n_bin + len(times)) // self._bin_samples
        values, bin_times = np.empty((n_bins, self._n_channels)), np.empty(n_bins)
        position, n_done = 0, 0
        while position < len(times):
            start, end = self._parts[self._n_parts]
            at = self._n_bin - start
            n = min(end - self._n_bin, len(times) - position)
            self._part[:, at : at + n] = samples[:, position : position + n]
            position, self._n_bin = position + n, self._n_bin + n
            if self._n_bin < end:
                break
            self.take(self._part[:, : end - start])
            self._n_parts += 1
            if self._n_bin == self._bin_samples:
                self._n_bin = self._n_parts = 0
                values[n_done], bin_times[n_done] = self.finish(), times[position - 1]
                n_done += 1
        return Chunk(values, bin_times)
