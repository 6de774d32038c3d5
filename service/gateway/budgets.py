"""Budgets: how fast each caller, connection and socket may ask, and what becomes of the rest.

A `Turnstile` gives each caller so much of something a second, and some more at once. Who has had
its share is told how long to wait, and waits behind its own earlier requests, not behind other
callers. `Stopwatch` measures what a request takes of the event loop, which all callers share.
A `Rate` is the same for what cannot wait, such as frames that have come already.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Coroutine, Generator
from typing import Any

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
    """Gives each caller its share; those who have had it wait their turn.

    Parameters
    ----------
    per_s, at_once
        How much a second, and how much more to one who has not come for long.
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
        self._credit_s = at_once * self._gap_s
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
        """Count what a caller took beyond what it asked for; less than nothing gives it back."""
        now = self._clock()
        due = max(self._next.pop(who, -1e300), now - self._credit_s)
        self._next[who] = due + amount * self._gap_s


class Stopwatch:
    """Runs a coroutine, and measures how long it keeps the event loop from others.

    Parameters
    ----------
    work
        What is run; await the stopwatch in its place.

    Attributes
    ----------
    spent_s
        Seconds so far; what it waits for does not count.
    """

    def __init__(self, work: Coroutine[Any, Any, None]) -> None:
        self._work = work
        self.spent_s = 0.0

    def __await__(self) -> Generator[Any, Any, None]:
        steps = self._work.__await__()
        resume: Callable[[], Any] = functools.partial(next, steps)
        while True:
            began = time.perf_counter()
            try:
                waits_for = resume()
            except StopIteration:
                return
            finally:
                self.spent_s += time.perf_counter() - began
            try:
                yield waits_for
                resume = functools.partial(next, steps)
            except BaseException as error:  # noqa: BLE001 - a cancellation too is the coroutine's
                resume = functools.partial(steps.throw, error)
