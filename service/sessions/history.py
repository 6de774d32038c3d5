"""The last minutes of what a session's decoder was given: for calibration, and for a change of it.

Samples as they come out of the stages, and the events that met them, in a ring of fixed size: a
chunk costs one copy. Memory is the system's until samples fill it. A calibration reads the whole; a
decoder that takes over is shown the end of it, so that a window that is open at the change is
decided as if it had always been that decoder's.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence

import numpy as np

from volition.chunk import Chunk, Event, FloatArray, SignalSpec
from volition.incoming import n_bytes_of

MOST_BYTES = 64 << 20
#: Most bytes of events: they go to a calibration in one piece, which the gateway reads at once.
MOST_EVENT_BYTES = 2 << 20
_BYTES_OF_AN_EVENT = 24
_PIECE_BYTES = 100 << 10
#: For a stream without a rate.
_IRREGULAR_HZ = 100.0


class History:
    """A ring of samples and their events.

    Parameters
    ----------
    spec
        Specification of the samples.
    keep_s
        How much is kept; less where it would be more than `MOST_BYTES`.
    """

    def __init__(self, spec: SignalSpec, keep_s: float) -> None:
        wanted = math.ceil(keep_s * (spec.rate_hz or _IRREGULAR_HZ))
        self.spec = spec
        self.capacity = min(wanted, MOST_BYTES // (8 * (spec.n_channels + 1)))
        # Written to now, so that a session takes no more as this fills.
        self._samples = np.full((self.capacity, spec.n_channels), np.nan)
        self._times = np.full(self.capacity, np.nan)
        self._n_taken = 0
        self._n_whole_from = 0  # number of the first sample since the signal began anew
        self._events: deque[Event] = deque()
        self._event_bytes: deque[int] = deque()
        self._n_event_bytes = 0

    def __len__(self) -> int:
        return min(self._n_taken, self.capacity)

    def begin_anew(self) -> None:
        """Note that what comes does not follow from what came."""
        self._n_whole_from = self._n_taken

    def add(self, chunk: Chunk, events: Sequence[Event]) -> None:
        """Take the next samples, and the events that the decoder is given with them."""
        for event in events:
            self._keep_event(event)
        samples, times = chunk.samples, chunk.times
        n_passing = len(times) - self.capacity
        if n_passing > 0:
            self._n_taken += n_passing
            samples, times = samples[n_passing:], times[n_passing:]
        at, n = self._n_taken % max(1, self.capacity), len(times)
        room = min(n, self.capacity - at)
        self._samples[at : at + room] = samples[:room]
        self._times[at : at + room] = times[:room]
        if room < n:
            self._samples[: n - room] = samples[room:]
            self._times[: n - room] = times[room:]
        self._n_taken += n

    def _keep_event(self, event: Event) -> None:
        """Keep an event; forget the oldest ones where all would be more than `MOST_EVENT_BYTES`."""
        n_bytes = _BYTES_OF_AN_EVENT + n_bytes_of([event.name, event.data])
        self._events.append(event)
        self._event_bytes.append(n_bytes)
        self._n_event_bytes += n_bytes
        while self._n_event_bytes > MOST_EVENT_BYTES:
            self._events.popleft()
            self._n_event_bytes -= self._event_bytes.popleft()

    def pieces(self, last_s: float | None) -> Iterator[bytes]:
        """Give the newest ``last_s`` (all when None), oldest first, in pieces of some 100 KiB.

        Each piece is rows of a time and a sample, as bytes, copied when it is asked for; what was
        written over by then is left out.
        """
        rows = max(1, _PIECE_BYTES // (8 * (self.spec.n_channels + 1)))
        end = self._n_taken
        wanted = len(self)
        if last_s is not None:
            wanted = min(wanted, math.ceil(last_s * (self.spec.rate_hz or _IRREGULAR_HZ)))
        number = end - wanted
        while number < end:
            number = max(number, self._n_taken - self.capacity)
            places = np.arange(number, min(end, number + rows)) % self.capacity
            yield np.column_stack([self._times[places], self._samples[places]]).tobytes()
            number += rows

    def events_of(self, last_s: float | None) -> list[Event]:
        """Give the events since the oldest sample that is kept, or of the newest ``last_s``."""
        if not len(self):
            return []
        newest = float(self._times[(self._n_taken - 1) % self.capacity])
        oldest = float(self._times[(self._n_taken - len(self)) % self.capacity])
        since = oldest if last_s is None else max(oldest, newest - last_s)
        return [event for event in self._events if event.time >= since]

    def all(self) -> tuple[FloatArray, FloatArray, list[Event]]:
        """Give copies of the samples, their times, and the events that are not older."""
        return self._copy(len(self))

    def recent(self, seconds: float) -> tuple[Chunk, list[Event]]:
        """Give the newest samples that follow from each other, and their events."""
        n_whole = min(len(self), self._n_taken - self._n_whole_from)
        wanted = math.ceil(seconds * (self.spec.rate_hz or _IRREGULAR_HZ))
        samples, times, events = self._copy(min(n_whole, wanted))
        return Chunk(samples, times), events

    def _copy(self, n: int) -> tuple[FloatArray, FloatArray, list[Event]]:
        if not n:
            return np.empty((0, self.spec.n_channels)), np.empty(0), []
        places = np.arange(self._n_taken - n, self._n_taken) % self.capacity
        times = self._times[places]
        return self._samples[places], times, [e for e in self._events if e.time >= times[0]]
