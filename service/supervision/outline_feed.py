"""Those who look at one session's signal, at the gateway's end; nothing is made for nobody.

`OutlineFeed` tells the worker what is looked at, and hands each frame of the min-max outline
(`volition.service.worker.outline_feed`) to those who look, through a queue that drops its oldest
frame when it is full, since a picture wants the newest.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from volition.service.supervision.hub import Closed
from volition.streams.signal.outline import Source

_MAX_QUEUED = 64


class OutlineSubscription:
    """One who looks: a bounded queue.

    Parameters
    ----------
    source
        ``cleaned`` or ``raw``.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self._frames: deque[bytes] = deque(maxlen=_MAX_QUEUED)
        self._closed: Closed | None = None
        self._news = asyncio.Event()

    def offer(self, frame: bytes) -> None:
        """Queue a frame; never waits."""
        self._frames.append(frame)
        self._news.set()

    def end(self, reason: str) -> None:
        """Say that nothing more comes."""
        self._closed = self._closed or Closed(reason)
        self._news.set()

    async def next(self) -> bytes | Closed:
        """Wait for the next frame, or for the end."""
        while True:
            if self._frames:
                return self._frames.popleft()
            if self._closed is not None:
                return self._closed
            self._news.clear()
            await self._news.wait()


class OutlineFeed:
    """Those who look at one session's signal.

    Parameters
    ----------
    on_change
        Told whenever other sources are looked at than before.
    """

    def __init__(self, on_change: Callable[[list[Source]], None]) -> None:
        self._looks: set[OutlineSubscription] = set()
        self._on_change = on_change

    @property
    def sources(self) -> list[Source]:
        """What is looked at now."""
        return sorted({look.source for look in self._looks})

    def open(self, source: Source) -> OutlineSubscription:
        """Begin to look."""
        before = self.sources
        look = OutlineSubscription(source)
        self._looks.add(look)
        self._tell(before)
        return look

    def close(self, look: OutlineSubscription) -> None:
        """OutlineSubscription no more."""
        before = self.sources
        self._looks.discard(look)
        self._tell(before)

    def _tell(self, before: list[Source]) -> None:
        if self.sources != before:
            self._on_change(self.sources)

    def publish(self, source: Source, frame: bytes) -> None:
        """Hand a frame to those who look at its source."""
        for look in self._looks:
            if look.source == source:
                look.offer(frame)

    def end(self, reason: str) -> None:
        """Say to all that nothing more comes."""
        for look in self._looks:
            look.end(reason)
