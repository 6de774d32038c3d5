"""The intents of one session, kept for a while and handed to whoever listens.

A `Hub` numbers nothing and decodes nothing: frames come encoded from the worker. It keeps the last
few thousand for those who resume or poll, and offers each to every `Subscription`. Offering never
waits: a subscription is a bounded queue that a slow client fills alone. When it is full, continuous
intents (cursor, class, idle) are conflated to the newest and discrete ones are kept; whatever is
dropped comes out as a `Gap` in its place. One that is full of discrete intents, or of messages
without a number, is closed.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice
from typing import NamedTuple

from volition.service.worker.bus import Frame, FrameType, IntentCode

#: Gathered intents are sent this much later than asked for, so that those who wait for each intent
#: get theirs first.
_BEHIND_S = 0.002
#: Intents that are kept of a session, and of one that has ended, for who was away when it did; and
#: their bytes at most, since one intent may hold the evidence for each of hundreds of targets.
MOST_KEPT, MOST_KEPT_BYTES = 10_000, 8 << 20
KEPT_AT_END, KEPT_AT_END_BYTES = 500, 256 << 10
#: Messages without a number (statuses, cues) that wait for a listener, and their bytes; one for
#: whom more wait is closed.
MOST_ANNOUNCED, MOST_ANNOUNCED_BYTES = 1024, 1 << 20
_CONTINUOUS = frozenset({IntentCode.CURSOR, IntentCode.CLASS, IntentCode.IDLE})


class Gap(NamedTuple):
    """Intents that a listener will not get: the numbers from ``first`` to ``last``, both in."""

    first: int
    last: int


class Closed(NamedTuple):
    """The last item of a subscription, and why."""

    reason: str


Item = Frame | Gap | Closed


class NotKeptError(Exception):
    """There is no going on from the number asked for; the message says why."""


def new_life() -> str:
    """Name a numbering of intents, as no other is named."""
    return secrets.token_hex(4)


class Subscription:
    """One listener's bounded queue.

    Parameters
    ----------
    kinds
        Codes of the intents wanted; None for all.
    max_queued
        Bound of the queue, intents.
    write
        Takes an intent at once and says whether it did; asked only while the listener waits for
        its next item, so that none overtakes another.
    """

    def __init__(
        self,
        kinds: frozenset[IntentCode] | None,
        max_queued: int,
        write: Callable[[Frame], bool] | None = None,
    ) -> None:
        self._kinds = kinds
        self._max_queued = max_queued
        self._write = write
        self._items: deque[Item] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._gather_s = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._released = True  # what is queued may come
        self._ended = False
        self._queued = 0  # intents among the items
        self._announced = self._announced_bytes = 0  # messages without a number among them
        self.dropped = 0
        #: For how long its client has not read what it is sent, seconds; 0 while it keeps up.
        self.behind_s = 0.0

    def __len__(self) -> int:
        return len(self._items)

    @property
    def waiting(self) -> int:
        """Intents that wait for the client."""
        return self._queued

    def offer(self, item: Item) -> None:
        """Queue an item, or account for it; never waits."""
        if self._ended:
            return
        frame = item if isinstance(item, Frame) and item.type is FrameType.INTENT else None
        if frame is not None:
            if self._kinds is not None and frame.intent_code not in self._kinds:
                return
            waits = self._waiter is not None and not self._waiter.done() and not self._gather_s
            if waits and self._write is not None and self._write(frame):
                return
            if self._queued >= self._max_queued:
                self._conflate()
            if self._queued >= self._max_queued:
                self._items.clear()
                self.end("too slow: the queue is full of intents that may not be conflated")
                return
            self._queued += 1
        elif isinstance(item, Frame):
            self._announced += 1
            self._announced_bytes += len(item.payload)
            if self._announced > MOST_ANNOUNCED or self._announced_bytes > MOST_ANNOUNCED_BYTES:
                self._items.clear()
                self.end("too slow: too many messages wait")
                return
        if isinstance(item, Gap):
            self._note_dropped(self._items, item)
        else:
            self._items.append(item)
        if frame is not None and self._gather_s:
            self._release_later()
        else:
            self._release()

    def gather(self, for_s: float) -> None:
        """Keep intents back for ``for_s`` seconds and send them together; nothing else waits.

        For one who only shows what comes: each intent that is sent wakes its reader, and a crowd of
        readers is at work just when others are to get theirs.
        """
        self._gather_s = for_s
        if for_s:
            self._released = bool(self._items)
        else:
            self._release()

    def end(self, reason: str) -> None:
        """Say that nothing more comes after what is queued."""
        if not self._ended:
            self._ended = True
            self._items.append(Closed(reason))
            self._release()

    async def next(self) -> Item:
        """Wait for the next item."""
        while not (self._items and self._released):
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        item = self._items.popleft()
        if isinstance(item, Frame):
            if item.type is FrameType.INTENT:
                self._queued -= 1
            else:
                self._announced -= 1
                self._announced_bytes -= len(item.payload)
        self._released = bool(self._items) or not self._gather_s
        return item

    def withdraw(self) -> None:
        """Drop every intent that is queued and not neutral; gaps take their places."""
        self._drop(may_move)

    def _release_later(self) -> None:
        if self._timer is None and not self._released:
            wait_s = self._gather_s + _BEHIND_S
            self._timer = asyncio.get_running_loop().call_later(wait_s, self._release)

    def _release(self) -> None:
        """Let what is queued come."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._released = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _conflate(self) -> None:
        """Drop every continuous intent that is queued; the newest is about to be added."""
        self._drop(lambda frame: frame.intent_code in _CONTINUOUS)

    def _drop(self, is_unwanted: Callable[[Frame], bool]) -> None:
        kept: deque[Item] = deque()
        for item in self._items:
            if isinstance(item, Frame) and is_unwanted(item):
                self.dropped += 1
                self._queued -= 1
                self._note_dropped(kept, Gap(item.seq, item.seq))
            elif isinstance(item, Gap):
                self._note_dropped(kept, item)
            else:
                kept.append(item)
        self._items = kept

    def _note_dropped(self, kept: deque[Item], gap: Gap) -> None:
        """Put a gap in the place of what was dropped, as part of the one before if they touch."""
        if kept and isinstance(kept[-1], Gap) and kept[-1].last + 1 == gap.first:
            kept[-1] = Gap(kept[-1].first, gap.last)
        else:
            kept.append(gap)


