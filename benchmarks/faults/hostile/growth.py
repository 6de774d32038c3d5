"""Does it grow? A leak is told from a bound that fills, and from memory that is taken once.

What a service takes rises at first, whatever it does: histories and tables fill up to their bounds,
and what is made once is made. So only the latter half of a soak is judged: by then a bound that
will ever be full is full, and what rises all the same is a leak, or takes as long as one to be
known from it. The half is parted into windows, whose medians are taken for independent: what one
round leaves behind is seen by the next few as well. Their slope is Theil's and Sen's (J. Am. Stat.
Assoc. 63:1379, 1968), with its interval of 95 %.

Memory that was free and is not given back stays where the most was ever needed, so that it rises in
steps, ever more seldom. A slope must therefore be above nought without the largest step too, which
leaves a leak nearly as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import theilslopes

Floats = npt.NDArray[np.float64]

_N_WINDOWS = 12
_LEAST_WINDOWS = 8


def growth(hours: Sequence[float], values: Sequence[float]) -> dict[str, Any]:
    """Give the slope of what was taken, its interval, and whether it grows.

    Parameters
    ----------
    hours, values
        When it was looked at, rising, and what was taken then.

    Returns
    -------
    dict
        ``median``, and, where there is enough of it, ``slope`` an hour, its ``interval`` of 95 %,
        ``step`` (the largest within three windows) and ``grows``.
    """
    told: dict[str, Any] = {"median": round(float(np.median(values)), 1)} if len(values) else {}
    t, medians = _windows(np.asarray(hours, np.float64), np.asarray(values, np.float64))
    if len(medians) < _LEAST_WINDOWS:
        return told
    slope, low, high = _slope(t, medians)
    # A step may come within a window, whose median then lies between the two beside it.
    steps = medians[2:] - medians[:-2]
    place = int(np.argmax(steps))
    flattened = np.concatenate([medians[: place + 1], medians[place + 2 :] - steps[place]])
    _, low_without, _ = _slope(np.delete(t, place + 1), flattened)
    return told | {
        "slope": round(slope, 3),
        "interval": [round(low, 3), round(high, 3)],
        "step": round(float(steps[place]), 3),
        "grows": min(low, low_without) > 0.0,
    }


def _windows(hours: Floats, values: Floats) -> tuple[Floats, Floats]:
    """Give the median time and the median value of each window in which something was seen."""
    if not len(hours):
        return hours, values
    edges = np.linspace(hours[0], hours[-1], _N_WINDOWS + 1)
    places = np.searchsorted(edges[1:-1], hours, side="right")
    seen = [places == place for place in range(_N_WINDOWS) if (places == place).any()]
    return (
        np.array([np.median(hours[one]) for one in seen]),
        np.array([np.median(values[one]) for one in seen]),
    )


def _slope(t: Floats, values: Floats) -> tuple[float, float, float]:
    slope, _, low, high = theilslopes(values, t, 0.95)
    return float(slope), float(low), float(high)
