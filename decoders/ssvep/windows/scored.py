"""Windows of a filtered signal, scored as they end: after markers, or every step.

Both kinds count samples and nothing else: where a window begins and ends, in which pieces it is
summed and in which order follows from the number of samples seen, so that a signal cut into other
chunks gives the same bits. Times are asked only for the first sample at or after a marker's time.
Samples wait unfiltered until some have come or a decision is due; most calls only copy.
"""

from __future__ import annotations

import dataclasses
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from volition.chunk import Chunk, FloatArray
from volition.decoders.ssvep.scores.bank import FilterBank
from volition.decoders.ssvep.scores.correlation import Moments, turn
from volition.decoders.ssvep.scores.scorer import WindowScorer
from volition.decoders.ssvep.windows.epochs import LARGEST_LAG_S, LATE_S, Epoch
from volition.decoders.ssvep.windows.partial import LastPart, PartialWindow

A = TypeVar("A", bound=np.generic)

#: Samples that are filtered at once while no decision is due, so that less is left to do then.
FILTERED_AS_THEY_COME = 8
#: Parts in which a step is summed, each as soon as its samples have come.
PARTS_OF_A_STEP = 5
#: A window is factored before its last part comes if that has at most this many samples per
#: channel.
BEGUN_UP_TO = 0.5
#: Open windows that are summed as they come; more of them overlap, and are summed at their end.
SUMMED_AS_THEY_COME = 8


