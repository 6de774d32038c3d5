"""The WebSocket protocol that the gateway serves: uvicorn's, and a short way for intents.

An intent that goes through a queue, a task, the ASGI application and back costs a fifth of a
millisecond with cold caches. A socket whose sender has nothing to do can take it as the bytes of a
whole text frame, straight from where the bus is read. The scope's extension `WRITE` is that way:
it takes a frame and says whether it was written. It says no whenever anything is in the way (a
client that does not take what it was sent, a socket about to close), and then the queue and its
bounds hold as for any other message (see `volition.service.supervision.hub`).

What a client does not read waits in the buffers of two kernels for a long time before anything is
in the way. The extension `ASK` tells sooner: it sends a ping, which a program answers as it reads,
and says for how long the last one has not been answered.

What comes in is looked at in small pieces. While a message waits for the application, or the client
does not take its answers, no more is looked at or read. The same goes for a socket that has had its
part of the event loop's time, of which the connections of one address share so much: what it sends
waits on its side. A client that sends more frames than `MOST_FRAMES_PER_S` is closed with 1008
and the reason.
"""

from __future__ import annotations

import asyncio
import functools
import struct
from collections.abc import Callable
from typing import Any, ClassVar

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame
from websockets.http11 import Request

from volition.service.gateway.budgets import LoopShares, Rate, Rest

WRITE = "volition.write"
"""Key among a socket's extensions of its `Write`."""

Write = Callable[[bytes], bool]

TOOK = "volition.took"
"""Key among a socket's extensions: is told the seconds that a message took of the event loop."""

ASK = "volition.ask"
"""Key among a socket's extensions of its `Ask`."""

Ask = Callable[[], float]

MOST_FRAMES_PER_S = 1000
"""Frames a second that one socket may send, pings among them; as many more may come at once."""

_PIECE_BYTES = 2 << 10
_POLICY_VIOLATION = 1008
#: Time for which one that is closed for a flood is not read from: it would only come again.
_IGNORED_S = 2.0
_LINGER_S, _ABORT_S = 0.5, 5.0
_MOST_THROWN_AWAY = 16 << 20


#: Payload of our own pings; uvicorn's, which end a dead socket, carry four bytes.
_ASKED = b"reads?"
_FINAL_TEXT = 0x81
_LENGTH_OF_2, _LENGTH_OF_8 = struct.Struct("!BBH"), struct.Struct("!BBQ")


@functools.lru_cache(maxsize=4)
def text_frame(payload: bytes) -> bytes:
    """Give the bytes of a text frame from a server (RFC 6455, 5.2), made once for all who get it.

    The libraries' own frames take ten times as long.
    """
    n = len(payload)
    if n < 126:
        return bytes((_FINAL_TEXT, n)) + payload
    if n < 1 << 16:
        return _LENGTH_OF_2.pack(_FINAL_TEXT, 126, n) + payload
    return _LENGTH_OF_8.pack(_FINAL_TEXT, 127, n) + payload