def may_move(frame: Frame) -> bool:
    """Whether a frame is an intent, and acting on it could move anything."""
    is_intent = frame.type is FrameType.INTENT
    return is_intent and not frame.is_held and frame.intent_code is not IntentCode.IDLE


class _Kept:
    """The newest intents, bounded in number and in bytes; the newest of all is always kept."""

    def __init__(self, most: int, most_bytes: int) -> None:
        self._most, self._most_bytes = most, most_bytes
        self._n_bytes = 0
        self.frames: deque[Frame] = deque()

    def add(self, frame: Frame) -> None:
        self.frames.append(frame)
        self._n_bytes += len(frame.payload)
        self._forget_oldest()

    def narrow(self, most: int, most_bytes: int) -> None:
        """Have lower bounds from now on."""
        self._most, self._most_bytes = most, most_bytes
        self._forget_oldest()

    def _forget_oldest(self) -> None:
        frames = self.frames
        while len(frames) > self._most or (self._n_bytes > self._most_bytes and len(frames) > 1):
            self._n_bytes -= len(frames.popleft().payload)


class Hub:
    """The kept intents and the listeners of one session.

    Parameters
    ----------
    max_kept, max_kept_bytes
        How many intents can be resumed from, and their bytes.
    max_queued
        Bound of each listener's queue.
    """

    def __init__(
        self,
        max_kept: int = MOST_KEPT,
        max_queued: int = 1024,
        max_kept_bytes: int = MOST_KEPT_BYTES,
    ) -> None:
        self._kept = _Kept(max_kept, max_kept_bytes)
        self._max_queued = max_queued
        self.subscriptions: set[Subscription] = set()
        self.last_seq = 0
        self._withdrawn_to = 0
        #: Names the numbering: numbers of another life say nothing here.
        self.life = new_life()

    @property
    def oldest_seq(self) -> int:
        """Number of the oldest intent kept; one past the newest when none is."""
        frames = self._kept.frames
        return frames[0].seq if frames else self.last_seq + 1

    def publish(self, frame: Frame) -> None:
        """Keep an intent and offer it to all; announce numbers that the bus lost."""
        if frame.seq > self.last_seq + 1:
            self._offer(Gap(self.last_seq + 1, frame.seq - 1))
        self.last_seq = frame.seq
        self._kept.add(frame)
        self._offer(frame)

    def lose(self, frame: Frame) -> None:
        """Count an intent that nobody is given; tell of the gap."""
        if frame.seq > self.last_seq:
            self._offer(Gap(self.last_seq + 1, frame.seq))
            self.last_seq = frame.seq

    def withdraw(self) -> None:
        """Give nobody any more what was decided so far and is not neutral: all outputs are held.

        Who resumes behind an earlier number is told of a gap; a page of intents goes on without.
        """
        self._withdrawn_to = self.last_seq
        for subscription in self.subscriptions:
            subscription.withdraw()

    def announce(self, frame: Frame) -> None:
        """Offer a message that has no number (a status)."""
        self._offer(frame)

    def subscribe(
        self,
        *,
        after: int | None = None,
        life: str | None = None,
        kinds: frozenset[IntentCode] | None = None,
        write: Callable[[Frame], bool] | None = None,
    ) -> Subscription:
        """Make a listener: from now on, or from behind the number ``after`` of a life.

        What is no longer kept comes out as a `Gap` first; where the number is none of this life,
        the gap is all that this life has numbered so far. For ``write`` see `Subscription`.
        """
        if after is not None and self._is_foreign(after, life):
            subscription = self.subscribe(kinds=kinds, write=write)
            subscription.offer(Gap(1, self.last_seq))
            return subscription
        backlog = list(self._newer_than(after)) if after is not None else []
        subscription = Subscription(kinds, self._max_queued + len(backlog), write)
        if after is not None and after + 1 < self.oldest_seq:
            subscription.offer(Gap(after + 1, self.oldest_seq - 1))
        for frame in backlog:
            is_withdrawn = self._is_withdrawn(frame)
            subscription.offer(Gap(frame.seq, frame.seq) if is_withdrawn else frame)
        self.subscriptions.add(subscription)
        return subscription

    def behind(self) -> list[Subscription]:
        """Give the listeners that do not keep up."""
        return [one for one in self.subscriptions if one.behind_s]

    def unsubscribe(self, subscription: Subscription) -> None:
        self.subscriptions.discard(subscription)

    def _is_foreign(self, after: int, life: str | None) -> bool:
        """Whether a number was given in another life: it says so, or is not reached yet."""
        return life not in (None, self.life) or after > self.last_seq

    def check_kept(self, after: int, life: str | None = None) -> None:
        """Raise `NotKeptError` where not all intents behind a number of a life are kept."""
        if self._is_foreign(after, life):
            raise NotKeptError(
                f"{after} is a number of another life of the session; this one, {self.life}, has "
                f"numbered its intents up to {self.last_seq}"
            )
        if after + 1 < self.oldest_seq:
            raise NotKeptError(
                f"intents after {after} are no longer all kept; the oldest kept is "
                f"{self.oldest_seq}"
            )

    def page(self, after: int, limit: int, life: str | None = None) -> list[Frame]:
        """Give up to ``limit`` intents behind the number ``after`` of a life.

        Raises
        ------
        NotKeptError
            Not all of them are kept, or the number is of another life.
        """
        self.check_kept(after, life)
        given = (frame for frame in self._newer_than(after) if not self._is_withdrawn(frame))
        return list(islice(given, limit))

    def kept(self) -> list[Frame]:
        """Give all intents that are kept, oldest first."""
        return list(self._kept.frames)

    def close(self, reason: str) -> None:
        """End every subscription; keep the newest intents, `KEPT_AT_END` at the most."""
        self._kept.narrow(KEPT_AT_END, KEPT_AT_END_BYTES)
        for subscription in self.subscriptions:
            subscription.end(reason)

    def _is_withdrawn(self, frame: Frame) -> bool:
        return frame.seq <= self._withdrawn_to and may_move(frame)

    def _newer_than(self, after: int) -> Iterator[Frame]:
        newer: list[Frame] = []
        for frame in reversed(self._kept.frames):
            if frame.seq <= after:
                break
            newer.append(frame)
        return reversed(newer)

    def _offer(self, item: Item) -> None:
        for subscription in tuple(self.subscriptions):
            subscription.offer(item)
