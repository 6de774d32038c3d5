"""Look for a marker stream again while the signal goes on.

A stimulus program ends between two blocks and comes back; the headset does neither. liblsl's search
and opening wait for the network, so they run on a thread of their own, which ends with the search.
"""

from __future__ import annotations

import contextlib
import threading
from queue import Empty, SimpleQueue

from volition.errors import StreamError
from volition.service.sessions.config import MarkerStream
from volition.streams.lsl.discovery import find_one
from volition.streams.lsl.inlet import MarkerInlet

_LOOK_S, _OPEN_S, _PAUSE_S = 0.75, 3.0, 0.25


def open_markers(stream: MarkerStream, wait_s: float) -> MarkerInlet:
    """Find the marker stream and open it.

    Raises
    ------
    StreamError
        It is not there, or does not answer.
    """
    description = find_one(**stream.wanted(), wait_s=wait_s, details=False)
    inlet = MarkerInlet(description, channel=stream.channel, clock=stream.clock, recover=False)
    try:
        inlet.open(_OPEN_S)
    except StreamError:
        inlet.close()
        raise
    return inlet


class MarkerSearch:
    """A search that is going on.

    Parameters
    ----------
    stream
        Which marker stream.
    """

    def __init__(self, stream: MarkerStream) -> None:
        self._stream = stream
        self._found: SimpleQueue[MarkerInlet] = SimpleQueue()
        self._is_over = threading.Event()
        threading.Thread(target=self._look, name="markers", daemon=True).start()

    def take(self) -> MarkerInlet | None:
        """Give the open inlet, once there is one; never waits."""
        with contextlib.suppress(Empty):
            return self._found.get_nowait()
        return None

    def end(self) -> None:
        """Look no longer."""
        self._is_over.set()
        if (inlet := self.take()) is not None:
            inlet.close()

    def _look(self) -> None:
        while not self._is_over.is_set():
            with contextlib.suppress(StreamError):
                inlet = open_markers(self._stream, _LOOK_S)
                if self._is_over.is_set():
                    inlet.close()
                else:
                    self._found.put(inlet)
                return
            self._is_over.wait(_PAUSE_S)
