"""Where samples lie in time, by their count, for devices whose stamps do not say it one by one.

Many devices and programs stamp on arrival: a packet of samples shares one stamp, or a burst of up
to a second is pushed in a few milliseconds, and the stamps come late by as much as the transport
was. Their rate is often not the one that they announce. What such stamps do say is how many samples
had been sent by when:

    packet's last sample number k, stamp T  ──>  T = offset + interval * k + lateness

`Timeline` measures offset and interval, lays samples out on that line, and takes for lost what
arrives later than the lateness that it has learnt, if the packet after it is as late: a packet that
the transport held up is followed by others in haste, a lost one is not. Everything follows from the
stamps, sample by sample; how the signal was cut, and when it arrived here, changes nothing.

The line runs along the least late packets, as clocks are compared over networks: a packet can be
late by any amount and early by none. The rate comes from the same packets over the last half
minute, and its uncertainty from how far they lie from the line.

Packets that are as late by chance as others are by a loss before them are weighed all together
(`volition.streams.signal.losses`); the number of losses is uncertain then. What is lost in pieces
much shorter than the lateness is not known: it looks like a lower rate, is told as one, and what it
does to the stamps counts as uncertainty of the rate.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from volition.chunk import FloatArray
from volition.streams.signal.losses import (
    Explanation,
    Lateness,
    explain,
    rates_to_try,
    shift_of,
)

Stamping = Literal["sample", "packet", "burst"]

BURST_S = 0.1
"""Samples that come together and are of this much time or more are a burst."""

_BLOCK_S = 0.25
_N_BLOCKS = 120
#: The line is drawn through all packets until there are this many blocks, then through their bests.
_BLOCKS_ALONE = 16
#: Number of blocks for which a line must hold to be trusted more than those that were given up.
_BLOCKS_TRUE = 60
_LEARN_S, _LEARN_PACKETS, _LEARN_AT_MOST_S = 1.0, 3, 4.0
#: Lateness of more than this share of a packet is weighed against losses, and of more than the
#: second cannot be: shorter packets are no losses then, and a lower rate is told.
_WEIGH_FROM, _WEIGH_UP_TO = 0.5, 1.7
_WEIGH_SAMPLES, _WEIGH_PACKETS, _WEIGH_LONGER = 2, 80, 1.4
#: Fewer packets tell no more than that nothing is lost, where any loss is so much less likely.
_WEIGH_SOON, _NOTHING_LOST = 30, 8.0
_WEIGH_AT_MOST_S, _WEIGH_AT_MOST_PACKETS = 16.0, 400
#: Packets that were as often too late to be weighed are not weighed again.
_PAST_WEIGHING = 2
#: Nats by which an explanation must be worse to be none, and the share of a rate that is the same.
_TRIMMED = 50
_WANDER_KEPT = 0.97
#: What is assumed of losses before any was seen: the first one needs more evidence than others.
_LOSS_SHARE = (0.2, 20.0)
_LIKELY, _LIKELY_SOON, _SAME_RATE = 6.0, 40.0, 0.01
_N_SIZES = 9
#: Number of packets that wait before they join the line: something may be lost before them.
_N_RECENT = 8
#: Number of packets that, if too early, show that less was lost than was thought.
_N_EARLY = 3
_N_EXACT = 20
_PULL = 0.05
_LARGEST_PULL = 0.75
#: How far beyond the spread of the packets so far another packet may lie and still be late by
#: chance, in spreads: few packets show little of it.
_CHANCE = ((4, 8.0), (8, 3.0), (20, 1.0), (100, 0.5))
_CHANCE_LATER = 0.2
#: Single samples that follow one another evenly, to this share of an interval, are late by the same
#: chance, as those of a packet that jitters as a whole are. The second number is the most that such
#: a packet has; the third is how many runs of such samples are remembered.
_EVEN, _MOST_ALIKE, _N_RUNS = 0.02, 64, 9
#: A larger share of single samples that are late by chances of their own may hide lost ones.
_MANY_CHANCES, _UNKNOWN = 0.5, 1.0


class Rate(NamedTuple):
    """A measured rate.

    Attributes
    ----------
    hz
        Samples a second.
    uncertainty_hz
        Two standard deviations.
    """

    hz: float
    uncertainty_hz: float


class Loss(NamedTuple):
    """Samples that never came.

    Attributes
    ----------
    n_samples
        How many.
    longest
        How many of them follow on one another.
    n_gaps
        How many gaps they left.
    is_certain
        Whether no other number explains the stamps as well.
    """

    n_samples: int
    longest: int
    n_gaps: int
    is_certain: bool


@dataclass(slots=True)
class _Block:
    """The least late packet of a quarter of a second, and how late the others were."""

    begins: float
    number: float
    stamp: float
    high: float


class Timeline:
    """Lay the samples of one signal out by count.

    Parameters
    ----------
    interval_s
        Between two samples, as the stream announces it.
    tolerance_s
        Lateness up to this is never taken for a loss.
    """

    def __init__(self, interval_s: float, tolerance_s: float = 0.0) -> None:
        self._tolerance_s = tolerance_s
        self._announced_s = interval_s
        self.interval_s = interval_s
        self._given_up_s: list[float] = []  # intervals that were measured and turned out wrong
        self._forget()

    def _forget(self) -> None:
        self._last = math.nan  # time given to the last sample
        self._number = -1  # of the last sample, those that are missing counted
        self._offset = math.nan
        self._stamp = math.nan  # of the last sample
        self._packet_stamp, self._packet_size = math.nan, 0
        self._sizes: deque[int] = deque(maxlen=_N_SIZES)
        self._points: list[tuple[float, float]] = []
        self._blocks: deque[_Block] = deque(maxlen=_N_BLOCKS)
        self._block: _Block | None = None
        self._n_packets = 0
        self._n_chances = 0  # of being late: samples that are late alike share one
        self._runs: deque[int] = deque([0], maxlen=_N_RUNS)  # lengths of the last such, and of this
        self._is_learning = True
        self._recent: list[tuple[float, float]] = []  # not yet part of the line, oldest first
        self._low = self._high = 0.0
        self._n_learnt = 0
        self._n_lost = 0  # what was taken for lost, since it began anew
        self._measured_s = self._interval_error_s = math.nan
        self._is_in_haste = False
        self._unit = 0
        self._is_weighing = False  # whether packets are as late by chance as by a loss before them
        self._n_past_weighing = 0  # how often they were seen to be too late for that
        self._explanations: list[Explanation] = []
        self._weigh_due = _WEIGH_SOON
        self._doubt = 0.0  # up to other rates that explain what it was learnt from as well
        self._wander = 0.0  # up to the rate at which losses too short to be seen leave as much

    def begin(self, stamp: float) -> float:
        """Begin anew at a sample; give its time. The measured interval is kept."""
        self._forget()
        self._last = self._packet_stamp = self._stamp = stamp
        self._number, self._packet_size = 0, 1
        self._offset = stamp
        return stamp

    def begin_with(self, stamps: FloatArray, last: float) -> list[Loss]:
        """Begin with the stamps of samples that came before; give what is lost among them.

        The last of them was given the time ``last``.
        """
        first, *rest = stamps.tolist()
        self.begin(first)
        losses = []
        for stamp in rest:
            losses.append(self.find_loss(stamp))
            self.place()
        self._last = last
        return [loss for loss in losses if loss is not None]

    # -- one sample ---------------------------------------------------------------------------

    def continues(self, stamp: float) -> bool:
        """Say whether a sample of this stamp belongs to the packet of the one before."""
        step = stamp - self._stamp
        extent = stamp - self._packet_stamp
        most = 0.3 * self._packet_size * self.interval_s
        return 0.0 <= step < 0.5 * self.interval_s and extent <= most

    def find_loss(self, stamp: float) -> Loss | None:
        """Take the stamp of the next sample, which `place` is then told to lay out."""
        if self.continues(stamp):
            self._packet_size += 1
            self._stamp = stamp
            return None
        losses = [self._end_packet(stamp)]
        self._packet_stamp = self._stamp = stamp
        self._packet_size = 1
        if not self._is_learning and (size := self._usual_size()):
            # Where all packets are alike it is known when one begins how late its end will be.
            losses.append(self._judge([*self._recent, (float(self._number + size), stamp)]))
        return _joined([loss for loss in losses if loss is not None])

    def place(self) -> float:
        """Give the time of the next sample."""
        self._number += 1
        step_s = self.interval_s
        ahead_s = self._offset + self._number * step_s - (self._last + step_s)
        most_s = _LARGEST_PULL * step_s
        self._last += step_s + min(max(_PULL * ahead_s, -most_s), most_s)
        return self._last

    def bridge(self, n_samples: int) -> FloatArray:
        """Give the times of samples that are missing, which `find_loss` has counted."""
        times: FloatArray = self._last + self.interval_s * np.arange(1.0, n_samples + 1.0)
        self._last = float(times[-1])
        return times

    @property
    def is_full(self) -> bool:
        """Whether the packet has as many samples as the others."""
        return self._packet_size >= self.packet_samples

    # -- a packet is whole --------------------------------------------------------------------

    def _line(self, number: float) -> float:
        return self._offset + self.interval_s * number

    def _end_packet(self, next_stamp: float) -> Loss | None:
        """Take what the packet that is now whole says of the line, and of what is lost."""
        point = (float(self._number), self._packet_stamp)
        self._is_in_haste = next_stamp - point[1] < 0.5 * self._packet_size * self.interval_s
        self._sizes.append(self._packet_size)
        self._n_packets += 1
        self._runs[-1] += 1
        off_s = abs(next_stamp - point[1] - self.interval_s)
        if self._packet_size > 1 or off_s > _EVEN * self.interval_s:
            self._n_chances += 1
            self._runs.append(0)
        if self._is_learning:
            self._points.append(point)
            return self._learn()
        self._recent.append(point)
        loss = None if self._usual_size() else self._judge(self._recent)
        if self._let_age():
            self._draw_line()
        return loss

    def _let_age(self) -> bool:
        """Make packets part of the line that have waited for long enough; tell whether to draw."""
        n_blocks = len(self._blocks)
        oldest = self._blocks[0] if n_blocks else None
        while len(self._recent) > _N_RECENT:
            self._add_to_block(*self._recent.pop(0))
        return len(self._blocks) > n_blocks or (n_blocks > 0 and self._blocks[0] is not oldest)

    def _add_to_block(self, number: float, stamp: float) -> None:
        late = stamp - self._line(number)
        if self._is_weighing:
            far_s = 0.5 * self._unit * self.interval_s
            if not self._low - far_s < late < self._high + far_s:
                return  # less or more was lost before it than was thought
        else:
            self._low = min(self._low, late)
            # One that is much later than any before teaches little: it may have been a stall.
            self._high = max(self._high, min(late, self._high + self._margin()))
        if len(self._blocks) < _BLOCKS_ALONE:
            self._points.append((number, stamp))
        block = self._block
        if block is None:
            self._block = _Block(number, number, stamp, min(self._high + self._margin(), late))
            return
        block.high = max(block.high, min(late, self._high + self._margin()))
        if late < block.stamp - self._line(block.number):
            block.number, block.stamp = number, stamp
        if (number - block.begins) * self.interval_s >= _BLOCK_S:
            self._blocks.append(block)
            self._block = None

    def _draw_line(self) -> None:
        """Measure interval and offset anew."""
        blocks = self._blocks
        alone = len(blocks) >= _BLOCKS_ALONE
        if len(blocks) >= _BLOCKS_TRUE:
            self._given_up_s = []
        points = [(one.number, one.stamp) for one in blocks] if alone else self._points
        if alone:
            self._points = []
        elif len(points) < self._n_learnt:
            return  # it was learnt from more
        numbers, stamps = np.array(points).T
        slope, self._interval_error_s = _slope(numbers, stamps)
        self._measured_s = self.interval_s = slope
        if abs(slope - self._announced_s) < 2.0 * self._interval_error_s:
            self.interval_s = self._announced_s  # nothing speaks against it
        late = np.sort(stamps - self.interval_s * numbers)
        # Not the very first: a single stamp that is much too early moves nothing.
        self._offset = float(late[len(late) // 10])
        highs = sorted(block.high for block in blocks) if alone else late - self._offset
        # Where losses are hard to tell from lateness some are mistaken, and their packets far off.
        n_left_out = len(late) // _TRIMMED if self._is_weighing else 0
        self._low = float(late[n_left_out]) - self._offset
        self._high = float(highs[-1 - n_left_out])
        hidden = self._share_hidden(numbers, stamps, alone=alone)
        kept = _WANDER_KEPT * self._wander if alone and self._wander < _UNKNOWN else 0.0
        self._wander = max(hidden, kept)

    def _share_hidden(self, numbers: FloatArray, stamps: FloatArray, *, alone: bool) -> float:
        """Give the share of samples that may be lost unseen."""
        if self.packet_samples == 1:
            if self._n_chances < _MANY_CHANCES * self._n_packets:
                return 0.0  # stamps wander together, nothing lost
            if not alone and self.jitter_s > self.interval_s:
                return _UNKNOWN  # each is late by a chance of its own: a few seconds do not tell
        return _hidden_loss(numbers, stamps, self._measured_s, self.packet_samples)

    # -- what is lost -------------------------------------------------------------------------

    def _learn(self) -> Loss | None:
        """Draw the first line, once there is enough; what is lost until then is found with it."""
        points = self._points
        n = len(points)
        span_s = points[-1][1] - points[0][1] if points else 0.0
        if n < _LEARN_PACKETS or (span_s < _LEARN_S and n % 20):
            return None
        numbers, stamps = np.array(points).T
        if span_s < _LEARN_S and _spread(numbers, stamps) > 0.05 * self.interval_s:
            return None
        unit = _unit(np.diff(numbers).astype(int).tolist())
        lost = _lost_while_learning(
            numbers, stamps, self._announced_s, must_decide=span_s >= _LEARN_AT_MOST_S
        )
        is_weighed = lost is None or _is_jittery(numbers + np.cumsum(lost), stamps, unit)
        if unit >= _WEIGH_SAMPLES and is_weighed:
            explanation = self._weigh(numbers, stamps, unit)
            if explanation is None:
                return None
            most_s = _WEIGH_UP_TO * unit * explanation.interval_s
            is_weighed = explanation.spread_s < most_s and self._n_past_weighing < _PAST_WEIGHING
            lost = explanation.lost if is_weighed else np.zeros(n)
        else:
            is_weighed = False
        if lost is None:
            return None
        self._is_learning, self._is_weighing, self._unit = False, is_weighed, unit
        points = [*zip((numbers + np.cumsum(lost)).tolist(), stamps.tolist(), strict=True)]
        self._points = points
        self._draw_line()
        self._n_learnt = len(points)
        self._points, self._recent = [], points
        self._let_age()
        n_lost = int(lost.sum())
        if not n_lost:
            return None
        self._number += n_lost
        self._n_lost += n_lost
        n_gaps = int(np.count_nonzero(lost))
        return Loss(n_lost, int(lost.max()), n_gaps, is_certain=not is_weighed)

    def _learn_anew(self) -> None:
        """Draw the line anew from the packets that come: what was lost was told wrongly."""
        self._given_up_s.append(self._measured_s)
        self._is_learning, self._is_weighing = True, False
        self._points, self._recent, self._n_learnt = [], [], 0
        self._blocks.clear()
        self._block = None
        # Few packets once seemed to tell, and did not.
        self._explanations, self._weigh_due, self._doubt = [], _WEIGH_PACKETS, 0.0

    def _weigh(self, numbers: FloatArray, stamps: FloatArray, unit: int) -> Explanation | None:
        """Explain packets that are late by as much as they last; None while that is unclear."""
        n, span_s = len(numbers), float(stamps[-1] - stamps[0])
        if n < self._weigh_due and span_s < _LEARN_AT_MOST_S:
            return None
        self._weigh_due = round(_WEIGH_LONGER * n)
        if n < _WEIGH_PACKETS and span_s < _LEARN_AT_MOST_S:
            return _nothing_lost(numbers, stamps, unit)
        tried = [one.interval_s for one in self._explanations]
        intervals_s = np.array(tried + [self._announced_s] * bool(tried))
        found = explain(
            numbers, stamps, unit, intervals_s if tried else rates_to_try(numbers, stamps, unit)
        )
        must_decide = span_s >= _WEIGH_AT_MOST_S or n >= _WEIGH_AT_MOST_PACKETS
        if not found:
            nothing = Explanation(self._announced_s, np.zeros(n), math.inf, math.inf)
            return nothing if must_decide else None
        self._explanations = [one for one in found if one.nats < found[0].nats + _LIKELY_SOON]
        likely = [one for one in found if one.nats < found[0].nats + _LIKELY]
        best = min(likely, key=lambda one: float(one.lost.sum()))
        off = max(abs(best.interval_s / one.interval_s - 1.0) for one in likely)
        if off <= _SAME_RATE:
            return best
        if not must_decide:
            return None
        self._doubt = off
        return found[0]

    def _judge(self, packets: list[tuple[float, float]]) -> Loss | None:
        """Say what is lost before the last packets, by how late they are.

        Those since a loss are all late. That is no chance where one of them is later than any was
        before, or where there are many.
        """
        late = [stamp - self._line(number) for number, stamp in packets]
        unit = self._unit = _unit(self._sizes) or self._unit
        if self._is_weighing:
            return self._judge_shift(np.array(late), unit, len(packets) - len(self._recent))
        size = self._sizes[0] if len({*self._sizes}) == 1 else 1
        unit_s = size * self.interval_s
        if late[-1] < self._low - self._margin():
            return self._give_back(late, size)
        if late[-1] <= max(self._low + 0.5 * unit_s, self._tolerance_s):
            return None
        n, n_chances, least, most, before = 0, 0, math.inf, -math.inf, math.inf
        for one in reversed(late):
            if one - self._low + self._slack() < unit_s or one <= self._tolerance_s:
                break
            n_chances += abs(one - before) > _EVEN * self.interval_s
            n, least, most, before = n + 1, min(least, one), max(most, one), one
        spread = self._high - self._low
        is_exact = spread < 0.05 * self.interval_s and self._n_packets >= _N_EXACT
        if most > self._high + self._margin():
            n_told = n if size > 1 or self._wanders else n_chances
            if n_told < 2 and not is_exact:
                return None
        elif size == 1 or n < _N_RECENT or least - self._low < 0.75 * max(spread, unit_s):
            return None
        if self._is_in_haste and not is_exact:
            return None
        loss = self._count_lost(least, most, size)
        if loss is not None:
            self._n_lost += loss.n_samples
            self._move(n - (len(packets) - len(self._recent)), loss.n_samples)
        return loss

    def _judge_shift(self, late: FloatArray, unit: int, n_next: int) -> Loss | None:
        """Say what is lost before the last packets, where each alone does not tell it."""
        unit_s = unit * self.interval_s
        if self.jitter_s > _WEIGH_UP_TO * unit_s:
            self._n_past_weighing += 1
            if self._n_lost:  # by a weighing that could not tell
                self._learn_anew()
            self._is_weighing = False
            return None
        if self._is_in_haste and late[-1] > self._high + unit_s:
            return None
        usual = Lateness(
            self._low / unit_s,
            self._high / unit_s,
            self._slack() / unit_s,
            self._n_packets,
            (self._n_lost / unit + _LOSS_SHARE[0]) / (self._n_packets + _LOSS_SHARE[1]),
        )
        shift = shift_of(late / unit_s, usual, self._n_lost // unit)
        if shift is None:
            return None
        before = 0
        steps = []
        for place, n_units in enumerate(shift.n_units):
            if n_units != before:
                steps.append((n_units - before) * unit)
                self._move(len(shift.n_units) - place - n_next, steps[-1])
                before = n_units
        n_samples = sum(steps)
        self._n_lost += n_samples
        n_gaps = sum(1 if step > 0 else -1 for step in steps)
        return Loss(n_samples, max(0, *steps), n_gaps, shift.is_certain)

    def _give_back(self, late: list[float], size: int) -> Loss | None:
        """See whether packets are too early by what was taken for lost before."""
        unit_s = size * self.interval_s
        last = late[-_N_EARLY:]
        n_units = round((self._low - min(last)) / unit_s) if len(last) == _N_EARLY else 0
        n_samples = min(max(1, n_units) * size, self._n_lost)
        most = self._high - n_samples * self.interval_s + self._slack()
        if not n_units or not n_samples or max(last) > most:
            return None
        self._n_lost -= n_samples
        self._move(_N_EARLY - (len(late) - len(self._recent)), -n_samples)
        return Loss(-n_samples, 0, -1, is_certain=True)

    def _move(self, n_packets: int, n_samples: int) -> None:
        """Take ``n_samples`` for lost before the last packets and the next."""
        for place in range(len(self._recent) - n_packets, len(self._recent)):
            number, stamp = self._recent[place]
            self._recent[place] = (number + n_samples, stamp)
        self._number += n_samples

    def _count_lost(self, least: float, most: float, size: int) -> Loss | None:
        """Count what brings packets, of which one is least and one most late, back to the line."""
        slack = self._slack()
        fewest_s, most_s = most - self._high - slack, least - self._low + slack
        if fewest_s > most_s:  # more is lost between them
            fewest_s = least - self._high - slack
        middle_s, spread = 0.5 * (fewest_s + most_s), self._high - self._low
        unit_s = size * self.interval_s
        off_s = abs(middle_s - round(middle_s / unit_s) * unit_s)
        if size > 1 and off_s > 0.25 * unit_s > spread:
            size, unit_s = 1, self.interval_s  # part of a packet is lost
        if size > 1:
            n_lost = round(middle_s / unit_s) * size
            return Loss(n_lost, n_lost, 1, spread + 2 * slack < unit_s) if n_lost else None
        first, last = max(1, math.ceil(fewest_s / unit_s)), math.floor(most_s / unit_s)
        if first > last:
            return None
        n_lost = min(max(round(middle_s / unit_s), first), last)
        return Loss(n_lost, n_lost, 1, is_certain=first == last)

    def _usual_size(self) -> int:
        """Give the size of packets, where all have about one; else 0."""
        sizes = sorted(self._sizes)
        if not sizes or sizes[-1] - sizes[0] > max(1, sizes[-1] // 5):
            return 0
        return sizes[len(sizes) // 2]

    @property
    def _wanders(self) -> bool:
        """Whether the stamps drift together, with no packets in them that jitter as a whole."""
        return max(self._runs) > _MOST_ALIKE

    def _margin(self) -> float:
        """Give by how much more than any before a packet may be late by chance."""
        n_seen = self._n_packets if self._wanders else self._n_chances
        chance = next((c for n, c in _CHANCE if n_seen < n), _CHANCE_LATER)
        return chance * (self._high - self._low) + 0.25 * self.interval_s

    def _slack(self) -> float:
        """Give by how much the learnt lateness may be off."""
        return 0.05 * (self._high - self._low) + 0.25 * self.interval_s

    # -- what it is like ----------------------------------------------------------------------

    @property
    def rate(self) -> Rate | None:
        """The measured rate; None while there is none."""
        if self._is_learning or not math.isfinite(self._interval_error_s):
            return None
        hz = 1.0 / self._measured_s
        given_up = (abs(self._measured_s / other_s - 1.0) for other_s in self._given_up_s)
        doubt_hz = (self._doubt + self._wander + max(given_up, default=0.0)) * hz
        return Rate(hz, 2.0 * self._interval_error_s * hz * hz + doubt_hz)

    @property
    def packet_samples(self) -> int:
        """How many samples come with one stamp: half of the last packets had no fewer."""
        sizes = sorted(self._sizes)
        return sizes[len(sizes) // 2] if sizes else 1

    @property
    def stamping(self) -> Stamping:
        """How the device stamps."""
        size = self.packet_samples
        if size < 2:
            return "sample"
        return "burst" if size * self.interval_s >= BURST_S else "packet"

    @property
    def jitter_s(self) -> float:
        """How much later than others a packet may be."""
        return self._high - self._low


def _unit(sizes: Sequence[int] | deque[int]) -> int:
    """Give the size of packets, some of which may have come together; 0 where there is none."""
    if not sizes:
        return 0
    unit = sorted(sizes)[len(sizes) // 2]
    alike = sum(size == unit for size in sizes)
    whole = sum(size % unit == 0 for size in sizes)
    return unit if alike > 0.6 * len(sizes) and whole > 0.9 * len(sizes) else 0


def _hidden_loss(
    numbers: FloatArray, stamps: FloatArray, interval_s: float, packet_samples: int
) -> float:
    """Give the share of samples that may be lost unseen.

    Packets that are lost by chance make stamps wander off a line, like the sum of as many random
    steps: after the line is taken off, by a fifteenth of the variance that they have at its end.
    One walk shows its variance to a factor of about three.
    """
    residuals = stamps - interval_s * numbers
    span_s = float(stamps[-1] - stamps[0])
    by_chance = 0.5 * float(np.mean(np.diff(residuals) ** 2))
    variance_per_s = 3.0 * 15.0 * max(0.0, float(np.var(residuals)) - by_chance) / span_s
    return variance_per_s / (packet_samples * interval_s)


def _nothing_lost(numbers: FloatArray, stamps: FloatArray, unit: int) -> Explanation | None:
    """Explain packets without a loss, where no explanation with one is nearly as likely."""
    found = explain(numbers, stamps, unit, rates_to_try(numbers, stamps, unit))
    if not found or found[0].lost.any():
        return None
    least = found[0].nats + _NOTHING_LOST
    return found[0] if all(one.nats > least for one in found if one.lost.any()) else None


def _is_jittery(numbers: FloatArray, stamps: FloatArray, unit: int) -> bool:
    """Whether packets that are counted so may be as late as others that follow a loss."""
    slope, _ = _slope(numbers, stamps)
    return _spread(numbers, stamps) > _WEIGH_FROM * unit * slope


def _joined(losses: Sequence[Loss]) -> Loss | None:
    if len(losses) < 2:
        return losses[0] if losses else None
    return Loss(
        sum(loss.n_samples for loss in losses),
        max(loss.longest for loss in losses),
        sum(loss.n_gaps for loss in losses),
        all(loss.is_certain for loss in losses),
    )


def _slope(numbers: FloatArray, stamps: FloatArray) -> tuple[float, float]:
    """Fit a line; give its slope and the standard error of that."""
    x, y = numbers - numbers.mean(), stamps - stamps.mean()
    xx = float(x @ x)
    slope = float(x @ y) / xx
    residuals = y - slope * x
    n = max(len(x) - 2, 1)
    # Two stamps of one clock may differ by its grain, which a few points do not show.
    variance = float(residuals @ residuals) / n + (0.05 * slope) ** 2
    return slope, math.sqrt(variance / xx)


def _lost_while_learning(
    numbers: FloatArray, stamps: FloatArray, announced_s: float, *, must_decide: bool
) -> FloatArray | None:
    """Count what is lost before each packet, where losses explain the stamps and a rate does not.

    A wrong rate moves each packet by the same; lost packets move all those behind them by whole
    packets. What explains the stamps leaves the smaller spread; where neither leaves much less than
    the other, give None, for more of them to tell.
    """
    sizes, steps = np.diff(numbers), np.diff(stamps)
    none = np.zeros(len(numbers))
    without = _spread(numbers, stamps)
    if without < 0.1 * announced_s:
        return none
    best, least = none, math.inf
    for interval_s in (float(np.median(steps / sizes)), announced_s):
        lost = _lost_at(interval_s, numbers, stamps, float(np.median(sizes)))
        if not 0 < lost.sum() <= 0.5 * numbers[-1] or _is_regular(np.flatnonzero(lost)):
            continue
        spread = _spread(numbers + np.cumsum(lost), stamps)
        if spread < least:
            best, least = lost, spread
    if least < 0.6 * without or (must_decide and least < 0.8 * without):
        return best
    return none if must_decide or least > 1.2 * without else None


def _lost_at(interval_s: float, numbers: FloatArray, stamps: FloatArray, size: float) -> FloatArray:
    """Count what is lost before each packet if samples are so far apart, in whole packets."""
    lost = np.zeros(len(numbers))
    if interval_s <= 0:
        return lost
    late = stamps - interval_s * numbers
    # A packet may be late by chance, but all that follow on a lost one are.
    least_from_here = np.minimum.accumulate(late[::-1])[::-1]
    unit_s = size * interval_s
    n_before = np.floor((least_from_here - least_from_here[0]) / unit_s + 0.4)
    lost[1:] = np.diff(n_before) * size
    # What is less than the stamps jitter by is jitter.
    spread = _spread(numbers + np.cumsum(lost), stamps)
    lost[lost * interval_s < 0.7 * spread] = 0.0
    return lost


def _is_regular(places: npt.NDArray[np.int_]) -> bool:
    """Whether the same is lacking again and again at even distances, as chance does not."""
    return len(places) >= 5 and bool(np.ptp(np.diff(places)) <= 1)


def _spread(numbers: FloatArray, stamps: FloatArray) -> float:
    slope, _ = _slope(numbers, stamps)
    late = stamps - slope * numbers
    return float(late.max() - late.min())
