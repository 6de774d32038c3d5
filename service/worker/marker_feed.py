"""The markers of a session's marker stream, on their way into its signal.

A marker stream that ends takes nothing with it: it is looked for again beside the signal. A marker
far from the signal's time is left out and told of with its distance; it would wait for ever, or be
of a signal that nobody remembers.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from volition.chunk import Event
from volition.errors import StreamError
from volition.service.sessions.config import MarkerStream
from volition.service.worker.marker_search import MarkerSearch
from volition.streams.lsl.inlet import MarkerInlet
from volition.streams.lsl.stamp_clock import FAR_S, say_distance


class MarkerFeed:
    """What comes of a marker stream.

    Parameters
    ----------
    stream
        Which one; None where the session listens to none.

    Attributes
    ----------
    warnings : list of str
        What is to be told of it.
    """

    def __init__(self, stream: MarkerStream | None) -> None:
        self._stream = stream
        self._inlet: MarkerInlet | None = None
        self._search: MarkerSearch | None = None
        self._lost = ""
        self._far = ""
        self._n_far = 0
        self._known: dict[str, Any] = {}
        self._said: list[str] = []  # by the inlet that was lost

    def use(self, inlet: MarkerInlet | None) -> None:
        """Take markers from an open inlet; without one it is looked for, if it is wanted."""
        self.close()
        self._inlet, self._lost = inlet, ""
        if inlet is None and self._stream is not None:
            self._search = MarkerSearch(self._stream)

    def pull(self) -> list[Event]:
        """Take the markers that are there; never waits."""
        if self._inlet is not None:
            try:
                return self._inlet.pull()
            except StreamError as error:
                self._known = self.report() or {}
                self._said = self._inlet.warnings
                self.use(None)
                self._lost = error.message
        elif self._search is not None and (found := self._search.take()) is not None:
            self.use(found)
        return []

    def near(self, events: Iterable[Event], t_newest: float) -> list[Event]:
        """Give the events that are near the signal's time, and tell of the others."""
        taken = []
        for event in events:
            distance_s = event.time - t_newest
            if abs(distance_s) <= FAR_S:
                taken.append(event)
                continue
            self._n_far += 1
            self._far = (
                f"the event '{event.name[:80]}' lies {say_distance(distance_s)} the signal; it is "
                "left out"
            )
        return taken

    @property
    def warnings(self) -> list[str]:
        """What is to be told."""
        lost = f"{self._lost}; the markers are looked for again" if self._lost else ""
        of_inlet = self._said if self._inlet is None else self._inlet.warnings
        return [*of_inlet, *(text for text in (lost, self._far) if text)]

    def report(self) -> dict[str, Any] | None:
        """Give the last markers and the counts; None where the session listens to no stream."""
        if self._stream is None:
            return None
        inlet = self._inlet
        if inlet is None:
            nothing = {"recent": [], "skipped": 0, "refused": self._n_far}
            return {**nothing, **self._known, "connected": False}
        stamps = inlet.stamps()
        return {
            "connected": True,
            "recent": list(inlet.reader.recent),
            "skipped": inlet.reader.skipped,
            "refused": inlet.refused + self._n_far,
            "clock": stamps["clock"],
            "mapped_s": stamps["mapped_s"],
        }

    def close(self) -> None:
        """Disconnect, and look no longer."""
        if self._search is not None:
            self._search.end()
        if self._inlet is not None:
            self._inlet.close()
        self._inlet = self._search = None
