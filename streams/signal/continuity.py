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

Many devices do not stamp sample by sample: they stamp packets, bursts, or whatever moment a sample
arrived at. Stamps that are equal, early or give a gap's time back show it, and so do gaps that come
again and again at even distances. From there on samples are laid out by their count
(`volition.streams.signal.timeline`), and gaps that were none are taken off the counts.

The rate is measured from counts and stamps. Beyond `RATE_WARN` of the announced one it is told, and
beyond `RATE_WRONG` no piece is ``trusted``: what lies at 13 Hz would be found at another frequency.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, fields
from typing import Any, Literal, NamedTuple

import numpy as np

from volition.chunk import Chunk, FloatArray, SignalSpec
from volition.streams.signal.timeline import Loss, Rate, Timeline
from volition.streams.signal.triggers import CODES

Policy = Literal["hold", "interpolate", "reset"]

JUMP_S = 10.0
"""A longer step ahead is a jump of the clock, unless the stream was silent meanwhile."""

RATE_WARN, RATE_WRONG = 0.005, 0.02
"""Shares of the announced rate: from the first on the measured one is told, beyond the second
nothing is decided."""

_BACK_S = 0.1
_PAID_BACK_WITHIN_S = 1.0
_JUMP_ENDS_WITHIN_S = 60.0
#: Signal that the measured interval rests on before it counts, in seconds.
_RATE_AFTER_S = 2.0
#: How often the rate is looked at, and how long it may stay unknown.
_LOOK_S, _UNKNOWN_S = 0.25, 1.5
#: Shares of the announced rate by which it may be off, its uncertainty taken to it.
_MOST_DOUBTFUL = 0.025
#: Number of early or equal stamps within a second from which they are no single errors.
_N_ODD = 4
#: Number of gaps at even distances that makes a rate, and the longest such distance.
_N_REGULAR, _LONGEST_REGULAR = 9, 80
#: A step of true loss is so near to a whole number of intervals.
_WHOLE = 0.2
_MOST_GAPS = 64
#: After a longer gap the measured rate does not tell how many samples are lost.
_LONGEST_COUNTED_S = 5.0


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
        Number of the missing samples that were filled.
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
    uncertain
        Number of the missing samples in gaps whose length the stamps do not tell to the sample.
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
    uncertain: int = 0


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
    trusted
        Whether the rate is what the stream announces, as far as is known.
    """

    chunk: Chunk
    reset: bool
    trusted: bool = True


class _Gap(NamedTuple):
    """A gap that may yet turn out to be one of many that are alike."""

    stamp: float
    n_samples: int
    n_missing: int
    is_whole: bool


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
    trusted : bool
        Whether the rate is what the stream announces, as far as is known.
    """

    def __init__(self, spec: SignalSpec, settings: ContinuitySettings | None = None) -> None:
        self._settings = settings or ContinuitySettings()
        self.counts = ContinuityCounts()
        self._rate_hz = spec.rate_hz
        self._interval_s = 1.0 / spec.rate_hz if spec.rate_hz > 0 else 0.0
        # A code of a trigger is held: between two of them lies no third.
        self._codes = [place for place, kind in enumerate(spec.kinds) if kind == CODES]
        self._tolerance_s = self._settings.tolerance_s or 0.0
        self._least_s = 0.5 * self._interval_s
        self._most_s = max(1.5 * self._interval_s, self._tolerance_s)
        self._last = math.nan  # time given to the last sample
        self._last_raw = math.nan  # its own stamp
        self._start, self._n_since_start, self._n_inserted = math.nan, 0, 0
        self._n_look = max(16, round(_LOOK_S * spec.rate_hz))
        self._next_look = self._n_look
        self.trusted = True
        self._timeline: Timeline | None = None
        self._timeline_since = 0
        self._must_count = False
        self._odd: deque[int] = deque(maxlen=_N_ODD)
        self._gaps: deque[_Gap] = deque(maxlen=_MOST_GAPS)
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
            if self._timeline is not None:
                return False
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
        if self._n_since_start + n >= self._next_look and self._interval_s:
            if self._would_change_mind(times):
                return False
            self._set_next_look(self._n_since_start + n)
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
        out = _Pieces(Chunk(chunk.samples, chunk.times.copy()), trusted=self.trusted)
        for index, stamp in enumerate(chunk.times.tolist()):
            self.counts.samples += 1
            take = self._take if self._timeline is None else self._take_by_count
            take(index, stamp, chunk.samples[index], silent_s, out)
            if self._must_count and self._timeline is None:
                self._begin_to_count()
            if self._n_since_start >= self._next_look:
                self._look(index, out)
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
            self._note_odd_stamp()
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
            self._note_odd_stamp()
        self._keep(index, stamp, time, row, out)

    def _take_first_or_stampless(
        self, index: int, stamp: float, row: FloatArray, out: _Pieces
    ) -> None:
        if math.isfinite(stamp):
            self._start_at(stamp)
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
            times = self._last + ahead * np.arange(1, n_missing + 1) / (n_missing + 1)
            self._bridge(index, times, stamp, row, out)
            self._keep(index, stamp, stamp, row, out)
        if settings.tolerance_s is None:
            excess_s = ahead - self._interval_s
            self._owed = _Owed(stamp, excess_s, n_missing, self.counts.samples)
        self._note_gap(stamp, ahead, n_missing)

    def _bridge(
        self, index: int, times: FloatArray, time: float, row: FloatArray, out: _Pieces
    ) -> None:
        """Put samples of these times before the one of ``index``, which lies at ``time``."""
        n = len(times)
        self.counts.bridged += n
        rows = np.full((n, len(row)), np.nan)
        if self._settings.policy == "interpolate":
            last_row = self._seen_rows[self._place - 1]
            share = ((times - self._last) / (time - self._last))[:, np.newaxis]
            rows = last_row + share * (row - last_row)
            rows[:, self._codes] = last_row[self._codes]
        out.insert(index, Chunk(rows, times))
        self._n_since_start += n
        self._n_inserted += n

    def _begin(self, index: int, stamp: float, row: FloatArray, out: _Pieces) -> None:
        """Start anew at this sample."""
        self.counts.resets += 1
        self._owed = None
        self._gaps.clear()
        out.reset(index)
        self._start_at(stamp)
        self._keep(index, stamp, stamp, row, out)

    def _start_at(self, stamp: float) -> None:
        self._start, self._n_since_start, self._n_inserted = stamp, 0, 0
        self._next_look = self._n_look
        if self._timeline is not None:
            self._timeline.begin(stamp)
            self._timeline_since = self.counts.samples

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
            self._must_count = True

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
        self._uncount_gap(owed.n_missing)
        self._owed = None
        if self._gaps and self._gaps[-1].stamp == owed.stamp:
            self._gaps.pop()

    def _uncount_gap(self, n_missing: int) -> None:
        self.counts.gaps -= 1
        self.counts.missing -= n_missing

    # -- stamps that do not say where each sample lies -----------------------------------------

    def _note_odd_stamp(self) -> None:
        """See whether stamps are early or equal as a rule, or from the beginning."""
        self._odd.append(self.counts.samples)
        are_many = len(self._odd) == _N_ODD and self._odd[-1] - self._odd[0] <= self._rate_hz
        if are_many or self._n_since_start < _N_ODD:
            self._must_count = True

    def _note_gap(self, stamp: float, ahead: float, n_missing: int) -> None:
        """See whether gaps are none: they come at even distances, or are no whole samples.

        A rate that is lower than announced does the one, jitter the other.
        """
        whole = ahead / (self._measured_interval_s() or self._interval_s)
        self._gaps.append(
            _Gap(stamp, self.counts.samples, n_missing, abs(whole - round(whole)) < _WHOLE)
        )
        gaps = [*self._gaps][-_N_REGULAR:]
        if len(gaps) < _N_REGULAR:
            return
        numbers = np.diff([gap.n_samples for gap in gaps])
        intervals_s = np.diff([gap.stamp for gap in gaps]) / numbers
        longest, shortest = int(numbers.max()), int(numbers.min())
        are_even = float(np.ptp(intervals_s)) <= 0.03 * float(intervals_s.mean())
        # Packets of one size, whose gaps differ by when they came; chance leaves no such row.
        are_packets = shortest >= 4 and longest - shortest <= longest // 4
        if longest <= _LONGEST_REGULAR and (
            are_packets or (are_even and longest - shortest <= max(1, longest // 4))
        ):
            for gap in gaps:
                self._uncount_gap(gap.n_missing)
                self._gaps.pop()
            self._must_count = True
        elif sum(not gap.is_whole for gap in gaps) > _N_REGULAR // 2:
            self._must_count = True

    def _begin_to_count(self) -> None:
        """Lay samples out by count from the next one on, by what the last second's stamps show."""
        self._must_count, self._owed = False, None
        recent = np.concatenate(
            [self._seen_stamps[self._place :], self._seen_stamps[: self._place]]
        )
        recent = recent[np.isfinite(recent)][-(self._n_since_start - self._n_inserted) :]
        # What was lost among these is counted anew, with all of them in view.
        for gap in self._gaps:
            if gap.stamp > recent[0]:
                self._uncount_gap(gap.n_missing)
        self._gaps.clear()
        timeline = Timeline(self._interval_s, self._settings.tolerance_s or 0.0)
        for loss in timeline.begin_with(recent, self._last):
            self._count_loss(loss)
        self._timeline, self._timeline_since = timeline, self.counts.samples

    def _take_by_count(
        self, index: int, stamp: float, row: FloatArray, silent_s: float | None, out: _Pieces
    ) -> None:
        """Decide about one sample of a device whose stamps are laid out by count."""
        timeline = self._timeline
        assert timeline is not None
        step = stamp - self._last_raw
        if not math.isfinite(stamp):
            self.counts.bad_stamps += 1
            self._keep(index, self._last_raw, timeline.place(), row, out)
            return
        if (step < 0 or (step == 0 and timeline.is_full)) and self._was_seen(stamp, row):
            self.counts.repeated += 1
            out.drop(index)
            return
        if step < -max(_BACK_S, timeline.jitter_s):
            self.counts.jumps_backward += 1
            self._begin(index, stamp, row, out)
            return
        if step > JUMP_S:
            if silent_s is None or silent_s < 0.5 * step:
                self.counts.jumps_forward += 1
            else:
                self.counts.gaps += 1
                self.counts.missing += round(step / timeline.interval_s) - 1
            self._begin(index, stamp, row, out)
            return
        if step == 0:
            self.counts.equal_stamps += 1
        elif step < self._least_s:
            self.counts.early_stamps += 1
        loss = timeline.find_loss(stamp)
        if loss is not None and loss.n_samples > 0:
            self._take_loss(index, stamp, row, loss, out)
        elif loss is not None:  # less was lost than was thought
            self._count_loss(loss)
        self._keep(index, stamp, timeline.place(), row, out)

    def _take_loss(
        self, index: int, stamp: float, row: FloatArray, loss: Loss, out: _Pieces
    ) -> None:
        timeline = self._timeline
        assert timeline is not None
        self._count_loss(loss)
        gap_s = loss.longest * timeline.interval_s
        times = timeline.bridge(loss.n_samples)
        if self._settings.policy != "reset" and gap_s <= self._settings.bridge_s + 1e-9:
            self._bridge(index, times, float(times[-1]) + timeline.interval_s, row, out)
            return
        self.counts.resets += 1
        out.reset(index)
        self._start, self._n_since_start, self._n_inserted = stamp, 0, 0
        self._next_look = self._n_look
        if gap_s > _LONGEST_COUNTED_S:
            timeline.begin(stamp)
            self._timeline_since = self.counts.samples

    def _count_loss(self, loss: Loss) -> None:
        self.counts.gaps += loss.n_gaps
        self.counts.missing += loss.n_samples
        self.counts.uncertain += 0 if loss.is_certain else loss.n_samples

    # -- the rate -----------------------------------------------------------------------------

    def _set_next_look(self, n_since_start: int) -> None:
        self._next_look = (n_since_start // self._n_look + 1) * self._n_look

    def _look(self, index: int, out: _Pieces) -> None:
        """See whether the rate is what it should be; what follows the sample is told so."""
        n, inserted = self._n_since_start, self._n_inserted
        self._set_next_look(n)
        trusted = self._trusts(n, inserted, self._last)
        if trusted is not self.trusted:
            self.trusted = trusted
            out.end_piece(index + 1, trusted)

    def _would_change_mind(self, times: FloatArray) -> bool:
        """Say whether a look at the rate within the next samples would find otherwise."""
        n_before = self._n_since_start
        looks = range(self._next_look, n_before + len(times) + 1, self._n_look)
        return any(
            self._trusts(n, self._n_inserted, float(times[n - n_before - 1])) is not self.trusted
            for n in looks
        )

    def _trusts(self, n: int, n_inserted: int, last: float) -> bool:
        """Say whether the rate after ``n`` samples, inserted ones among them, is the announced one.

        Where stamps are exact, a rate counts as wrong when it is so with those that are missing and
        without them: jitter that looks like a loss changes the one, and a loss changes the other.
        """
        if self._timeline is not None:
            rate = self._timeline.rate
            if rate is None:
                known_s = (self.counts.samples - self._timeline_since) * self._interval_s
                return self.trusted and known_s < _UNKNOWN_S
            off, doubt = abs(rate.hz / self._rate_hz - 1.0), rate.uncertainty_hz / self._rate_hz
            return off <= RATE_WRONG and off + doubt <= _MOST_DOUBTFUL
        span_s = last - self._start
        if not span_s > 0:
            return self.trusted
        off = (n - 1) / span_s / self._rate_hz - 1.0
        off_received = (n - n_inserted - 1) / span_s / self._rate_hz - 1.0
        # Each end of the span is known to half an interval.
        slack = 0.5 / (span_s * self._rate_hz) if self.trusted else 0.0
        return not (
            min(off, off_received) > RATE_WRONG + slack
            or max(off, off_received) < -RATE_WRONG - slack
        )

    # -- what it is like ----------------------------------------------------------------------

    def _measured_interval_s(self) -> float | None:
        span_s = self._last - self._start
        if not span_s >= _RATE_AFTER_S:
            return None
        return span_s / (self._n_since_start - 1)

    @property
    def rate(self) -> Rate | None:
        """The measured rate; None while it cannot be told."""
        if self._timeline is not None:
            return self._timeline.rate
        interval_s = self._measured_interval_s() if self._interval_s else None
        if interval_s is None:
            return None
        # Each end of the span is known to half an interval.
        return Rate(1.0 / interval_s, 1.0 / (self._last - self._start))

    @property
    def rate_hz(self) -> float | None:
        """The measured rate; None while it cannot be told."""
        rate = self.rate
        return None if rate is None else rate.hz

    def report(self) -> dict[str, Any]:
        """Give the counts, and what is known of the rate, the stamps and their jitter."""
        rate, timeline = self.rate, self._timeline
        tolerance_s = self._tolerance_s
        if timeline is not None:
            tolerance_s = max(tolerance_s, timeline.interval_s + timeline.jitter_s)
        return {
            **{name: getattr(self.counts, name) for name in _COUNTS},
            "rate_hz": None if rate is None else rate.hz,
            "rate_uncertainty_hz": None if rate is None else rate.uncertainty_hz,
            "rate_trusted": self.trusted,
            "drift_ppm": None if rate is None else (rate.hz / self._rate_hz - 1.0) * 1e6,
            "tolerance_s": tolerance_s,
            "stamping": "sample" if timeline is None else timeline.stamping,
            "packet_samples": 1 if timeline is None else timeline.packet_samples,
            "jitter_s": 0.0 if timeline is None else timeline.jitter_s,
        }


class _Pieces:
    """A chunk that is taken apart and put together again, sample by sample."""

    def __init__(self, chunk: Chunk, *, trusted: bool) -> None:
        self._samples = chunk.samples
        self._trusted = trusted
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

    def end_piece(self, index: int, trusted: bool) -> None:
        """End the piece before the sample of ``index``; say whether what follows is trusted."""
        self._flush(index)
        self._end_piece()
        self._trusted = trusted

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
        self._done.append(Piece(joined, self._is_after_reset, self._trusted))
        self._blocks, self._is_after_reset = [], False


def _all_finite(samples: FloatArray) -> bool:
    """Whether all values are numbers; huge ones may be taken for none, which `mend` sorts out."""
    if samples.flags.c_contiguous:
        flat = samples.reshape(-1)
        # One pass and no array of truths. A square is never negative, so nothing cancels; it may
        # overflow, of which `dot` warns on some processors and `vdot` on none.
        return math.isfinite(np.vdot(flat, flat))
    return bool(np.isfinite(samples).all())
