"""Spike counts in bins from a stream of events, by their time stamps.

An irregular stream gives a sample for each spike: either the number of the unit that fired, in its
only channel, or what each of its channels counted. Bins lie on the whole multiples of their length
in LSL time and are ``[end − bin_s, end)``; a bin's time is its end. A bin without a spike is a bin
of zeros. A stage knows no clock: a bin ends when a sample at or past its end has come, so a
stream that is silent ends its bins late, all at once with the next spike.
"""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from volition.chunk import Chunk, FloatArray, SignalSpec
from volition.decoders.contract.settings import Settings
from volition.decoders.contract.stage import Stage, check_channels
from volition.errors import ConfigError


class SpikeCountsSettings(Settings):
    """Settings of `SpikeCounts`."""

    kind: Literal["spike_counts"] = "spike_counts"
    bin_s: float = Field(gt=0, le=60, description="Length of a bin, seconds.")
    units: list[int] | None = Field(
        default=None,
        min_length=1,
        description="Numbers of the units to count, for a stream whose one channel says which unit "
        "fired; others are left out. Each channel is counted by itself when left out.",
    )
    longest_silence_s: float = Field(
        default=60.0,
        gt=0,
        le=3600,
        description="A longer one is a break in the recording: bins begin anew behind it.",
    )

    @model_validator(mode="after")
    def _units_differ(self) -> SpikeCountsSettings:
        if self.units is not None and len(set(self.units)) != len(self.units):
            raise ValueError("each unit is named once")
        return self


class SpikeCounts(Stage[SpikeCountsSettings]):
    """Count spikes."""

    settings_model: ClassVar[type[Settings]] = SpikeCountsSettings

    def prepare(self, spec: SignalSpec) -> SignalSpec:
        units = self.settings.units
        if units is not None and spec.n_channels != 1:
            raise ConfigError(
                f"spike_counts: units are told apart in a stream of one channel, and this one has "
                f"{spec.n_channels}",
                found=spec.n_channels,
                allowed=1,
            )
        self._n_channels = spec.n_channels
        self._columns = None if units is None else {unit: n for n, unit in enumerate(units)}
        labels = spec.labels if units is None else tuple(f"unit{unit}" for unit in units)
        n = len(labels)
        self._counts = np.zeros(n)
        self.reset()
        kinds = spec.kinds if units is None else spec.kinds * n
        return SignalSpec(1 / self.settings.bin_s, labels, ("count",) * n, kinds)

    def reset(self) -> None:
        self._counts[:] = 0.0
        self._bin: int | None = None  # the open bin covers [bin, bin + 1) times its length

    def process(self, chunk: Chunk) -> Chunk:
        check_channels(chunk, self._n_channels, "spike_counts")
        bin_s = self.settings.bin_s
        values: list[FloatArray] = []
        ends: list[int] = []
        for sample, time in zip(chunk.samples, chunk.times.tolist(), strict=True):
            number = math.floor(time / bin_s)
            self._close_until(number, values, ends)
            self._count(sample)
        if not values:
            return Chunk(np.empty((0, len(self._counts))), np.empty(0))
        return Chunk(np.array(values), np.array(ends) * bin_s)

    def _close_until(self, number: int, values: list[FloatArray], ends: list[int]) -> None:
        """End the open bin and the empty ones before bin ``number``; a late spike ends none."""
        if self._bin is None:
            self._bin = number
        while self._bin < number:
            values.append(self._counts.copy())
            self._counts[:] = 0.0
            self._bin += 1
            ends.append(self._bin)
            if (number - self._bin) * self.settings.bin_s > self.settings.longest_silence_s:
                self._bin = number

    def _count(self, sample: FloatArray) -> None:
        if self._columns is None:
            self._counts += sample
            return
        value = float(sample[0])
        if math.isnan(value):  # something fired and nobody knows what: nothing is known
            self._counts[:] = np.nan
            return
        column = self._columns.get(int(value)) if value.is_integer() else None
        if column is not None:
            self._counts[column] += 1.0
