"""Whether each sample follows from the one before, by its time stamp and by nothing else.

    chunk ──> check: nothing wrong ──────────────────────────────> the chunk itself
                └──> mend: gaps, repeats, jumps, bad values ─────> pieces, some after a reset

Every decision follows from stamps and values alone, sample by sample, never from the moment of
arrival or from how the signal was cut: what was decided live is decided again in a replay.

- A step of more than ``max(1.5 intervals, tolerance)`` is a *gap*; its missing samples are counted.
  One of up to ``bridge_s`` is filled, with NaN (``hold``: the decoder then says idle) or on a line
  to the next sample (``interpolate``); a longer one resets the pipeline.
- A sample whose stamp and values were seen within the last second is a *repeat* and is dropped.
- *Equal* stamps with other values come from devices that stamp packets: they are spread out, and
  the step to the first of them lacks nothing that they hold.
- A step back of more than 0.1 s, or ahead of more than 10 s while the stream was not silent, is a
  *jump* of the clock: nothing is missing, but the pipeline is reset. Smaller steps back are jitter.

Some devices stamp on arrival, and their packets come late and then early. A gap whose time is given
back within a second was such jitter: it is taken off the count, and the tolerance is raised to it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any, Literal, NamedTuple

import numpy as np

from volition.chunk import Chunk, FloatArray, SignalSpec

Policy = Literal["hold", "interpolate", "reset"]

JUMP_S = 10.0
"""A longer step ahead is a jump of the clock, unless the stream was silent meanwhile."""

_BACK_S = 0.1
_LARGEST_LEARNT_S = 0.1
_PAID_BACK_WITHIN_S = 1.0
_JUMP_ENDS_WITHIN_S = 60.0
#: The measured interval counts once it rests on so much signal, and only this near the nominal one.
_RATE_AFTER_S, _RATE_WITHIN = 2.0, 0.05


@dataclass(frozen=True, slots=True)
class ContinuitySettings:
    """What to do about gaps.

    Attributes
    ----------
    policy
        How a gap of up to ``bridge_s`` is bridged: ``hold`` (missing samples are NaN),
        ``interpolate`` (on a line from the last sample to the next), or not at all (``reset``).
    bridge_s
        A gap that lacks more than this resets the pipeline.
    tolerance_s
        A step of up to this is no gap. None to learn it from how the stream jitters.
    """

    policy: Policy = "hold"
    bridge_s: float = 0.2
    tolerance_s: float | None = None


@dataclass(slots=True)
class ContinuityCounts:
    """What was seen so far.

    Attributes
    ----------
    samples
        Samples that came, repeats included.
    missing, gaps
        Samples that never came, and the gaps that they left.
    bridged
        Of the missing samples, those that were filled.
    repeated
        Samples that came before and were dropped.
    equal_stamps
        Samples with the stamp of the one before and other values.
    early_stamps
        Samples less than half an interval after the one before, or a little before it.
    bad_stamps
        Samples whose stamp is no number.
    jumps_forward, jumps_backward
        Jumps of the clock.
    resets
        How often the pipeline was made to forget.
    nonfinite
        Values that are NaN or infinite.
    """

    samples: int = 0
    missing: int = 0
    gaps: int = 0
    bridged: int = 0
    repeated: int = 0
    equal_stamps: int = 0
    early_stamps: int = 0
    bad_stamps: int = 0
    jumps_forward: int = 0
    jumps_backward: int = 0
    resets: int = 0
    nonfinite: int = 0


#: `asdict` would leave a tuple on the interpreter's free list each time, four times a second.
_COUNTS = tuple(field.name for field in fields(ContinuityCounts))


class Piece(NamedTuple):
    """A part of the signal in which nothing is missing unsaid.

    Attributes
    ----------
    chunk
        The part.
    reset
        Whether the pipeline must forget what came before it.
    """

    chunk: Chunk
    reset: bool


class _Owed(NamedTuple):
    """A gap that may yet turn out to be jitter."""

    stamp: float
    excess_s: float
    n_missing: int
    n_samples: int


class Continuity:
    """Watch one signal.

    Parameters
    ----------
    spec
        The signal; one without a rate has no gaps, only values to look at.
    settings
        What to do about gaps.

    Attributes
    ----------
    counts : ContinuityCounts
        What was seen so far.
    """

    def __init__(self, spec: SignalSpec, settings: ContinuitySettings | None = None) -> None:
        self._settings = settings or ContinuitySettings()
        self.counts = ContinuityCounts()
        self._rate_hz = spec.rate_hz
        self._interval_s = 1.0 / spec.rate_hz if spec.rate_hz > 0 else 0.0
        self._tolerance_s = self._settings.tolerance_s or 0.0
        self._least_s = 0.5 * self._interval_s
        self._most_s = max(1.5 * self._interval_s, self._tolerance_s)
        self._last = math.nan  # time given to the last sample
        self._last_raw = math.nan  # its own stamp
        self._start, self._n_since_start = math.nan, 0
        self._owed: _Owed | None = None
        self._capacity = max(64, min(4096, math.ceil(spec.rate_hz)))
        self._seen_stamps = np.full(self._capacity, np.nan)
        self._seen_rows = np.empty((self._capacity, spec.n_channels))
        self._place = 0

    # -- nothing is wrong ---------------------------------------------------------------------

    def check(self, chunk: Chunk) -> bool:
        """Take the next chunk if nothing is wrong with it; else take nothing and give False."""
        times, n = chunk.times, len(chunk.times)
        if n == 0:
            return True
        if self._interval_s:
            # Written so that NaN is not right either.
            if not self._least_s <= float(times[0]) - self._last <= self._most_s:
                return False
            if n > 1:
                steps = times[1:] - times[:-1]
                least, most = np.minimum.reduce(steps), np.maximum.reduce(steps)
                if not (least >= self._least_s and most <= self._most_s):
                    return False
        if not _all_finite(chunk.samples):
            return False
        self.counts.samples += n
        if self._interval_s:
            self._remember(chunk.samples, times)
            self._last = self._last_raw = float(times[-1])
            self._n_since_start += n
        return True

    def _remember(self, samples: FloatArray, times: FloatArray) -> None:
        """Keep stamps and values of the last second, by which repeats are known."""
        n, capacity = len(times), self._capacity
        if n >= capacity:
            samples, times, n = samples[-capacity:], times[-capacity:], capacity
        place = self._place
        first = min(n, capacity - place)
        self._seen_stamps[place : place + first] = times[:first]
        self._seen_rows[place : place + first] = samples[:first]
        if first < n:
            self._seen_stamps[: n - first] = times[first:]
            self._seen_rows[: n - first] = samples[first:]
        self._place = (place + n) % capacity

    # -- something is wrong -------------------------------------------------------------------

    def mend(self, chunk: Chunk, silent_s: float | None = None) -> list[Piece]:
        """Take a chunk with which something is wrong; give what the pipeline is to see.

        Parameters
        ----------
        chunk
            Values that are no numbers become NaN in place.
        silent_s
            How long nothing had come before this chunk, where that is known. It tells a long
            dropout from a jump of the clock, in the counts and in nothing else.
        """
        bad = ~np.isfinite(chunk.samples)
        self.counts.nonfinite += int(np.count_nonzero(bad))
        chunk.samples[bad] = np.nan
        if not self._interval_s:
            self.counts.samples += len(chunk)
            return [Piece(chunk, False)]
        out = _Pieces(Chunk(chunk.samples, chunk.times.copy()))
        for index, stamp in enumerate(chunk.times.tolist()):
            self.counts.samples += 1
            self._take(index, stamp, chunk.samples[index], silent_s, out)
        return out.finish()

    def _take(
        self, index: int, stamp: float, row: FloatArray, silent_s: float | None, out: _Pieces
    ) -> None:
        """Decide about one sample."""
        ahead = stamp - self._last
        if self._least_s <= ahead <= self._most_s:
            time = stamp
        elif not math.isfinite(stamp) or math.isnan(self._last):
            self._take_first_or_stampless(index, stamp, row, out)
            return
        elif ahead > self._most_s:
            self._take_after_gap(index, stamp, row, silent_s, out)
            return
        elif self._was_seen(stamp, row):
            self.counts.repeated += 1
            out.drop(index)
            return
        elif stamp == self._last_raw:
            self.counts.equal_stamps += 1
            self._fill_in(stamp)
            time = self._last + self._interval_s
        elif ahead < -max(_BACK_S, self._most_s):
            self.counts.jumps_backward += 1
            self._take_back_jump(-ahead)
            self._begin(index, stamp, row, out)
            return
        else:
            self.counts.early_stamps += 1
            self._learn(stamp)
            # In order, and nearer to the stamps with every sample.
            time = self._last + 0.5 * self._interval_s
        self._keep(index, stamp, time, row, out)

    def _take_first_or_stampless(
        self, index: int, stamp: float, row: FloatArray, out: _Pieces
    ) -> None:
        if math.isfinite(stamp):
            self._start, self._n_since_start = stamp, 0
            self._keep(index, stamp, stamp, row, out)
            return
        self.counts.bad_stamps += 1
        if math.isnan(self._last):
            out.drop(index)  # there is no time to give it
        else:
            self._keep(index, self._last_raw, self._last + self._interval_s, row, out)

    def _take_after_gap(
        self, index: int, stamp: float, row: FloatArray, silent_s: float | None, out: _Pieces
    ) -> None:
        ahead = stamp - self._last
        interval_s = self._measured_interval_s() or self._interval_s
        if ahead > JUMP_S and (silent_s is None or silent_s < 0.5 * ahead):
            self.counts.jumps_forward += 1
            self._begin(index, stamp, row, out)
            return
        n_missing = max(1, round(ahead / interval_s) - 1)
        self.counts.gaps += 1
        self.counts.missing += n_missing
        settings = self._settings
        if settings.policy == "reset" or n_missing * self._interval_s > settings.bridge_s + 1e-9:
            self._begin(index, stamp, row, out)
        else:
            self.counts.bridged += n_missing
            times = self._last + ahead * np.arange(1, n_missing + 1) / (n_missing + 1)
            rows = np.full((n_missing, len(row)), np.nan)
            if settings.policy == "interpolate":
                last_row = self._seen_rows[self._place - 1]
                share = ((times - self._last) / ahead)[:, np.newaxis]
                rows = last_row + share * (row - last_row)
            out.insert(index, Chunk(rows, times))
            self._n_since_start += n_missing
            self._keep(index, stamp, stamp, row, out)
        if settings.tolerance_s is None:
            excess_s = ahead - self._interval_s
            self._owed = _Owed(stamp, excess_s, n_missing, self.counts.samples)

    def _begin(self, index: int, stamp: float, row: FloatArray, out: _Pieces) -> None:
        """Start anew at this sample."""
        self.counts.resets += 1
        self._owed = None
        out.reset(index)
        self._start, self._n_since_start = stamp, 0
        self._keep(index, stamp, stamp, row, out)

    def _keep(self, index: int, stamp: float, time: float, row: FloatArray, out: _Pieces) -> None:
        out.times[index] = time
        self._last, self._last_raw = time, stamp
        self._n_since_start += 1
        self._seen_stamps[self._place] = stamp
        self._seen_rows[self._place] = row
        self._place = (self._place + 1) % self._capacity

    def _was_seen(self, stamp: float, row: FloatArray) -> bool:
        for place in np.flatnonzero(self._seen_stamps == stamp).tolist():
            if np.array_equal(self._seen_rows[place], row, equal_nan=True):
                return True
        return False

    def _learn(self, stamp: float) -> None:
        """See whether an early stamp gives back the time that a gap seemed to take."""
        owed = self._owed
        if owed is None:
            return
        due_s = (self.counts.samples - owed.n_samples) * self._interval_s
        if due_s > _PAID_BACK_WITHIN_S:
            self._owed = None
        elif due_s - (stamp - owed.stamp) >= 0.5 * owed.excess_s:
            self._uncount(owed)
            learnt_s = self._interval_s + 1.25 * owed.excess_s
            self._tolerance_s = max(self._tolerance_s, min(learnt_s, _LARGEST_LEARNT_S))
            self._most_s = max(self._most_s, self._tolerance_s)

    def _fill_in(self, stamp: float) -> None:
        """See whether equal stamps hold what the step to them seemed to lack.

        A device that begins to give all samples of a packet the stamp of the last steps over as
        many as then follow. Its jitter is none: the tolerance stays as it was.
        """
        owed = self._owed
        if owed is None or stamp != owed.stamp:
            return
        if self.counts.samples - owed.n_samples >= owed.n_missing:
            self._uncount(owed)

    def _take_back_jump(self, back_s: float) -> None:
        """See whether a jump back ends one ahead that was short enough to look like a gap."""
        owed = self._owed
        if owed is None or back_s < 0.5 * owed.excess_s:
            return
        if (self.counts.samples - owed.n_samples) * self._interval_s <= _JUMP_ENDS_WITHIN_S:
            self.counts.jumps_forward += 1
            self._uncount(owed)

    def _uncount(self, owed: _Owed) -> None:
        self.counts.gaps -= 1
        self.counts.missing -= owed.n_missing
        self._owed = None

    # -- what it is like ----------------------------------------------------------------------

    def _measured_interval_s(self) -> float | None:
        span_s = self._last - self._start
        if not span_s >= _RATE_AFTER_S:
            return None
        interval_s = span_s / (self._n_since_start - 1)
        near = abs(interval_s / self._interval_s - 1.0) <= _RATE_WITHIN
        return interval_s if near else None

    @property
    def rate_hz(self) -> float | None:
        """The rate since the last reset; None while it cannot be told, or is far from nominal."""
        interval_s = self._measured_interval_s() if self._interval_s else None
        return None if interval_s is None else 1.0 / interval_s

    def report(self) -> dict[str, Any]:
        """Give the counts, the measured rate, its drift from the nominal one, and the tolerance."""
        rate_hz = self.rate_hz
        return {
            **{name: getattr(self.counts, name) for name in _COUNTS},
            "rate_hz": rate_hz,
            "drift_ppm": None if rate_hz is None else (rate_hz / self._rate_hz - 1.0) * 1e6,
            "tolerance_s": self._tolerance_s,
        }


class _Pieces:
    """A chunk that is taken apart and put together again, sample by sample."""

    def __init__(self, chunk: Chunk) -> None:
        self._samples = chunk.samples
        self.times = chunk.times
        self._from = 0
        self._blocks: list[Chunk] = []
        self._is_after_reset = False
        self._done: list[Piece] = []

    def drop(self, index: int) -> None:
        self._flush(index)
        self._from = index + 1

    def insert(self, index: int, block: Chunk) -> None:
        """Put a block before the sample of ``index``."""
        self._flush(index)
        self._blocks.append(block)

    def reset(self, index: int) -> None:
        """End the piece before the sample of ``index``."""
        self._flush(index)
        self._end_piece()
        self._is_after_reset = True

    def finish(self) -> list[Piece]:
        self._flush(len(self.times))
        self._end_piece()
        return self._done

    def _flush(self, index: int) -> None:
        if index > self._from:
            place = slice(self._from, index)
            self._blocks.append(Chunk(self._samples[place], self.times[place]))
        self._from = index

    def _end_piece(self) -> None:
        if not self._blocks:
            return
        joined = self._blocks[0]
        if len(self._blocks) > 1:
            joined = Chunk(
                np.concatenate([block.samples for block in self._blocks]),
                np.concatenate([block.times for block in self._blocks]),
            )
        self._done.append(Piece(joined, self._is_after_reset))
        self._blocks, self._is_after_reset = [], False


def _all_finite(samples: FloatArray) -> bool:
    """Whether all values are numbers; huge ones may be taken for none, which `mend` sorts out."""
    if samples.flags.c_contiguous:
        flat = samples.reshape(-1)
        # One pass and no array of truths. A square is never negative, so nothing cancels; it may
        # overflow, of which `dot` warns on some processors and `vdot` on none.
        return math.isfinite(np.vdot(flat, flat))
    return bool(np.isfinite(samples).all())
