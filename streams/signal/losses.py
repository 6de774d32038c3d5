"""How many packets are lost, where stamps jitter by as much as a packet lasts.

A stamp alone does not say then whether its packet is late or another is lost before it. All of them
together do: what is lost moves every packet behind it by whole packets, a rate moves each by the
same, and lateness moves none for good.

`explain` looks at the packets of some seconds for every rate that they may have. For each it finds
the losses that leave the least lateness, a path through (packet, packets lost before it) by dynamic
programming, and the length of a description of the stamps by them (Rissanen 1978, "Modeling by
shortest data description"): how wide lateness spreads, and where packets are lost. A rate that is
wrong needs more losses or leaves more lateness. Where several rates describe the stamps about as
well, they do not tell which is true, and all are given.

`shift_of` says how many packets are lost before the last few, once rate and lateness are known.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from volition.chunk import FloatArray

MOST_LOST = 0.32
"""A larger share of lost packets explains anything, and is not looked for."""

_N_ROUNDS = 4
_N_FIRST = 5
#: A packet costs no more nats than this, however late it is: a stall is late, too.
_LARGEST_COST = 8.0
#: Losing one packet, before it is known how many are lost.
_FIRST_LOSS_COST = 2.0
#: What a loss costs besides its place, since places are chosen for what suits them.
_LOSS_COST = 0.5
#: Lateness spreads between these shares of packets.
_TRIMMED = 0.02
#: The rates that are tried, as shares: from one to the next, and up to how much more than is seen.
_RATE_STEP, _RATE_MORE = 0.005, 0.4

#: Nats: less is no evidence, nor is it of a first loss; more is certain.
_EVIDENCE, _FIRST_EVIDENCE, _CERTAIN = 2.5, 9.0, 6.0
_LARGEST_LATE_COST = 12.0
_MOST_SHIFTS, _MOST_BACK = 64, 4


class Explanation(NamedTuple):
    """What may have been sent.

    Attributes
    ----------
    interval_s
        Between two samples.
    lost : ndarray, shape (n_packets,)
        Samples lost before each packet.
    spread_s
        How wide the lateness spreads that it leaves, but for that of the outermost packets.
    nats
        Length of the description: e to the difference of two is how much likelier one is.
    """

    interval_s: float
    lost: FloatArray
    spread_s: float
    nats: float


def rates_to_try(numbers: FloatArray, stamps: FloatArray, packet_samples: int) -> FloatArray:
    """Give intervals, from the one without a loss to those at which the most is lost."""
    x = numbers - numbers.mean()
    without_loss_s = float(x @ (stamps - stamps.mean())) / float(x @ x)
    span_s = float(stamps[-1] - stamps[0])
    step = max(_RATE_STEP, 0.35 * packet_samples * without_loss_s / span_s)
    intervals_s: FloatArray = without_loss_s * np.exp(-np.arange(-step, _RATE_MORE, step))
    return intervals_s


def explain(
    numbers: FloatArray, stamps: FloatArray, packet_samples: int, intervals_s: FloatArray
) -> list[Explanation]:
    """Find the losses that explain packets best for rates near each of some.

    Parameters
    ----------
    numbers, stamps : ndarray, shape (n_packets,)
        Number and stamp of the last sample of each packet, those that are lost not counted.
    packet_samples
        Samples of a packet: they are lost by as many.
    intervals_s : ndarray, shape (n_rates,)

    Returns
    -------
    list of Explanation
        Best first; rates that would need more losses than `MOST_LOST` are left out.
    """
    n, size = len(numbers), packet_samples
    interval = np.array(intervals_s, float)
    steps = np.zeros((len(interval), n), np.int_)
    begin = np.median((stamps - interval[:, None] * numbers)[:, :_N_FIRST], axis=1)
    spread = 0.4 * interval * size
    residual = np.zeros((len(interval), n))
    for round_ in range(_N_ROUNDS):
        n_lost = steps[:, -1] - steps[:, 0]
        loss_cost = -np.log(np.clip(n_lost, 1, 0.5 * n) / n)
        if not round_:
            loss_cost[:] = _FIRST_LOSS_COST
        late = stamps - interval[:, None] * numbers - begin[:, None]
        steps = _best_steps(late / (interval * size)[:, None], spread / interval / size, loss_cost)
        counted = numbers + size * (steps - steps[:, :1])
        x, y = counted - counted.mean(axis=1, keepdims=True), stamps - stamps.mean()
        interval = (x @ y) / (x * x).sum(axis=1)
        residual = y - interval[:, None] * x
        spread = np.maximum(residual.std(axis=1), 0.05 * interval)
        begin = (stamps - interval[:, None] * (numbers + size * steps)).mean(axis=1)
    low, high = np.quantile(residual, [_TRIMMED, 1.0 - _TRIMMED], axis=1)
    width = np.maximum(high - low, 0.1 * interval)
    nats = n * _description(width, (steps[:, -1] - steps[:, 0]) / n)
    lost = np.diff(steps, axis=1, prepend=steps[:, :1]) * float(size)
    return [
        Explanation(float(interval[place]), lost[place], float(width[place]), float(nats[place]))
        for place in np.argsort(nats)
        if math.isfinite(nats[place])
    ]


def _best_steps(
    late: FloatArray, spread: FloatArray, loss_cost: FloatArray
) -> npt.NDArray[np.int_]:
    """Find how many packets are lost before each, for several rates at once.

    Parameters
    ----------
    late : ndarray, shape (n_rates, n_packets)
        Behind a line without loss, in packets.
    spread, loss_cost : ndarray, shape (n_rates,)
    """
    n_rates, n = late.shape
    states = np.arange(-1, int(max(0.0, late.max())) + 3)
    each = np.arange(len(states))
    off = (late[:, :, None] - states) / spread[:, None, None]
    costs = np.minimum(0.5 * off * off, _LARGEST_COST)
    came_from = np.zeros((n, n_rates, len(states)), np.int32)
    so_far = costs[:, 0] + 0.5 * np.abs(states)
    climb = loss_cost[:, None] * each
    for place in range(1, n):
        level = so_far - climb
        least = np.minimum.accumulate(level, axis=1)
        came_from[place] = np.maximum.accumulate(np.where(level <= least, each, 0), axis=1)
        so_far = least + climb + costs[:, place]
    path = np.empty((n_rates, n), np.int_)
    path[:, -1] = so_far.argmin(axis=1)
    for place in range(n - 1, 0, -1):
        path[:, place - 1] = came_from[place, np.arange(n_rates), path[:, place]]
    result: npt.NDArray[np.int_] = states[path]
    return result


def _description(width: FloatArray, lost: FloatArray) -> FloatArray:
    """Say how long a description is for each packet, in nats, where such a share is lost."""
    share = np.clip(lost, 1e-9, 0.5)
    places = -(share * np.log(share) + (1.0 - share) * np.log1p(-share))
    nats: FloatArray = np.log(width) + places + _LOSS_COST * lost
    nats[lost > MOST_LOST] = np.inf
    return nats


class Lateness(NamedTuple):
    """How late packets are that follow a line, in units of one packet.

    Attributes
    ----------
    low, high
        None was less, and none more.
    slack
        By how much these may be off.
    n_packets
        On how many it rests.
    loss_share
        Share of the packets that are lost.
    """

    low: float
    high: float
    slack: float
    n_packets: int
    loss_share: float

    def cost(self, late: float) -> float:
        """Say how surprising a packet of such lateness is, in nats."""
        beyond = max(late - self.high, self.low - late) - self.slack
        if beyond <= 0.0:
            return 0.0
        width = 0.1 * (self.high - self.low) + self.slack
        return min(math.log1p(0.5 * self.n_packets) + beyond / width, _LARGEST_LATE_COST)


class Shift(NamedTuple):
    """How many packets are lost before each of the last ones.

    Attributes
    ----------
    n_units
        How many before each; less than none were, if they were thought lost before.
    is_certain
        Whether no other number is likely before the last.
    """

    n_units: tuple[int, ...]
    is_certain: bool


def shift_of(late: FloatArray, usual: Lateness, most_given_back: int) -> Shift | None:
    """Say whether packets were lost between the last few, oldest first, which are so late.

    Parameters
    ----------
    late : ndarray, shape (n_packets,)
        Behind the line, in packets.
    usual
        How late they may be.
    most_given_back
        Most packets that may have been taken for lost before by mistake.
    """
    most = min(max(0, math.ceil(float(late[-1]) - usual.low)), _MOST_SHIFTS)
    shifts = range(-min(most_given_back, _MOST_BACK), most + 1)
    one = -math.log(usual.loss_share)
    costs = [one + abs(shift) if shift else 0.0 for shift in shifts]
    origins: list[list[int]] = []
    for value in late.tolist():
        costs, came = _climbed(costs, one)
        costs = [cost + usual.cost(value - at) for cost, at in zip(costs, shifts, strict=True)]
        origins.append(came)
    best = min(range(len(shifts)), key=costs.__getitem__)
    needed = _EVIDENCE if most_given_back else _FIRST_EVIDENCE
    if costs[shifts.index(0)] - costs[best] < needed:
        return None
    path = [best]
    for came in reversed(origins[1:]):
        path.append(came[path[-1]])
    others = [cost for place, cost in enumerate(costs) if place != best]
    is_certain = min(others) - costs[best] > _CERTAIN
    return Shift(tuple(shifts[place] for place in reversed(path)), is_certain)


def _climbed(costs: list[float], one: float) -> tuple[list[float], list[int]]:
    """Give the least cost of each shift after the next packet, and the shift before it.

    Losing packets costs ``one`` and as much as there are more: they are lost in rows.
    """
    climbed, came = [costs[0]], [0]
    from_place = 0
    for place in range(1, len(costs)):
        if costs[place - 1] < costs[from_place] + place - 1 - from_place:
            from_place = place - 1
        cost = costs[from_place] + one + place - from_place - 1
        stays = costs[place] <= cost
        climbed.append(costs[place] if stays else cost)
        came.append(place if stays else from_place)
    return climbed, came
