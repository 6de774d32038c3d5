"""The signal of one session for those who look at it, and nothing while nobody does.

`SignalFeed` is the worker's end. It works a moment after the intents of a chunk are out, when those
who wait for them have them, and sends only when nothing waits on the bus: a gateway that is behind
misses pictures, not intents. `Feed` is the gateway's end: it tells the worker what is looked at,
and hands each frame to those who look, through a queue that drops its oldest when it is full, since
a picture wants the newest.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from service.bus import FrameType, WorkerEnd, pack
from service.hub import Closed
from streams.chunk import Chunk, SignalSpec
from streams.envelope import Bins, Envelope, Source, encode_bins

_MAX_QUEUED = 64
#: Frames go out about so often: rather behind a decision, where there is time, than behind a chunk
#: whose next may bring one; and without a quiet moment where none came for too long.
_FEED_S = 0.05
_DECIDED_S, _UNDECIDED_S, _LATEST_S = 0.9 * _FEED_S, 1.2 * _FEED_S, 2 * _FEED_S
#: So many chunks are kept until then, and a frame has so many bytes at most.
_MOST_WAITING = 16
_FEED_BYTES = 32 * 1024


# -- the gateway's end ------------------------------------------------------------------------


class Look:
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


class Feed:
    """Those who look at one session's signal.

    Parameters
    ----------
    on_change
        Told whenever other sources are looked at than before.
    """

    def __init__(self, on_change: Callable[[list[Source]], None]) -> None:
        self._looks: set[Look] = set()
        self._on_change = on_change

    @property
    def sources(self) -> list[Source]:
        """What is looked at now."""
        return sorted({look.source for look in self._looks})

    def open(self, source: Source) -> Look:
        """Begin to look."""
        before = self.sources
        look = Look(source)
        self._looks.add(look)
        self._tell(before)
        return look

    def close(self, look: Look) -> None:
        """Look no more."""
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


# -- the worker's end -------------------------------------------------------------------------


class SignalFeed:
    """The outline of the signal, for whoever looks at it.

    What is cleaned is copied on its way to the decoder, and outlined in a quiet moment behind it.
    """

    def __init__(self) -> None:
        #: Rate, labels and units of each source, for those who look.
        self.signals: dict[str, Any] = {}
        self._specs: dict[Source, SignalSpec] = {}
        self._wanted: list[Source] = []
        self._envelopes: dict[Source, Envelope] = {}
        self._waiting: list[tuple[Source, Chunk]] = []
        self._t_sent = 0.0

    def prepare(self, specs: dict[Source, SignalSpec]) -> None:
        """Take the signals that there are, once they are known."""
        self._specs = specs
        self.signals = {
            source: {
                "rate_hz": spec.rate_hz,
                "labels": list(spec.labels),
                "units": list(spec.units),
            }
            for source, spec in specs.items()
        }
        self.show(self._wanted)

    def show(self, sources: list[Source]) -> None:
        """Make the outlines of these, and of no others."""
        self._wanted = sources
        self._envelopes = {
            source: self._envelopes.get(source) or Envelope(self._specs[source])
            for source in sources
            if source in self._specs
        }
        self._waiting.clear()

    @property
    def on_cleaned(self) -> Callable[[Chunk], None] | None:
        """What the engine is to show its cleaned signal to, if anything."""
        return self._add_cleaned if "cleaned" in self._envelopes else None

    def add_raw(self, chunk: Chunk) -> None:
        if "raw" in self._envelopes:
            self._keep("raw", chunk)

    def _add_cleaned(self, chunk: Chunk) -> None:
        self._keep("cleaned", chunk)

    def _keep(self, source: Source, chunk: Chunk) -> None:
        self._waiting.append((source, Chunk(chunk.samples.copy(), chunk.times.copy())))

    def waits(self, now: float, *, decided: bool) -> bool:
        """Say, behind each chunk, whether there is something to `send` at the next quiet moment.

        Parameters
        ----------
        now
            LSL time.
        decided
            Whether an intent has just gone out.
        """
        if len(self._waiting) > _MOST_WAITING:
            self._outline()
        least_s = _DECIDED_S if decided else _UNDECIDED_S
        return bool(self._envelopes) and now - self._t_sent >= least_s

    def is_late(self, now: float) -> bool:
        """Say whether a quiet moment has been waited for too long."""
        return now - self._t_sent >= _LATEST_S

    def _outline(self) -> None:
        for source, chunk in self._waiting:
            self._envelopes[source].add(chunk)
        self._waiting.clear()

    def send(self, link: WorkerEnd, now: float) -> None:
        """Send what there is."""
        self._outline()
        self._t_sent = now
        for source, envelope in self._envelopes.items():
            bins = envelope.take()
            if bins is not None:
                _send_bins(link, bins, source)


def _send_bins(link: WorkerEnd, bins: Bins, source: Source) -> None:
    most = max(1, _FEED_BYTES // (8 + 8 * bins.lows.shape[1]))
    for start in range(0, len(bins.times), most):
        if not link.idle:
            return
        stop = start + most
        piece = Bins(bins.times[start:stop], bins.lows[start:stop], bins.highs[start:stop])
        link.publish(pack(FrameType.SIGNAL, encode_bins(piece, source)))
