"""The kept signal of a session, sent to the gateway in small pieces so that no chunk waits."""

from __future__ import annotations

from collections import deque
from dataclasses import asdict
from typing import Any

from volition.service.sessions.engine import Engine
from volition.service.worker.bus import FrameType, WorkerEnd, pack


class HistorySender:
    """Sends what is kept of the signal, for each request under the request's own number."""

    def __init__(self) -> None:
        self._requests: deque[tuple[int, Any]] = deque()

    def start(self, engine: Engine, number: int, last_s: float | None) -> dict[str, Any]:
        """Begin to send the last ``last_s`` seconds; give the signal's spec and its events."""
        history = engine.history
        self._requests.append((number, history.pieces(last_s)))
        return {
            "spec": asdict(engine.decoder_spec),
            "events": [
                (event.time, event.name, dict(event.data)) for event in history.events_of(last_s)
            ],
        }

    def send_next(self, link: WorkerEnd) -> None:
        """Send a piece where nothing waits on the bus: no intent ever waits for more than one."""
        if not self._requests or not link.idle:
            return
        number, pieces = self._requests[0]
        piece = next(pieces, b"")
        link.publish(pack(FrameType.HISTORY, piece, seq=number))
        if not piece:  # tells the gateway that this was all
            self._requests.popleft()
