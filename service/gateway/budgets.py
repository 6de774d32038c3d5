"""Budgets: how fast each caller, connection and socket may ask, and what becomes of the rest.

A `Turnstile` lets so many through a second, some more at once, each caller by itself. Who comes too
often is told how long to wait, and waits behind its own earlier requests, not behind other callers.
A `Rate` is the same for what cannot wait, such as frames that have come already.
"""

from __future__ import annotations

import time
from collections.abc import Callable

#: Callers that are remembered; beyond, those who were idle for longest are forgotten.
MOST_CALLERS = 10_000


class Rate:
    """A bucket that fills steadily, and of which everything that comes takes one out.

    Parameters
    ----------
    per_s, at_once
        How fast it fills, and how much it holds.
    clock
        Monotonic seconds.
    """

    def __init__(
        self, per_s: float, at_once: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._per_s = per_s
        self._at_once = float(at_once)
        self._clock = clock
        self._left = self._at_once
        self._since = clock()

    def spend(self, amount: float = 1.0) -> float:
        """Take some; give the seconds until there is enough, and take nothing then."""
        now = self._clock()
        self._left = min(self._at_once, self._left + (now - self._since) * self._per_s)
        self._since = now
        if self._left < amount:
            return (amount - self._left) / self._per_s
        self._left -= amount
        return 0.0


class Turnstile:
    """Lets each caller through at a rate; those beyond it wait their turn.

    Parameters
    ----------
    per_s, at_once
        How many a second, and how many that have not come for long may come at once.
    longest_wait_s
        Who would wait for longer is sent away.
    clock
        Monotonic seconds.
    """

    def __init__(
        self,
        per_s: float,
        at_once: float,
        longest_wait_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._gap_s = 1.0 / per_s
        self._credit_s = (at_once - 1) * self._gap_s
        self._longest_wait_s = longest_wait_s
        self._clock = clock
        #: When the next of each caller is due, by a clock that stood still while it was idle.
        self._next: dict[str, float] = {}

    def turn(self, who: str, amount: float = 1.0) -> float | None:
        """Give the seconds until it is this caller's turn; None where that is too long."""
        now = self._clock()
        due = max(self._next.pop(who, -1e300), now - self._credit_s)
        wait_s = max(0.0, due - now)
        is_taken = wait_s <= self._longest_wait_s
        self._next[who] = due + amount * self._gap_s if is_taken else due
        while len(self._next) > MOST_CALLERS:
            del self._next[next(iter(self._next))]
        return wait_s if is_taken else None

    def charge(self, who: str, amount: float) -> None:
        """Have a caller wait for longer the next time, for what it was given."""
        now = self._clock()
        due = max(self._next.pop(who, -1e300), now - self._credit_s)
        self._next[who] = due + amount * self._gap_s
