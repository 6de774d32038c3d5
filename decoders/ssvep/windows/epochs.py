"""Filtered windows as they end: after markers, or every step.

The decoders whose score is no sum over the window (templates, learned features) take the window
itself. Samples are filtered as they come and kept in a ring that is longer than a window, so that
a marker may come after its samples. Where a window begins and ends follows from the number of
samples seen and from nothing else, so that a signal cut into other chunks gives the same windows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np

from volition.chunk import Chunk, FloatArray
from volition.decoders.ssvep.scores.bank import FilterBank

#: How long after the end of its window a marker may still come and be answered.
LATE_S = 2.0
#: Seconds between the windows that decoders learn from, whether or not anybody asked for them.
GRID_S = 0.5
#: How long after its due time the first sample of a window may lie, at most. More means that the
#: samples of that time were never seen.
LARGEST_LAG_S = 0.05
#: Most samples that are filtered at once.
MOST_AT_ONCE = 64


def n_grid_windows(window_s: float) -> int:
    """Give how many windows of the grid to remember for one that is asked for late."""
    return int((window_s + LATE_S) / GRID_S) + 3


class Epoch(NamedTuple):
    """A window that has ended.

    Attributes
    ----------
    t_sample
        LSL time of its last sample, seconds.
    t_trigger
        LSL time of the marker that asked for it, None when none did.
    end
        Number of samples seen by its end.
    filtered : ndarray, shape (n_bands, n_channels, n_samples)
        A copy; None when a sample of the window is missing, or where no samples are kept.
    look
        Which of the window's lengths this is, from 0; the last is the whole window.
    number
        Number of the marker that asked for it, counted from 1; 0 when none did.
    scores : ndarray, shape (n_targets,)
        From windows that are scored as their samples come
        (`volition.decoders.ssvep.windows.scored`); None when a sample is missing.
    """

    t_sample: float
    t_trigger: float | None
    end: int
    filtered: FloatArray | None
    look: int = 0
    number: int = 0
    scores: FloatArray | None = None


class Windows(Protocol):
    """Windows of a signal: a decoder's strategy to cut it."""

    @property
    def open_windows(self) -> int:
        """How many windows have been asked for and not ended."""

    def reset(self) -> None: ...

    def ask(self, onset: float, due: float) -> None:
        """Take the marker of ``onset``, whose window begins at the first sample from ``due`` on."""

    def feed(self, chunk: Chunk) -> list[Epoch]:
        """Take the next samples; give the windows that ended, in order."""


class EpochWindows:
    """Windows over a filtered signal.

    Parameters
    ----------
    bank
        Filters the signal.
    n_bands, n_channels, rate_hz
        Properties of the filtered signal.
    window_samples
        Length of a window.
    step_samples
        Samples from the end of one window without a trigger to the next; None for no such window.
    looks
        Shorter lengths, rising, at which a window that a marker asked for is given too.
    """

    def __init__(
        self,
        bank: FilterBank,
        n_bands: int,
        n_channels: int,
        rate_hz: float,
        *,
        window_samples: int,
        step_samples: int | None,
        looks: Sequence[int] = (),
    ) -> None:
        self._bank = bank
        self._lengths = (*looks, window_samples)
        self._window = window_samples
        self._step = step_samples
        self._largest_lag_s = max(LARGEST_LAG_S, 2 / rate_hz)
        self.capacity = window_samples + MOST_AT_ONCE + round(LATE_S * rate_hz)
        self._ring = np.empty((n_bands, n_channels, self.capacity))
        self._times = np.empty(self.capacity)
        self._bad = np.zeros(self.capacity, dtype=bool)
        self.reset()

    @property
    def open_windows(self) -> int:
        return len(self._waiting) + len({number for _, _, number, _ in self._open})

    def reset(self) -> None:
        self._bank.reset()
        self._n_taken = 0
        self._n_asked = 0
        # Due, onset and number of those whose samples are not yet seen.
        self._waiting: list[tuple[float, float, int]] = []
        # End, onset, number and look, by end.
        self._open: list[tuple[int, float, int, int]] = []

    def ask(self, onset: float, due: float) -> None:
        self._n_asked += 1
        self._waiting.append((due, onset, self._n_asked))

    def feed(self, chunk: Chunk) -> list[Epoch]:
        ended: list[Epoch] = []
        n_samples, position = len(chunk), 0
        while position < n_samples:
            until = min(n_samples, position + self._room())
            self._take(chunk.samples[position:until].T, chunk.times[position:until])
            position = until
            if self._waiting:
                self._open_windows(ended)
            self._end_windows(ended)
        return ended

    def _room(self) -> int:
        """Give how many samples may be taken before something is due."""
        room = MOST_AT_ONCE
        if self._step is not None:
            room = min(room, self._step - self._n_taken % self._step)
        if self._open:
            room = min(room, max(1, self._open[0][0] - self._n_taken))
        return room

    def _take(self, columns: FloatArray, times: FloatArray) -> None:
        rows = columns.copy(order="C")
        n_samples = rows.shape[1]
        filtered = np.empty((len(self._ring), *rows.shape))
        missing = self._bank.run(rows, filtered)
        places = np.arange(self._n_taken, self._n_taken + n_samples) % self.capacity
        self._ring[:, :, places] = filtered
        self._times[places] = times
        self._bad[places] = False if missing is None else missing.any(axis=0)
        self._n_taken += n_samples

    def _open_windows(self, ended: list[Epoch]) -> None:
        """Find the first sample of each window that is due."""
        oldest = max(0, self._n_taken - self.capacity)
        times = self._times[np.arange(oldest, self._n_taken) % self.capacity]
        waiting: list[tuple[float, float, int]] = []
        for due, onset, number in self._waiting:
            if times[-1] < due:
                waiting.append((due, onset, number))
                continue
            first = int(np.searchsorted(times, due))
            if times[first] - due > self._largest_lag_s:
                # The samples of that time are gone, or never were.
                at, last = oldest + first + 1, len(self._lengths) - 1
                ended.append(Epoch(float(times[first]), onset, at, None, last, number))
            else:
                self._open.extend(
                    (oldest + first + length, onset, number, look)
                    for look, length in enumerate(self._lengths)
                )
        self._waiting = waiting
        self._open.sort()

    def _end_windows(self, ended: list[Epoch]) -> None:
        full = self._n_taken >= self._window
        if full and self._step is not None and self._n_taken % self._step == 0:
            ended.append(self._epoch(self._n_taken, None, 0, len(self._lengths) - 1))
        while self._open and self._open[0][0] <= self._n_taken:
            ended.append(self._epoch(*self._open.pop(0)))

    def _epoch(self, end: int, onset: float | None, number: int, look: int) -> Epoch:
        places = np.arange(end - self._lengths[look], end) % self.capacity
        filtered = None if self._bad[places].any() else self._ring[:, :, places].copy(order="C")
        return Epoch(float(self._times[places[-1]]), onset, end, filtered, look, number)
