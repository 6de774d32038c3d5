"""Times of samples by their count: what arrives in bursts is laid out evenly.

A sample's time is that of the first, plus its number divided by the rate. A device's clock runs a
little faster or slower than this host's, so each second the line is moved by a tenth of the least
delay with which samples came in that second: the least delayed has waited for nothing. A drift of
100 parts in a million is followed to within a millisecond, and no step is larger than a hundredth
of the second in which it is made, so times always rise.
"""

from __future__ import annotations

import math

import numpy as np

from volition.chunk import FloatArray

_SECOND_S = 1.0
_GAIN = 0.1
_MOST_STEP_S = 0.01
#: Further off than this the count says nothing any more: the device or this host stood still.
_MOST_OFF_S = 0.5


class CountedStamps:
    """The times of a signal of one rate.

    Parameters
    ----------
    rate_hz
        The rate that the device announces.
    """

    def __init__(self, rate_hz: float) -> None:
        self._period_s = 1.0 / rate_hz
        self._last = -math.inf
        self.begin_anew()

    def begin_anew(self) -> None:
        """Take the next samples for the first: the device was away. Times still rise."""
        self._origin: float | None = None
        self._count = 0
        self._least_s = math.inf
        self._until = 0

    def stamp(self, n_samples: int, now: float, lost: int = 0) -> FloatArray:
        """Give the times of samples of which the newest came at ``now``.

        Parameters
        ----------
        n_samples
            How many came.
        now
            The clock's time of their arrival, seconds.
        lost
            How many before them did not.

        Returns
        -------
        ndarray of float64, shape (n_samples,)
            Seconds, each later than all before.
        """
        if not n_samples:
            return np.empty(0)
        newest = self._count + lost + n_samples - 1
        off_s = math.inf if self._origin is None else now - self._time_of(newest)
        if abs(off_s) > _MOST_OFF_S:
            first = max(now - (n_samples - 1) * self._period_s, self._last + self._period_s)
            self._origin, self._count, lost = first, 0, 0
            newest, off_s = n_samples - 1, 0.0
            self._least_s, self._until = math.inf, self._per_second
        assert self._origin is not None
        numbers = np.arange(newest - n_samples + 1, newest + 1, dtype=np.float64)
        times: FloatArray = self._origin + numbers * self._period_s
        self._count = newest + 1
        self._last = float(times[-1])
        self._follow(off_s)
        return times

    @property
    def _per_second(self) -> int:
        return max(1, round(_SECOND_S / self._period_s))

    def _time_of(self, number: int) -> float:
        assert self._origin is not None
        return self._origin + number * self._period_s

    def _follow(self, off_s: float) -> None:
        """Move the line once a second by a part of the least delay."""
        self._least_s = min(self._least_s, off_s)
        if self._count >= self._until and self._origin is not None:
            limit = min(_MOST_STEP_S, 0.5 * self._period_s)
            self._origin += float(np.clip(_GAIN * self._least_s, -limit, limit))
            self._least_s, self._until = math.inf, self._count + self._per_second
