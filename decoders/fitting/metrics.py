"""Figures that say how well a decoder selects, each with what it hangs on.

An accuracy comes with its exact binomial interval, an information transfer rate with the time that
the gaze takes to move: rates from papers that set it apart differ by a factor of two.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import scipy


def accuracy_interval(right: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Give the exact binomial interval of a share (Clopper and Pearson, Biometrika 26:404, 1934).

    Parameters
    ----------
    right, n
        Trials that were right, and all of them; with no trials the interval is (0, 1).
    confidence
        Least chance that the interval holds the true share.

    Raises
    ------
    ValueError
        ``right`` is not between 0 and ``n``.
    """
    if not 0 <= right <= n:
        raise ValueError(f"{right} of {n} trials cannot be right")
    tail = (1 - confidence) / 2
    low = float(scipy.special.betaincinv(right, n - right + 1, tail)) if right > 0 else 0.0
    high = float(scipy.special.betaincinv(right + 1, n - right, 1 - tail)) if right < n else 1.0
    return low, high


def luck(right: int, n: int, chance: float) -> float:
    """Give the probability that guessing gets at least ``right`` of ``n`` trials right.

    Parameters
    ----------
    right, n
        Trials that were right, and all of them.
    chance
        Probability that a guess is right.
    """
    return float(scipy.special.bdtrc(right - 1, n, chance)) if right else 1.0


def bits_per_selection(n_targets: int, accuracy: float) -> float:
    """Give the information in one selection, bits (Wolpaw et al., IEEE TRE 8:164, 2000).

    It takes every target to be as likely, and every wrong one too. At or below chance it is 0.
    """
    if n_targets < 2:
        raise ValueError(f"a selection is among at least 2 targets, not {n_targets}")
    if not 0 <= accuracy <= 1:
        raise ValueError(f"accuracy is between 0 and 1, not {accuracy}")
    if accuracy <= 1 / n_targets:
        return 0.0
    bits = math.log2(n_targets) + accuracy * math.log2(accuracy)
    if accuracy < 1:
        bits += (1 - accuracy) * math.log2((1 - accuracy) / (n_targets - 1))
    return bits


def itr_bits_per_min(
    n_targets: int, accuracy: float, decision_s: float, *, gaze_shift_s: float
) -> float:
    """Give the information transfer rate, bits per minute; see `bits_per_selection`.

    Parameters
    ----------
    decision_s
        From the onset of a trial to its decision, seconds; a rate of 0 when not positive.
    gaze_shift_s
        Between a decision and the next onset, while the gaze moves, seconds; 0.5 is customary.
    """
    if decision_s <= 0:
        return 0.0
    return bits_per_selection(n_targets, accuracy) * 60 / (decision_s + gaze_shift_s)


def per_min(count: int, watched_s: float) -> float:
    """Give how often a minute something happened in ``watched_s`` seconds, 0 when none passed."""
    return 60 * count / watched_s if watched_s > 0 else 0.0


def confusion(
    wanted: Sequence[str], decoded: Sequence[str], labels: Sequence[str]
) -> npt.NDArray[np.int64]:
    """Count what was decoded for what was wanted.

    Returns
    -------
    ndarray, shape (n_labels, n_labels)
        Row: wanted; column: decoded; in the order of ``labels``.

    Raises
    ------
    ValueError
        The two differ in length, or hold something that is no label.
    """
    place = {label: number for number, label in enumerate(labels)}
    unknown = sorted({*wanted, *decoded} - place.keys())
    if unknown:
        raise ValueError(f"no label is named {unknown}; allowed: {list(labels)}")
    counts = np.zeros((len(labels), len(labels)), dtype=np.int64)
    for row, column in zip(wanted, decoded, strict=True):
        counts[place[row], place[column]] += 1
    return counts