class SlidingWindows:
    """A window of whole steps that ends with each step.

    Steps are counted in rounds of as many as a window has. Row r of ``_rows`` holds step r of this
    round or, where this round has not come yet, the sum of steps r to the last of the round
    before. The window that ends with step r is then the running sum of this round, row r + 1 and
    step r: two additions whatever its length, and no subtraction, so that an artifact that has
    left the window leaves nothing behind. (It is the sliding aggregation by two stacks, on a fixed
    grid.)

    The running sum counts its references from the start of this round. A row is turned to the
    start of the next round, for that is where it will be read.

    All but the last part of the last step is added up, and factored, before a decision is awaited
    (`PartialWindow`), unless that part has too many samples for it to pay.
    """

    def __init__(self, scorer: WindowScorer, bank: FilterBank) -> None:
        self._scorer, self._bank = scorer, bank
        self._step = scorer.piece_samples
        self._n_steps = len(scorer.waves)
        self._pending = np.empty((scorer.n_channels, self._step))
        self._filtered = np.empty((scorer.n_bands, scorer.n_channels, self._step))
        self._part, self._sum = scorer.new_moments(), scorer.new_moments()
        #: The sums over the window that ends with this step.
        self._window = scorer.new_moments()
        self._rows = np.zeros((self._n_steps, self._sum.flat.size))
        self._row_moments = [scorer.new_moments(row) for row in self._rows]
        n_parts = min(PARTS_OF_A_STEP, self._step)
        self._edges = [self._step * part // n_parts for part in range(n_parts + 1)]
        self._waves = [
            [np.ascontiguousarray(waves[:, start:end]) for start, end in pairwise(self._edges)]
            for waves in scorer.waves
        ]
        self._factors = [
            scorer.factor.starting_at(scorer.radians, (row + 1 - self._n_steps) * self._step)
            for row in range(self._n_steps)
        ]
        n_last = self._step - self._edges[-2]
        self._last_parts = [
            LastPart.of(factor, waves[-1])
            for factor, waves in zip(self._factors, self._waves, strict=True)
            if n_parts > 1 and n_last <= scorer.n_channels * BEGUN_UP_TO
        ]
        self._partial: PartialWindow | None = None
        self._missing = np.zeros(self._n_steps, dtype=bool)
        self.reset()

    @property
    def open_windows(self) -> int:
        return 0

    def reset(self) -> None:
        self._bank.reset()
        self._n_pending = 0
        self._n_filtered = 0  # of the pending
        self._n_parts = 0  # summed, of this step
        self._partial = None
        self._n_done = 0  # steps, of those that are settled
        self._unsettled = False
        self._missing[:] = False
        self._step_misses = False
        self._rows[...] = 0.0
        self._sum.flat[:] = 0.0
        self._window.flat[:] = 0.0

    def ask(self, onset: float, due: float) -> None:
        """Markers ask for nothing here."""

    def feed(self, chunk: Chunk) -> list[Epoch]:
        if self._unsettled:
            self._settle()
        n_samples = len(chunk)
        rows = chunk.samples.T
        ended: list[Epoch] = []
        position = 0
        while n_samples - position >= (room := self._step - self._n_pending):
            self._pending[:, self._n_pending :] = rows[:, position : position + room]
            self._n_pending = self._step
            position += room
            scores = self._take_step()
            if self._n_done + 1 >= self._n_steps:
                t_sample, end = float(chunk.times[position - 1]), (self._n_done + 1) * self._step
                ended.append(Epoch(t_sample, None, end, None, scores=scores))
        if position < n_samples:
            if self._unsettled:
                self._settle()
            until = self._n_pending + n_samples - position
            self._pending[:, self._n_pending : until] = rows[:, position:]
            self._n_pending = until
            if until - self._n_filtered >= FILTERED_AS_THEY_COME:
                self._filter_pending()
        return ended

    def _filter_pending(self) -> None:
        """Filter what is pending; sum the parts of the step, but the last, that are complete."""
        place = slice(self._n_filtered, self._n_pending)
        rows = self._pending[:, place].copy()
        filtered = np.empty((self._scorer.n_bands, *rows.shape))
        if self._bank.run(rows, filtered) is not None:
            self._step_misses = True
        self._filtered[:, :, place] = filtered
        self._n_filtered = self._n_pending
        last = len(self._edges) - 2
        while self._n_parts < last and self._edges[self._n_parts + 1] <= self._n_filtered:
            self._sum_part()
            self._row_moments[self._n_done % self._n_steps].flat += self._part.flat
            if self._n_parts == last and self._last_parts and self._n_done + 1 >= self._n_steps:
                row = self._n_done % self._n_steps
                self._partial = PartialWindow(self._window, self._last_parts[row])

    def _sum_part(self) -> None:
        """Add the next part of the step to the window."""
        # Laid out anew: the same sums in the same order wherever the samples came from.
        samples = self._newest_part().copy(order="C")
        self._part.measure(samples, self._waves[self._n_done % self._n_steps][self._n_parts])
        self._window.flat += self._part.flat
        self._n_parts += 1

    def _newest_part(self) -> FloatArray:
        start, end = self._edges[self._n_parts : self._n_parts + 2]
        return self._filtered[:, :, start:end]

    def _take_step(self) -> FloatArray | None:
        """Score the window that ends with the step that is complete."""
        if self._unsettled:
            self._settle()
        self._filter_pending()
        self._missing[self._n_done % self._n_steps] = self._step_misses
        self._step_misses = False
        self._unsettled = True
        scores = None
        if self._n_done + 1 >= self._n_steps and not self._missing.any():
            scores = self._scores()
        self._n_pending = self._n_filtered = 0
        return scores

    def _scores(self) -> FloatArray:
        if self._partial is not None:
            matrices = self._partial.correlation_matrices(self._newest_part())
            if matrices is not None:
                return self._scorer.weigh(matrices)
        self._sum_part()
        factor = self._factors[self._n_done % self._n_steps]
        return self._scorer.scores(self._window, factor, overwrite=True)

    def _settle(self) -> None:
        """Keep the step that is done, and begin the window that ends with the next one.

        Done when the next samples come, not while a decision is awaited.
        """
        if self._n_parts < len(self._edges) - 1:
            self._sum_part()
        scorer, row = self._scorer, self._n_done % self._n_steps
        step = self._row_moments[row]
        step.flat += self._part.flat
        self._sum.flat += step.flat
        turn(step.cross, scorer.radians, scorer.window_samples)
        following = row + 1
        if following == self._n_steps:
            for earlier in range(row - 1, -1, -1):
                self._rows[earlier] += self._rows[earlier + 1]
            self._sum.flat[:] = 0.0
            following = 0
        if following + 1 < self._n_steps:
            np.add(self._sum.flat, self._rows[following + 1], out=self._window.flat)
        else:
            self._window.flat[:] = self._sum.flat
        self._rows[following] = 0.0
        self._n_done += 1
        self._n_parts = 0
        self._partial = None
        self._unsettled = False


@dataclasses.dataclass(slots=True, eq=False)
class _Window:
    """A window that a marker asked for: its first sample, and the sums over what has come."""

    onset: float
    start: int
    moments: Moments | None = None
    n_summed: int = 0  # pieces


class TriggeredWindows:
    """One window for each marker, from the first sample at or after its due time.

    Filtered samples are kept in a ring that is longer than a window, so that a marker may come
    after its samples. An open window is summed piece by piece as they come: when it ends, no more
    than its last piece is left to do.
    """

    def __init__(self, scorer: WindowScorer, bank: FilterBank, rate_hz: float) -> None:
        self._scorer, self._bank = scorer, bank
        self._piece = scorer.piece_samples
        self._largest_lag_s = max(LARGEST_LAG_S, 2 / rate_hz)
        self._capacity = self.ring_samples(scorer.window_samples, self._piece, rate_hz)
        self._ring = np.empty((scorer.n_bands, scorer.n_channels, self._capacity))
        self._times = np.empty(self._capacity)
        self._bad = np.zeros(self._capacity, dtype=bool)
        self._pending = np.empty((scorer.n_channels, self._piece))
        self._scratch = scorer.new_moments()
        self.reset()

    @staticmethod
    def ring_samples(window_samples: int, piece_samples: int, rate_hz: float) -> int:
        """Give how many samples are kept."""
        return window_samples + piece_samples + round(LATE_S * rate_hz)

    @property
    def open_windows(self) -> int:
        return len(self._waiting) + len(self._windows)

    def reset(self) -> None:
        self._bank.reset()
        self._n_taken = 0  # samples seen
        self._n_filtered = 0  # of them filtered; the rest is pending
        self._newest = -np.inf  # time of the newest sample
        self._waiting: list[tuple[float, float]] = []  # due and onset, samples not yet seen
        self._next_due = np.inf
        self._windows: list[_Window] = []  # by start
        self._next_end = np.inf  # count of samples at which the next window ends
        self._lost: list[float] = []  # onsets whose samples are gone, or never were

    def ask(self, onset: float, due: float) -> None:
        self._waiting.append((due, onset))
        self._next_due = min(self._next_due, due)

    def feed(self, chunk: Chunk) -> list[Epoch]:
        ended: list[Epoch] = []
        if self._newest >= self._next_due:  # a marker that came after its samples
            self._open_windows()
            self._end_windows(ended)
        n_samples, position = len(chunk), 0
        while position < n_samples:
            n_pending = self._n_taken - self._n_filtered
            take = min(n_samples - position, self._piece - n_pending)
            until = position + take
            self._pending[:, n_pending : n_pending + take] = chunk.samples[position:until].T
            self._put(self._times, self._n_taken, chunk.times[position:until])
            self._n_taken += take
            self._newest = chunk.times[until - 1]
            position = until
            if self._newest >= self._next_due:
                self._open_windows()
            enough = n_pending + take >= min(FILTERED_AS_THEY_COME, self._piece)
            if enough or self._n_taken >= self._next_end or self._lost:
                self._end_windows(ended)
        return ended

    def _put(self, ring: npt.NDArray[Any], first: int, values: npt.NDArray[Any]) -> None:
        """Keep ``values`` as samples ``first`` and on; samples are the last axis of both."""
        n_samples, at = values.shape[-1], first % self._capacity
        room = self._capacity - at
        if n_samples <= room:
            ring[..., at : at + n_samples] = values
        else:
            ring[..., at:] = values[..., :room]
            ring[..., : n_samples - room] = values[..., room:]

    def _get(self, ring: npt.NDArray[A], first: int, n_samples: int) -> npt.NDArray[A]:
        """Give a copy of ``n_samples`` samples from ``first`` on."""
        at = first % self._capacity
        room = self._capacity - at
        if n_samples <= room:
            return ring[..., at : at + n_samples].copy()
        return np.concatenate([ring[..., at:], ring[..., : n_samples - room]], axis=-1)

    def _open_windows(self) -> None:
        """Find the first sample of each window that is due."""
        n_kept = min(self._n_taken, self._capacity)
        oldest = self._n_taken - n_kept
        times = self._get(self._times, oldest, n_kept)
        waiting: list[tuple[float, float]] = []
        for due, onset in self._waiting:
            if times[-1] < due:
                waiting.append((due, onset))
                continue
            first = int(np.searchsorted(times, due))
            if times[first] - due > self._largest_lag_s:
                self._lost.append(onset)
            else:
                self._windows.append(_Window(onset, oldest + first))
        self._waiting = waiting
        self._next_due = min((due for due, _ in waiting), default=np.inf)
        self._windows.sort(key=lambda window: window.start)
        self._find_next_end()

    def _find_next_end(self) -> None:
        if self._windows:
            self._next_end = self._windows[0].start + self._scorer.window_samples
        else:
            self._next_end = np.inf

    def _end_windows(self, ended: list[Epoch]) -> None:
        """Filter what is pending, sum what open windows can take, score those that are full."""
        self._filter_pending()
        newest, n_taken = float(self._newest), self._n_taken
        ended.extend(Epoch(newest, onset, n_taken, None) for onset in self._lost)
        self._lost.clear()
        for window in self._windows[:SUMMED_AS_THEY_COME]:
            self._sum_pieces(window)
        while self._n_taken >= self._next_end:
            window = self._windows.pop(0)
            end = window.start + self._scorer.window_samples
            t_sample = float(self._times[(end - 1) % self._capacity])
            ended.append(Epoch(t_sample, window.onset, end, None, scores=self._scores(window)))
            self._find_next_end()

    def _filter_pending(self) -> None:
        n_pending = self._n_taken - self._n_filtered
        if not n_pending:
            return
        rows = self._pending[:, :n_pending].copy()
        filtered = np.empty((self._scorer.n_bands, *rows.shape))
        missing = self._bank.run(rows, filtered)
        self._put(self._ring, self._n_filtered, filtered)
        bad = np.zeros(n_pending, dtype=bool)
        if missing is not None:
            missing.any(axis=0, out=bad)
        self._put(self._bad, self._n_filtered, bad)
        self._n_filtered = self._n_taken

    def _sum_pieces(self, window: _Window) -> None:
        """Add to the window's sums each piece of it that is complete."""
        if window.moments is None:
            window.moments = self._scorer.new_moments()
        for waves in self._scorer.waves[window.n_summed :]:
            first, n_samples = window.start + window.n_summed * self._piece, waves.shape[1]
            if first + n_samples > self._n_filtered:
                return
            self._scratch.measure(self._get(self._ring, first, n_samples), waves)
            window.moments.flat += self._scratch.flat
            window.n_summed += 1

    def _scores(self, window: _Window) -> FloatArray | None:
        if self._get(self._bad, window.start, self._scorer.window_samples).any():
            return None
        self._sum_pieces(window)
        assert window.moments is not None
        return self._scorer.scores(window.moments)
