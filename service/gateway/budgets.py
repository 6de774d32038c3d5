"""Budgets: how fast each caller, connection and socket may ask, and what becomes of the rest.

A `Turnstile` gives each caller an amount of something a second, and some more at once. Who has had
its share is told how long to wait, and waits behind its own earlier requests, not behind other
callers. `Stopwatch` measures what a request takes of the event loop, which all callers share.
A `Rate` is the same for what cannot wait, such as frames that have come already. `LoopShares`
parts what is given to an address among its connections, and has those rest that take more.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Generator, Iterator
from typing import Any

#: Callers that are remembered; beyond, those who were idle for longest are forgotten.
MOST_CALLERS = 10_000
#: What a request costs of the loop at least.
_LEAST_S = 0.0005
#: Longest time until one that has had more than its part is looked at again, in seconds.
_LONGEST_REST_S = 1.0


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


class LoopTime:
    """Gives each caller its share of the event loop's time, request by request.

    What a request takes is known when it has been answered. Until then it is taken to cost what the
    caller's last one did, so that those that wait for their turn do not all have it at once.

    Parameters
    ----------
    share, at_once_s
        Share of the loop's time, and how many seconds of it more at once.
    longest_wait_s
        Who would wait for longer is sent away.
    usual_s
        What the first request of a caller is taken to cost.
    """

    def __init__(
        self, share: float, at_once_s: float, longest_wait_s: float, usual_s: float
    ) -> None:
        self.share = share
        self._turnstile = Turnstile(share, at_once_s, longest_wait_s)
        self._usual_s = usual_s
        self._last_s: dict[str, float] = {}

    def turn(self, who: str) -> tuple[float | None, float]:
        """Give the seconds until it is this caller's turn, and what the request is to cost.

        The former is None where it would be too long.
        """
        expected_s = self._last_s.get(who, self._usual_s)
        return self._turnstile.turn(who, expected_s), expected_s

    def settle(self, who: str, expected_s: float, took_s: float) -> None:
        """Count what a request took, which was to cost ``expected_s``."""
        took_s = max(took_s, _LEAST_S)
        self._turnstile.charge(who, took_s - expected_s)
        self._last_s.pop(who, None)
        self._last_s[who] = took_s
        while len(self._last_s) > MOST_CALLERS:
            del self._last_s[next(iter(self._last_s))]


class LoopShares:
    """Shares of the event loop's time: each address has one, parted among its connections.

    Nobody waits while the connections of an address together take no more than its share. Where
    they do, those wait that have had more than their part: one that says little is heard at once.

    Parameters
    ----------
    share
        Part of the loop's time for the connections of one address.
    at_once_s
        Seconds of it more at once for one address.
    own_at_once_s
        The same for one connection; whoever opens another has it anew.
    clock
        Monotonic seconds.
    """

    def __init__(
        self,
        share: float = 0.1,
        at_once_s: float = 0.05,
        own_at_once_s: float = 0.003,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._share, self._own_at_once_s, self._clock = share, own_at_once_s, clock
        self._at_once_s = at_once_s
        self._spent: dict[str, _Debt] = {}
        self._open: Counter[str] = Counter()

    def open(self, address: str) -> ConnectionShare:
        """Give a connection its part; it is to be closed with the connection."""
        self._open[address] += 1
        of_all = self._spent.setdefault(address, _Debt(self._at_once_s))
        return ConnectionShare(self, address, of_all, _Debt(self._own_at_once_s))

    def close(self, address: str) -> None:
        """Part among one fewer."""
        self._open[address] -= 1
        if not self._open[address]:
            del self._open[address]
        if len(self._spent) > MOST_CALLERS:
            self._spent = {one: debt for one, debt in self._spent.items() if one in self._open}

    def rate(self, address: str) -> float:
        """Give the share of one connection of an address."""
        return self._share / max(1, self._open[address])

    @property
    def share(self) -> float:
        return self._share

    def now(self) -> float:
        return self._clock()


class _Debt:
    """What was spent and is not yet made good by the time that has passed."""

    def __init__(self, at_once_s: float) -> None:
        self._at_once_s = at_once_s
        self._owed_s, self._since = 0.0, 0.0

    def add(self, spent_s: float, rate: float, now: float) -> None:
        self._owed_s = max(0.0, self._owed_s - (now - self._since) * rate) + spent_s
        self._since = now

    def wait_s(self, rate: float, now: float) -> float:
        """Give the seconds until no more is owed than may be at once."""
        return (self._owed_s - self._at_once_s) / rate - (now - self._since)


class ConnectionShare:
    """The part of one connection; see `LoopShares`."""

    def __init__(self, shares: LoopShares, address: str, of_all: _Debt, own: _Debt) -> None:
        self._shares, self._address, self._of_all, self._own = shares, address, of_all, own

    def spend(self, seconds: float) -> None:
        """Count what the connection took of the loop."""
        now = self._shares.now()
        self._of_all.add(seconds, self._shares.share, now)
        self._own.add(seconds, self._shares.rate(self._address), now)

    def wait_s(self) -> float:
        """Give how long to leave it unread, in seconds; nothing or less when it may be read."""
        now = self._shares.now()
        return min(
            self._of_all.wait_s(self._shares.share, now),
            self._own.wait_s(self._shares.rate(self._address), now),
        )

    def close(self) -> None:
        """Give it back."""
        self._shares.close(self._address)


class Rest:
    """Has a connection rest when it has had more than its part of the loop's time.

    Parameters
    ----------
    share
        Its part.
    go_on
        Is called when it may be read from again.
    """

    def __init__(self, share: ConnectionShare, go_on: Callable[[], None]) -> None:
        self._share, self._go_on = share, go_on
        self._timer: asyncio.TimerHandle | None = None

    def __bool__(self) -> bool:
        return self._timer is not None

    @contextlib.contextmanager
    def counting(self) -> Iterator[None]:
        """Count what is done in the block."""
        began = time.thread_time()  # no time in which this process was kept from working
        try:
            yield
        finally:
            self.took(time.thread_time() - began)

    def took(self, seconds: float) -> None:
        """Count what the connection took of the loop; rest if that is too much."""
        self._share.spend(seconds)
        if self._timer is None and (wait_s := self._share.wait_s()) > 0:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(min(wait_s, _LONGEST_REST_S), self._end)

    def _end(self) -> None:
        self._timer = None
        self._go_on()

    def close(self) -> None:
        """Give the share back."""
        self._share.close()
        if self._timer is not None:
            self._timer.cancel()


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
            began = time.thread_time()  # no time in which this process was kept from working
            try:
                waits_for = resume()
            except StopIteration:
                return
            finally:
                self.spent_s += time.thread_time() - began
            try:
                yield waits_for
                resume = functools.partial(next, steps)
            except BaseException as error:  # noqa: BLE001 - a cancellation too is the coroutine's
                resume = functools.partial(steps.throw, error)
