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

from volition.chunk import FloatArray, SignalSpec
from volition.decoders.contract.settings import Settings
from volition.decoders.stages.binned import BinnedSettings, BinnedStage


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
        self._below = np.empty((spec.n_channels, self._part_samples + 1), dtype=np.bool_)
        self._crossed = np.empty((spec.n_channels, self._part_samples), dtype=np.bool_)
        return made

    def restart(self) -> None:
        self._mean_square = np.zeros(self._n_channels)
        self._weight = np.zeros(self._n_channels)
        # The first sample crosses nothing: what was before it is not known.
        self._last_below = np.ones(self._n_channels, dtype=np.bool_)
        self._begin()

    def _begin(self) -> None:
        self._squares = np.zeros(self._n_channels)
        self._counts = np.zeros(self._n_channels)
        self._n_taken = 0
        self._thresholds = self._known_thresholds()

    def take(self, rows: FloatArray) -> None:
        n = rows.shape[1]
        self._squares += np.einsum("ij,ij->i", rows, rows)
        self._n_taken += n
        thresholds = self._thresholds
        if self._some_unknown:
            so_far = self.settings.rms_factor * np.sqrt(self._squares / self._n_taken)
            thresholds = np.where(np.isnan(thresholds), so_far, thresholds)
        below, crossed = self._below[:, : n + 1], self._crossed[:, :n]
        below[:, 0] = self._last_below
        np.less(rows, thresholds[:, None], out=below[:, 1:])
        np.greater(below[:, 1:], below[:, :-1], out=crossed)
        self._counts += np.count_nonzero(crossed, axis=1)
        self._last_below = below[:, -1] | ~np.isfinite(rows[:, -1])

    def finish(self) -> FloatArray:
        whole = np.isfinite(self._squares)
        counts = np.where(whole, self._counts, np.nan)
        # Dividing by the sum of the weights makes the running mean a true mean from the first on.
        mean = self._squares / self._bin_samples
        new = self._mean_square + self._rate * (mean - self._mean_square)
        self._mean_square = np.where(whole, new, self._mean_square)
        self._weight = np.where(whole, self._weight + self._rate * (1 - self._weight), self._weight)
        self._begin()
        return counts

    def _known_thresholds(self) -> FloatArray:
        """Give each channel's threshold for the next bin, NaN where no bin has been whole.

        Such a channel has only the bin itself to go by, as far as it has come.
        """
        if self.settings.threshold is not None:
            self._some_unknown = False
            return np.full(self._n_channels, self.settings.threshold)
        known = self._weight > 0
        self._some_unknown = not known.all()
        nowhere = np.full(self._n_channels, np.nan)
        running = np.divide(self._mean_square, self._weight, out=nowhere, where=known)
        result: FloatArray = self.settings.rms_factor * np.sqrt(running)
        return result
