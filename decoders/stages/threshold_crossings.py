"""Threshold crossings in bins: how often each channel falls below a threshold.

What a spike is without sorting: a crossing counts when a sample lies below the threshold and the
one before it did not. The threshold is given, or a multiple of the channel's RMS (−3.5 in the
BrainGate decoders), which is a running one over the bins before, so that it is known at once and
follows the electrode. It is meant for a signal that has been filtered to the spikes' band.
"""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from decoders.settings import Settings
from decoders.stages.binned import BinnedSettings, BinnedStage
from streams.chunk import FloatArray, SignalSpec


class ThresholdCrossingsSettings(BinnedSettings):
    """Settings of `ThresholdCrossings`."""

    kind: Literal["threshold_crossings"] = "threshold_crossings"
    threshold: float | None = Field(
        default=None, description="In the signal's unit; a multiple of the RMS when left out."
    )
    rms_factor: float = Field(default=-3.5, lt=0, description="The threshold, in RMS.")
    rms_time_s: float = Field(
        default=30.0, gt=0, description="Time constant of the running mean square."
    )


class ThresholdCrossings(BinnedStage[ThresholdCrossingsSettings]):
    """Count the crossings of each bin."""

    settings_model: ClassVar[type[Settings]] = ThresholdCrossingsSettings
    unit = "count"

    def prepare(self, spec: SignalSpec) -> SignalSpec:
        made = super().prepare(spec)
        self._rate = -math.expm1(-1 / (made.rate_hz * self.settings.rms_time_s))
        self._below = np.empty((spec.n_channels, self._bin_samples + 1), dtype=np.bool_)
        self._crossed = np.empty((spec.n_channels, self._bin_samples), dtype=np.bool_)
        return made

    def restart(self) -> None:
        self._mean_square = np.zeros(self._n_channels)
        self._weight = np.zeros(self._n_channels)
        # The first sample crosses nothing: what was before it is not known.
        self._last_below = np.ones(self._n_channels, dtype=np.bool_)

    def reduce(self, rows: FloatArray) -> FloatArray:
        squares: FloatArray = np.einsum("ij,ij->i", rows, rows)
        whole = np.isfinite(squares)
        below = self._below
        below[:, 0] = self._last_below
        np.less(rows, self._thresholds(squares, whole)[:, None], out=below[:, 1:])
        crossed = np.greater(below[:, 1:], below[:, :-1], out=self._crossed)
        counts: FloatArray = np.count_nonzero(crossed, axis=1).astype(np.float64)
        counts[~whole] = np.nan
        self._last_below = below[:, -1] | ~np.isfinite(rows[:, -1])
        return counts

    def _thresholds(self, squares: FloatArray, whole: np.ndarray) -> FloatArray:
        """Give each channel's threshold for this bin, then learn from the bin."""
        if self.settings.threshold is not None:
            return np.full(self._n_channels, self.settings.threshold)
        mean = squares / self._bin_samples
        # The first bin has only itself to go by. Dividing by the sum of the weights makes the
        # running mean a true mean from the second on.
        known = self._weight > 0
        running = np.divide(self._mean_square, self._weight, out=mean.copy(), where=known)
        new = self._mean_square + self._rate * (mean - self._mean_square)
        self._mean_square = np.where(whole, new, self._mean_square)
        self._weight = np.where(whole, self._weight + self._rate * (1 - self._weight), self._weight)
        result: FloatArray = self.settings.rms_factor * np.sqrt(running)
        return result
