"""What scores mean as an attempt goes on: the evidence of each item at each look.

At each look the scores of items that are looked at, and of others, are taken for normal with one
deviation, measured on calibration trials that were left out. The evidence, the logarithm of the
ratio of the two densities, then is linear in the score: more is never taken for less.
"""

from __future__ import annotations

import numpy as np

from volition.chunk import FloatArray
from volition.decoders.codes.reconvolution.settings import ReconvolutionSettings
from volition.decoders.codes.stopping import Moments

#: No deviation is trusted to be smaller than this share of the difference of the means.
_LEAST_SD = 0.08
#: Independent samples of the signal a second, for agreement without a model.
_PER_S = 30.0


class Looks:
    """The moments of scores by time.

    Parameters
    ----------
    table : ndarray, shape (n_looks, 4)
        For each look its time after the onset, seconds; the mean score of items looked at, of
        others; and the deviation of both.
    """

    def __init__(self, table: FloatArray) -> None:
        self.table = table

    @classmethod
    def measured(cls, seconds: FloatArray, attended: FloatArray, others: FloatArray) -> Looks:
        """Measure them.

        Parameters
        ----------
        seconds : ndarray, shape (n_looks,)
        attended : ndarray, shape (n_trials, n_looks)
        others : ndarray, shape (n_trials, n_looks, n_items - 1)
        """
        high, low = np.nanmean(attended, axis=0), np.nanmean(others, axis=(0, 2))
        spread = (np.nanvar(attended, axis=0) + np.nanvar(others, axis=(0, 2))) / 2
        least = _LEAST_SD * np.maximum(high - low, 1e-6)
        return cls(np.stack([seconds, high, low, np.maximum(np.sqrt(spread), least)], axis=1))

    @classmethod
    def of_chance(cls, settings: ReconvolutionSettings) -> Looks:
        """Give those of a decoder that knows nothing yet."""
        return cls(np.array([[settings.max_s, 0.1, 0.0, 0.05]]))

    def _at(self, seconds: float) -> tuple[float, float, float]:
        high, low, sd = (
            float(np.interp(seconds, self.table[:, 0], self.table[:, column]))
            for column in (1, 2, 3)
        )
        return high, low, sd

    def evidence(self, scores: FloatArray, seconds: float) -> FloatArray:
        """Give each item's evidence by its score at a look."""
        high, low, sd = self._at(seconds)
        if high <= low:
            return np.zeros_like(scores)
        result: FloatArray = (high - low) / sd**2 * (scores - (high + low) / 2)
        return result

    def moments(self, seconds: float) -> Moments:
        """Give what the evidence is like at a look."""
        high, low, sd = self._at(seconds)
        apart = max(high - low, 0.0) / sd
        return Moments(apart**2 / 2, max(apart, 1e-9), -(apart**2) / 2, max(apart, 1e-9))

    def agreement(self, shares: FloatArray, seconds: float) -> FloatArray:
        """Give evidence by the share of the signal that each item's events explain of it.

        The logarithm of the likelihood falls with that of what is left unexplained, times half the
        independent samples; what the other items explain by chance is taken off.
        """
        explained = -np.log1p(-np.clip(shares, 0.0, 0.999))
        result: FloatArray = 0.5 * _PER_S * seconds * (explained - np.median(explained))
        return result
