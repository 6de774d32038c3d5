"""What the stages that reduce a signal to bins share: a stage is what becomes of one bin.

Bins are so many samples long, counted from the first, whatever the chunks. The samples of a bin
are gathered, as one row a channel, and reduced once it is full, so the result has the same bits
however the signal came. A bin's time is that of its newest sample, and a bin with a missing sample
in a channel is missing in that channel.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TypeVar

import numpy as np
from pydantic import Field

from decoders.filtering import regular_rate
from decoders.settings import Settings
from decoders.stage import Stage, check_channels
from streams.chunk import Chunk, FloatArray, SignalSpec
from streams.errors import ConfigError


class BinnedSettings(Settings):
    """Settings of a stage that reduces a signal to bins."""

    bin_s: float = Field(
        gt=0, le=60, description="Length of a bin, rounded to whole samples, seconds."
    )


S = TypeVar("S", bound=BinnedSettings)


class BinnedStage(Stage[S]):
    """A stage that gives one sample a bin."""

    #: Unit of what comes out; that of what goes in when None.
    unit: str | None = None

    @abstractmethod
    def reduce(self, rows: FloatArray) -> FloatArray:
        """Give a bin's value for each channel, NaN where the bin holds NaN.

        Parameters
        ----------
        rows : ndarray, shape (n_channels, n_bin_samples)
            The bin's samples; overwritten once the call returns.

        Returns
        -------
        ndarray, shape (n_channels,)
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
        self._rows = np.empty((spec.n_channels, self._bin_samples))
        self._count = 0
        self.restart()
        units = spec.units if self.unit is None else (self.unit,) * spec.n_channels
        return SignalSpec(rate_hz / self._bin_samples, spec.labels, units, spec.kinds)

    def restart(self) -> None:
        """Forget what earlier bins left, for a subclass that keeps something."""

    def reset(self) -> None:
        self._count = 0
        self.restart()

    def process(self, chunk: Chunk) -> Chunk:
        check_channels(chunk, self._n_channels, self.settings.kind)
        samples, times = chunk.samples.T, chunk.times
        n_samples, size = len(times), self._bin_samples
        n_bins = (self._count + n_samples) // size
        values, bin_times = np.empty((n_bins, self._n_channels)), np.empty(n_bins)
        position = 0
        for index in range(n_bins):
            taken = size - self._count
            self._rows[:, self._count :] = samples[:, position : position + taken]
            position += taken
            self._count = 0
            values[index] = self.reduce(self._rows)
            bin_times[index] = times[position - 1]
        left = n_samples - position
        self._rows[:, self._count : self._count + left] = samples[:, position:]
        self._count += left
        return Chunk(values, bin_times)
