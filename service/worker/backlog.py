"""What to do when the worker cannot keep up with its stream: drop the oldest signal, and say so."""

from __future__ import annotations

import math

from volition.streams.lsl.clock import local_clock
from volition.streams.lsl.inlet import SignalInlet

#: How long the backlog may stay above its bound before it is dropped.
_PATIENCE_S = 1.0


class BacklogWatch:
    """Watches how much signal waits in the inlet, and drops it when it does not shrink.

    A burst is no overload. It is one when the backlog stays above its bound for `_PATIENCE_S`
    although the loop does nothing but work it off.

    Parameters
    ----------
    max_lag_s
        The bound, in seconds of signal.
    """

    def __init__(self, max_lag_s: float) -> None:
        self._max_lag_s = max_lag_s
        self._t_behind: float | None = None

    @property
    def is_behind(self) -> bool:
        """Whether the backlog was above its bound at the last look."""
        return self._t_behind is not None

    def drop_if_overloaded(self, inlet: SignalInlet, now: float) -> int:
        """Look at the backlog, and drop all of it on an overload; give how many samples it was."""
        if inlet.buffered() <= self._max_lag_s * (inlet.spec.rate_hz or math.inf):
            self._t_behind = None
        elif self._t_behind is None:
            # Not `now`, the time of the chunk: a process that was suspended since then would
            # count as behind for all that time.
            self._t_behind = local_clock()
        elif now - self._t_behind > _PATIENCE_S:
            self._t_behind = None
            return _drop_all(inlet)
        return 0


def _drop_all(inlet: SignalInlet) -> int:
    n_dropped = 0
    while inlet.buffered():
        n_dropped += len(inlet.pull(0.0))
    return n_dropped
