"""The HTTP protocol that the gateway serves: uvicorn's, with bounds on what comes before a token.

Whoever can reach the port can send bytes, and none of them has shown a token yet. So a connection
is closed with the reason when

- there are as many connections as there are descriptors for, and it is no emergency stop (503),
- a request's head is not whole in time (408),
- what is neither body nor a small head is too much: lines, chunks or trailers without end (431),
- too many requests wait for the answer to one before them.

What is received is looked at in small pieces, so that no more than one piece beyond a bound is ever
kept. A connection that has had its part of the event loop's time is read from later. The rest of a
body that was answered before it was read is thrown away; one that is too large or too slow for that
closes its connection.

`SPARE` connections beyond those that there may be are heard, each for a moment: one that asks for
an emergency stop is answered, so that nobody who takes all connections keeps anybody from the stop.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from volition.service.gateway.budgets import LoopShares, Rest

#: Bytes that a request may have as line and headers, and as framing of a chunked body beyond
#: `_FRAMING`.
MOST_HEAD_BYTES = 64 << 10
#: A chunk of one byte takes six.
_FRAMING = 8
HEAD_S = 10.0
_MOST_PIPELINED = 16
_PIECE_BYTES = 8 << 10
#: How long, and how much of it, the rest of a body that nobody wants is read for.
_LINGER_S = 1.0
_LINGER_BYTES = 1 << 20

#: Connections that are kept back for emergency stops, and for how long one of them may say nothing.
SPARE = 32
_SPARE_S = 1.0

_REASONS = {
    408: ("Request Timeout", "the head of the request was not whole in time"),
    431: ("Request Header Fields Too Large", "the head of the request is too large"),
    503: ("Service Unavailable", "too many connections are open"),
}


class BoundedHttpProtocol(HttpToolsProtocol):
    """uvicorn's protocol within bounds; `bounded_http` says how many connections there may be."""

    most_connections = 1024
    shares: ClassVar[LoopShares] = LoopShares()
    spare: ClassVar[deque[BoundedHttpProtocol]] = deque()

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._head_timer: asyncio.TimerHandle | None = None
        self._wire_bytes = 0
        self._body_bytes = 0
        self._is_closing = False
        self._linger_timer: asyncio.TimerHandle | None = None
        self._linger_bytes = 0
        self._is_spare = False
        self._unread = bytearray()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        super().connection_made(transport)
        self._rest = Rest(self.shares.open(self.client[0] if self.client else ""), self._read_on)
        self._is_spare = len(self.connections) > self.most_connections
        if self._is_spare:
            self.spare.append(self)
            if len(self.spare) > SPARE:
                self.spare[0].close_with(503)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._expect_no_head()
        self._leave_spare()
        self._rest.close()
        self._linger_no_longer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._unread += data
        self._read_on()

    def _read_on(self) -> None:
        """Look at what came, piece by piece, until it is time to rest."""
        while self._unread and self._is_open and not self._rest:
            piece = bytes(self._unread[:_PIECE_BYTES])
            del self._unread[:_PIECE_BYTES]
            with self._rest.counting():
                self._read(piece)
        if not self._is_open:
            return
        if self._rest:
            self.transport.pause_reading()
        elif not self.flow.read_paused:
            self.transport.resume_reading()

    @property
    def _is_open(self) -> bool:
        return not (self._is_closing or self.transport.is_closing())

    def _read(self, piece: bytes) -> None:
        self._wire_bytes += len(piece)
        super().data_received(piece)
        if self._wire_bytes - self._body_bytes * _FRAMING > MOST_HEAD_BYTES:
            self.close_with(431)
        elif len(self.pipeline) > _MOST_PIPELINED or self._lingers_too_long(len(piece)):
            self._close()

    def handle_websocket_upgrade(self) -> None:
        if not self._is_open:
            return
        self._is_closing = True  # for this protocol: another has the transport from now on
        self._rest.close()
        super().handle_websocket_upgrade()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._wire_bytes = self._body_bytes = 0
        self._expect_head()

    def on_headers_complete(self) -> None:
        self._expect_no_head()
        if not self._is_spare:
            super().on_headers_complete()
        elif self._asks_for_a_stop():
            self._leave_spare()
            super().on_headers_complete()
            self.cycle.keep_alive = False
        else:
            self.close_with(503)

    def _asks_for_a_stop(self) -> bool:
        is_post: bool = self.parser.get_method() == b"POST"
        return is_post and self.url.partition(b"?")[0].endswith(b"/estop")

    def _leave_spare(self) -> None:
        if self in self.spare:
            self.spare.remove(self)

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._linger_no_longer()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        if self.cycle.more_body and not self.pipeline:
            self._linger_bytes = _LINGER_BYTES
            self._linger_timer = self.loop.call_later(_LINGER_S, self._close)
        super().on_response_complete()

    def _lingers_too_long(self, n_bytes: int) -> bool:
        self._linger_bytes -= n_bytes
        return self._linger_timer is not None and self._linger_bytes < 0

    def _linger_no_longer(self) -> None:
        if self._linger_timer is not None:
            self._linger_timer.cancel()
            self._linger_timer = None

    def _close(self) -> None:
        self._is_closing = True
        self.transport.close()

    @property
    def _is_answering(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete

    def _expect_head(self) -> None:
        if self._head_timer is None:
            within_s, otherwise = (_SPARE_S, 503) if self._is_spare else (HEAD_S, 408)
            self._head_timer = self.loop.call_later(within_s, self.close_with, otherwise)

    def _expect_no_head(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def close_with(self, status: int) -> None:
        """Say why and close; say nothing where an answer is on its way."""
        self._expect_no_head()
        self._leave_spare()
        self._is_closing = True
        if self.transport.is_closing():
            return
        if not self._is_answering:
            phrase, why = _REASONS[status]
            head = (
                f"HTTP/1.1 {status} {phrase}\r\ncontent-type: text/plain; charset=utf-8\r\n"
                f"content-length: {len(why)}\r\nconnection: close\r\n\r\n"
            )
            self.transport.write((head + why).encode())
        self._close()


def bounded_http(
    most_connections: int, shares: LoopShares | None = None
) -> type[BoundedHttpProtocol]:
    """Give the protocol for a server of at most ``most_connections``."""
    own = {
        "most_connections": most_connections,
        "spare": deque(),
        "shares": shares or LoopShares(),
    }
    return type("HttpProtocol", (BoundedHttpProtocol,), own)
