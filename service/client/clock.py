"""The service's LSL clock as a client knows it, from the round trips of its pings."""

from __future__ import annotations

import time
from collections import deque
from typing import NamedTuple

#: Estimates that are remembered; the one of the shortest round trip counts.
_KEPT = 16


class _Estimate(NamedTuple):
    round_trip_s: float
    offset_s: float


class ServiceClock:
    """Tells the service's LSL time; None until it was told once."""

    def __init__(self) -> None:
        self._estimates: deque[_Estimate] = deque(maxlen=_KEPT)

    def note(self, t_sent: float, t_received: float, lsl_time: float) -> None:
        """Take an answer: monotonic times of this machine around it, the service's time in it."""
        middle = (t_sent + t_received) / 2
        self._estimates.append(_Estimate(t_received - t_sent, lsl_time - middle))

    @property
    def offset_s(self) -> float | None:
        """What is added to this machine's monotonic time."""
        return min(self._estimates).offset_s if self._estimates else None

    @property
    def uncertainty_s(self) -> float | None:
        """By how much the offset may be wrong: half of the shortest round trip."""
        return min(self._estimates).round_trip_s / 2 if self._estimates else None

    def lsl_time(self) -> float | None:
        """Give the service's LSL time now."""
        offset_s = self.offset_s
        return None if offset_s is None else time.monotonic() + offset_s