class DirectProtocol(WebSocketsSansIOProtocol):
    """uvicorn's protocol, which also takes frames made beforehand.

    A text that is no UTF-8 is the client's fault: it is closed with 1007 and a line in the log, to
    which uvicorn would add a traceback. A socket that is refused is answered, and no error.
    ``shares`` says how the loop's time is shared, and is that of the HTTP protocol in front of it.
    """

    shares: ClassVar[LoopShares] = LoopShares()

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._frame_rate = Rate(MOST_FRAMES_PER_S, MOST_FRAMES_PER_S)
        self._unread = bytearray()
        self._is_reading = False
        self._is_flooding = False
        self._thrown_away = 0
        self._asked_at: float | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        super().connection_made(transport)
        self._rest = Rest(self.shares.open(self.client[0] if self.client else ""), self._read_on)

    def connection_lost(self, exc: Exception | None) -> None:
        self._rest.close()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._is_flooding:
            self._thrown_away += len(data)
            if self._thrown_away > _MOST_THROWN_AWAY:
                self.transport.abort()
            return
        self._unread += data
        self._read_on()

    def _read_on(self) -> None:
        """Look at what came, piece by piece, as far as there is somebody to take it."""
        if self._is_reading:
            return
        self._is_reading = True
        try:
            while self._unread and self._takes_more():
                piece = bytes(self._unread[:_PIECE_BYTES])
                del self._unread[:_PIECE_BYTES]
                with self._rest.counting():
                    super().data_received(piece)
        finally:
            self._is_reading = False
        self._pause_or_resume()

    def _takes_more(self) -> bool:
        if self._is_flooding or self.close_sent or self.transport.is_closing():
            return (
                self._is_flooding or self.close_timer is not None
            )  # waits for the client's answer to a close
        is_free = self.writable.is_set() and not self._rest
        return is_free and (not self.handshake_initiated or self.queue.empty())

    def _pause_or_resume(self) -> None:
        if self._is_flooding or self.transport.is_closing():
            return
        is_full = bool(self._unread) or not self._takes_more()
        if is_full is not self.read_paused:
            self.read_paused = is_full
            (self.transport.pause_reading if is_full else self.transport.resume_reading)()

    def resume_writing(self) -> None:
        super().resume_writing()
        self.loop.call_soon(self._read_on)

    async def receive(self) -> Any:
        message = await self.queue.get()
        self._read_on()
        if not self.queue.empty():
            await asyncio.sleep(0)  # a client that sends without a pause takes turns with others
        return message

    def handle_events(self) -> None:
        n_frames = sum(isinstance(event, Frame) for event in self.conn.events)
        if n_frames and self._frame_rate.spend(n_frames) > 0:
            self._close_for_flood()
        else:
            super().handle_events()

    def _close_for_flood(self) -> None:
        """Say why, and close after a while.

        What comes in the end is thrown away, so that the reason arrives.
        """
        self._is_flooding = True
        self._unread.clear()
        reason = f"more than {MOST_FRAMES_PER_S} frames a second"
        self.logger.warning("a socket was closed: %s", reason)
        if self.handshake_complete and not self.close_sent:
            self.close_sent = True
            self.queue.put_nowait(
                {"type": "websocket.disconnect", "code": _POLICY_VIOLATION, "reason": reason}
            )
            self.conn.send_close(_POLICY_VIOLATION, reason)
            self.transport.write(b"".join(self.conn.data_to_send()))
        self.transport.pause_reading()
        self.loop.call_later(_IGNORED_S, self._throw_away)
        self.close_timer = self.loop.call_later(_IGNORED_S + _LINGER_S, self.transport.close)
        # One that does not read either would keep it open for ever.
        self.loop.call_later(_ABORT_S, self.transport.abort)

    def _throw_away(self) -> None:
        if not self.transport.is_closing():
            self.transport.resume_reading()

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if not self.close_sent:  # the handshake stands, and the application's task is yet to run
            extensions: dict[str, Any] = self.scope["extensions"]
            extensions[WRITE], extensions[ASK] = self.write, self.ask
            extensions[TOOK] = self._rest.took

    async def send(self, message: Any) -> None:
        if self.close_sent and message["type"] == "websocket.send":
            return  # the application is yet to hear of it
        await super().send(message)
        if self.initial_response is not None and self.close_sent:
            self.handshake_complete = True  # or uvicorn takes it for one that was forgotten

    def send_receive_event_to_app(self) -> None:
        if self.curr_msg_data_type == "text" and not self.close_sent:
            try:
                b"".join(self.frames).decode()
            except UnicodeDecodeError as error:
                self.logger.warning("a client sent a text that is no UTF-8: %s", error.reason)
                self.frames = []
                self.conn.send_close(1007)
                self.handle_parser_exception()
                return
        super().send_receive_event_to_app()

    def write(self, frame: bytes) -> bool:
        """Write a whole frame, unless something is in its way; see `Write`."""
        if (
            not self.handshake_complete
            or self.close_sent
            or not self.writable.is_set()
            or self.transport.is_closing()
        ):
            return False
        self.transport.write(frame)
        return True

    def ask(self) -> float:
        """Ask whether the client reads; give for how long it owes an answer, seconds; see `Ask`."""
        if not self.handshake_complete or self.close_sent or self.transport.is_closing():
            return 0.0
        now = self.loop.time()
        if self._asked_at is None:
            self._asked_at = now
            self.conn.send_ping(_ASKED)
            self.transport.write(b"".join(self.conn.data_to_send()))
        return now - self._asked_at

    def handle_pong(self, event: Frame) -> None:
        if bytes(event.data) == _ASKED:
            self._asked_at = None
        else:
            super().handle_pong(event)
