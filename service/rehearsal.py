"""Doing the next chunk's work just before the chunk comes, so that the caches are warm for it.

Between two chunks a worker sleeps, others use its processor, and code that takes 20 µs in a loop
takes 150. A `Rehearsal` runs a second pipeline on the last chunk, moved on in time to where the
next is due, a moment before that comes. What the second pipeline says is thrown away; the first
never knows. It costs the same time once more, off the path of the signal.

When a chunk is due follows from the stamps and delays of the last few. Where they hold no rhythm,
or one that leaves no time, nothing is rehearsed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from itertools import pairwise
from statistics import median

from decoders.intent import Intent
from decoders.settings import Settings
from service.engine import Engine
from streams.chunk import Chunk, Event

#: It is over so long before the chunk is due: the scheduler's and the sender's jitter.
_AHEAD_S = 0.001
#: Chunks from whose stamps and delays the moment of the next follows.
_N_CHUNKS = 9
#: Rehearsals that take more than this share of an interval are left out until they do not, and
#: one in so many chunks tries.
_MOST_SHARE = 0.25
_TRY_EVERY = 100


class Rehearsal:
    """The second pipeline and its moment.

    Parameters
    ----------
    engine
        Made as the one that does the work; nothing else may run it.
    encode
        What is done with an intent until it goes out.
    clock
        LSL time, seconds.
    """

    def __init__(
        self, engine: Engine, encode: Callable[[Intent], object], clock: Callable[[], float]
    ) -> None:
        self._engine = engine
        self._encode = encode
        self._clock = clock
        self._newest: deque[float] = deque(maxlen=_N_CHUNKS)
        self._delays_s: deque[float] = deque(maxlen=_N_CHUNKS)
        self._next: tuple[Chunk, Sequence[Event]] | None = None
        self._due: float | None = None
        self._cost_s = 0.0
        self._n_left_out = 0

    def swap(self, decoder: Settings) -> None:
        """Decode by other settings, as the engine that does the work does now."""
        self._engine.swap(decoder)

    def note(self, chunk: Chunk, events: Sequence[Event], t_pulled: float) -> None:
        """Keep what came, as it was before any stage, and see when the next is due."""
        n, newest = len(chunk), float(chunk.times[-1])
        step_s = (newest - float(chunk.times[0])) * n / (n - 1) if n > 1 else 0.0
        self._next = Chunk(chunk.samples, chunk.times + step_s), events
        self._newest.append(newest)
        self._delays_s.append(t_pulled - newest)
        self._due = None
        if len(self._newest) < _N_CHUNKS:
            return
        interval_s = median(later - earlier for earlier, later in pairwise(self._newest))
        if self._cost_s > _MOST_SHARE * interval_s and self._n_left_out < _TRY_EVERY:
            self._n_left_out += 1
            return
        self._n_left_out = 0
        due = newest + interval_s + median(self._delays_s) - self._cost_s - _AHEAD_S
        self._due = due if due > t_pulled else None

    def due_in_s(self) -> float | None:
        """Give the seconds until it should run; None when it should not before the next chunk."""
        return None if self._due is None else max(0.0, self._due - self._clock())

    def run(self) -> None:
        """Work on what the next chunk may be, and forget it."""
        if self._next is None:
            return
        start = self._clock()
        chunk, events = self._next
        self._next = self._due = None
        for intent in self._engine.step(chunk, events):
            self._encode(intent)
        self._cost_s += 0.1 * (self._clock() - start - self._cost_s)
