"""The WebSocket protocol that the gateway serves: uvicorn's, and a short way for intents.

An intent that goes through a queue, a task, the ASGI application and back costs a fifth of a
millisecond with cold caches. A socket whose sender has nothing to do can take it as the bytes of a
whole text frame, straight from where the bus is read. The scope's extension `WRITE` is that way:
it takes a frame and says whether it was written. It says no whenever anything is in the way (a
client that does not take what it was sent, a socket about to close), and then the queue and its
bounds hold as for any other message (see `volition.service.supervision.hub`).
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

WRITE = "volition.write"
"""Key among a socket's extensions of its `Write`."""

Write = Callable[[bytes], bool]


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
    """

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if not self.close_sent:  # the handshake stands, and the application's task is yet to run
            extensions: dict[str, Any] = self.scope["extensions"]
            extensions[WRITE] = self.write

    async def send(self, message: Any) -> None:
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
