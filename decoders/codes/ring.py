"""The filtered signal of the last seconds, by the number of its samples.

Where an epoch begins and ends follows from the number of samples seen and from nothing else, so
that a signal cut into other chunks gives the same epochs to the last bit.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy

from volition.chunk import FloatArray
from volition.decoders.filtering import Hold, SectionState

#: How long after the first sample that it needs a marker may still come.
LATE_S = 2.0
#: How long after a marker's time the next sample may lie; more, and samples are missing there.
LARGEST_LAG_S = 0.05
#: Most samples that are taken at once.
MOST_AT_ONCE = 256


class SignalRing:
    """A band-passed signal, kept for a while.

    Parameters
    ----------
    band_hz
        Edges of the causal Butterworth band-pass.
    order
        Order of each edge.
    rate_hz, n_channels
        The signal.
    kept_s
        For how long at least.
    """

    def __init__(
        self,
        band_hz: tuple[float, float],
        order: int,
        rate_hz: float,
        n_channels: int,
        kept_s: float,
    ) -> None:
        sections = scipy.signal.butter(order, band_hz, "bandpass", fs=rate_hz, output="sos")
        self._hold = Hold(n_channels)
        self._filter = SectionState(sections, n_channels)
        self.rate_hz = rate_hz
        self._capacity = round((kept_s + LATE_S) * rate_hz) + MOST_AT_ONCE
        self._samples = np.empty((n_channels, self._capacity))
        self._times = np.empty(self._capacity)
        self._bad = np.zeros(self._capacity, dtype=bool)
        self._largest_lag_s = max(LARGEST_LAG_S, 2 / rate_hz)
        self.reset()

    def reset(self) -> None:
        self._hold.reset()
        self._filter.reset()
        self.n_taken = 0

    @property
    def newest(self) -> float:
        """Time of the newest sample, seconds; before all times where there is none."""
        return float(self._times[(self.n_taken - 1) % self._capacity]) if self.n_taken else -np.inf

    def take(self, samples: FloatArray, times: FloatArray) -> None:
        """Take the next samples (n_samples, n_channels), at most `MOST_AT_ONCE`."""
        rows = samples.T.copy(order="C")
        missing = self._hold.fill(rows)
        self._filter.run(rows, self._hold.starts)
        places = self._places(self.n_taken, self.n_taken + len(times))
        self._samples[:, places] = rows
        self._times[places] = times
        self._bad[places] = False if missing is None else missing.any(axis=0)
        self.n_taken += len(times)

    def first_at(self, time: float) -> int | None:
        """Give the number of the first sample at or after a time that the samples have reached.

        None where it is kept no longer, or where none came within `LARGEST_LAG_S`.
        """
        oldest = max(0, self.n_taken - self._capacity)
        times = self._times[self._places(oldest, self.n_taken)]
        first = int(np.searchsorted(times, time))
        if first == len(times) or times[first] - time > self._largest_lag_s:
            return None
        return None if first == 0 and oldest > 0 else oldest + first

    def time_of(self, number: int) -> float:
        """Give the time of a sample that is kept."""
        return float(self._times[number % self._capacity])

    def is_kept(self, first: int) -> bool:
        """Say whether a sample is kept still, or has yet to come."""
        return first >= max(0, self.n_taken - self._capacity)

    def between(self, first: int, stop: int) -> FloatArray | None:
        """Give samples ``first`` to ``stop``, shape (n_channels, n); None where one is missing."""
        places = self._places(first, stop)
        return None if self._bad[places].any() else self._samples[:, places]

    def _places(self, first: int, stop: int) -> npt.NDArray[np.int64]:
        return np.arange(first, stop) % self._capacity
