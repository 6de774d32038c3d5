"""The area under the curve: how well scores tell two classes apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy

from volition.chunk import FloatArray


def area(scores: FloatArray | Sequence[float], is_target: Sequence[bool]) -> float:
    """Give how often a target scores higher than another; ties count half, NaN without both."""
    told = np.asarray(is_target, dtype=bool)
    n_high, n_low = int(told.sum()), int((~told).sum())
    if not n_high or not n_low:
        return float("nan")
    ranks = scipy.stats.rankdata(np.asarray(scores, dtype=np.float64))
    above = float(ranks[told].sum()) - n_high * (n_high + 1) / 2
    return above / (n_high * n_low)


def area_by_chance(value: float, n_high: int, n_low: int) -> float:
    """Give the probability that guessing reaches such an area (Mann and Whitney)."""
    sd = np.sqrt((n_high + n_low + 1) / (12 * n_high * n_low))
    return float(scipy.special.ndtr(-(value - 0.5) / sd))
