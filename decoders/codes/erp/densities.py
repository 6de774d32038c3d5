"""What a flash's score says: the logarithm of the ratio of two densities, clipped.

The densities of targets' and other flashes' scores are smoothed by Gaussian kernels (Scott's
width) over scores of flashes that were left out of what scored them: a classifier's scores of its
own training flashes would promise too much. The ratio is clipped, so that one flash never decides
(Orhan et al., ICASSP 2012: [0.01, 100]).
"""

from __future__ import annotations

import math

import numpy as np

from volition.chunk import FloatArray
from volition.decoders.codes.sequences import BoolArray

LARGEST_RATIO = 100.0
_N_POINTS = 257
#: Taken for a density beside what was seen, so that what was never seen says little.
_FLOOR = 1e-3


class Densities:
    """The logarithm of the ratio on a grid of scores.

    Parameters
    ----------
    grid, log_ratio : ndarray, shape (n_points,)
    """

    def __init__(self, grid: FloatArray, log_ratio: FloatArray) -> None:
        self.grid, self.log_ratio = grid, log_ratio

    @classmethod
    def of(cls, scores: FloatArray, is_target: BoolArray) -> Densities:
        """Measure them from scores of flashes that were left out."""
        low, high = float(scores.min()), float(scores.max())
        reach = 0.1 * (high - low) + 1e-12
        grid = np.linspace(low - reach, high + reach, _N_POINTS)
        floor = _FLOOR / (high - low + 2 * reach)
        ratio = np.log(_density(scores[is_target], grid) + floor) - np.log(
            _density(scores[~is_target], grid) + floor
        )
        most = math.log(LARGEST_RATIO)
        return cls(grid, np.clip(ratio, -most, most))

    def log_ratios(self, scores: FloatArray) -> FloatArray:
        """Give what scores say, shape (n_scores,)."""
        result: FloatArray = np.interp(scores, self.grid, self.log_ratio)
        return result


def _density(known: FloatArray, grid: FloatArray) -> FloatArray:
    width = float(known.std()) * len(known) ** -0.2 + 1e-12
    away = (grid[:, None] - known) / width
    heights: FloatArray = np.exp(-0.5 * away**2).mean(axis=1)
    density: FloatArray = heights / (width * math.sqrt(2 * math.pi))
    return density
