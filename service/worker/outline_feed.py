"""The outline of a session's signal for those who look at it, at the worker's end.

`OutlineSender` works a moment after the intents of a chunk are out, when those who wait for them
have them, and sends only when nothing waits on the bus: a gateway that is behind misses pictures,
not intents. Nothing is made while nobody looks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from volition.chunk import Chunk, SignalSpec
from volition.service.worker.bus import FrameType, WorkerEnd, pack
from volition.streams.signal.outline import Bins, MinMaxOutline, Source, encode_bins

#: Frames are sent about this often. A frame rather follows a decision, when there is time, than a
#: chunk whose successor may bring a decision; after `_LATEST_S` it is sent in any case.
_FEED_S = 0.05
_DECIDED_S, _UNDECIDED_S, _LATEST_S = 0.9 * _FEED_S, 1.2 * _FEED_S, 2 * _FEED_S
#: At most this many chunks wait for the next frame, and a frame has at most this many bytes.
_MOST_WAITING = 16
_FEED_BYTES = 32 * 1024


class OutlineSender:
    """The outline of the signal, for whoever looks at it.

    What is cleaned is copied on its way to the decoder, and outlined in a quiet moment behind it.
    """

    def __init__(self) -> None:
        #: Rate, labels and units of each source, for those who look.
        self.signals: dict[str, Any] = {}
        self._specs: dict[Source, SignalSpec] = {}
        self._wanted: list[Source] = []
        self._outlines: dict[Source, MinMaxOutline] = {}
        self._waiting: list[tuple[Source, Chunk]] = []
        self._t_sent = 0.0

    def prepare(self, specs: dict[Source, SignalSpec]) -> None:
        """Take the signals that there are, once they are known, and again when they are others."""
        self._specs = specs
        self._outlines = {}
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
        self._outlines = {
            source: self._outlines.get(source) or MinMaxOutline(self._specs[source])
            for source in sources
            if source in self._specs
        }
        self._waiting.clear()

    @property
    def on_cleaned(self) -> Callable[[Chunk], None] | None:
        """What the engine is to show its cleaned signal to, if anything."""
        return self._add_cleaned if "cleaned" in self._outlines else None

    def add_raw(self, chunk: Chunk) -> None:
        if "raw" in self._outlines:
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
        return bool(self._outlines) and now - self._t_sent >= least_s

    def is_late(self, now: float) -> bool:
        """Say whether a quiet moment has been waited for too long."""
        return now - self._t_sent >= _LATEST_S

    def _outline(self) -> None:
        for source, chunk in self._waiting:
            self._outlines[source].add(chunk)
        self._waiting.clear()

    def send(self, link: WorkerEnd, now: float) -> None:
        """Send what there is."""
        self._outline()
        self._t_sent = now
        for source, outline in self._outlines.items():
            bins = outline.take()
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
