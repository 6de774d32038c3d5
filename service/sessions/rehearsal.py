"""Doing the next chunk's work just before the chunk comes, so that the caches are warm for it.

Between two chunks a worker sleeps, others use its processor, and code that takes 50 µs in a loop
takes 300. A `Rehearsal` runs a second pipeline on the last chunk, moved on in time to where the
next is due, a moment before that comes. What the second pipeline says is thrown away; the first
never knows. It costs the same time once more, off the path of the signal.

When a chunk is due follows from the stamps and delays of the last few. Nothing is rehearsed where
they hold no rhythm or one that leaves no time, and while nothing is decided, since nobody waits
then. Long work is not rehearsed: its time goes into data, and the second pipeline's own push those
of the first out of the caches; and a rehearsal that is late delays the chunk.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from heapq import nlargest
from itertools import pairwise
from statistics import median

from volition.chunk import Chunk, Event, FloatArray
from volition.decoders.contract.intent import Intent
from volition.decoders.contract.settings import Settings
from volition.service.sessions.engine import Engine

#: A rehearsal ends this long before the chunk is due, which leaves room for jitter.
_AHEAD_S = 0.001
#: Chunks from whose stamps and delays the moment of the next follows.
_N_CHUNKS = 9
#: Work that takes longer, or more than this share of an interval, is not rehearsed.
_MOST_S, _MOST_SHARE = 0.001, 0.25
#: Among the last `_N_WORKED` chunks `_N_LONGER` may take longer: the system held those up.
_N_WORKED, _N_LONGER = 128, 2
#: A session that has decided nothing for this many chunks is not rehearsed: nobody waits for it.
#: This many rehearsals also tell how long one takes.
_N_UNDECIDED = 32


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

    Attributes
    ----------
    is_wanted : bool
        Whether the coming chunk is to be kept for it: see `note`.
    """

    def __init__(
        self, engine: Engine, encode: Callable[[Intent], object], clock: Callable[[], float]
    ) -> None:
        self._engine = engine
        self._encode = encode
        self._clock = clock
        self._newest: deque[float] = deque(maxlen=_N_CHUNKS)
        self._delays_s: deque[float] = deque(maxlen=_N_CHUNKS)
        self._worked_s: deque[float] = deque(maxlen=_N_WORKED)
        self._n_undecided = 0
        self._next: tuple[Chunk, Sequence[Event]] | None = None
        self._due: float | None = None
        self._costs_s: deque[float] = deque([0.0], maxlen=_N_UNDECIDED)
        self.is_wanted = False

    def swap(self, decoder: Settings) -> None:
        """Decode by other settings, as the engine that does the work does now."""
        self._engine.swap(decoder)

    def note(
        self,
        times: FloatArray,
        samples: FloatArray | None,
        events: Sequence[Event],
        *,
        t_pulled: float,
        worked_s: float,
        decided: bool,
    ) -> None:
        """Keep what came, and see when the next chunk is due.

        Parameters
        ----------
        times, samples, events
            The chunk, as it was before any stage; ``samples`` are None unless `is_wanted`.
        t_pulled
            LSL time when it was there.
        worked_s
            How long the work on it took.
        decided
            Whether an intent followed from it.
        """
        n, newest = len(times), float(times[-1])
        self._newest.append(newest)
        self._delays_s.append(t_pulled - newest)
        self._worked_s.append(worked_s)
        self._n_undecided = 0 if decided else self._n_undecided + 1
        self._due = self._next = None
        self.is_wanted = False
        if len(self._newest) < _N_CHUNKS or self._n_undecided > _N_UNDECIDED:
            return
        interval_s = median(later - earlier for earlier, later in pairwise(self._newest))
        if nlargest(_N_LONGER + 1, self._worked_s)[-1] > min(_MOST_S, _MOST_SHARE * interval_s):
            return
        # Time for a decision, whichever chunk brings it; but for the one that was held up most.
        cost_s = nlargest(2, self._costs_s)[-1]
        due = newest + interval_s + median(self._delays_s) - cost_s - _AHEAD_S
        self.is_wanted = due > t_pulled
        if self.is_wanted and samples is not None:
            step_s = (newest - float(times[0])) * n / (n - 1) if n > 1 else interval_s
            self._next = Chunk(samples, times + step_s), events
            self._due = due

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
        self._costs_s.append(self._clock() - start)
