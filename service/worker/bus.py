"""The bus between a session's worker and the gateway: frames one way, commands the other.

`WorkerEnd` and `GatewayEnd` are the whole of what the two sides need, so that another transport
(NATS: one subject per session and direction) can stand behind the same names. The local one is a
socket pair made by the gateway before it spawns the worker: no port, no name, and the end of either
process is the end of the stream.

A frame is a fixed header and a payload that is already encoded. The header repeats what the gateway
needs to route and to resume without reading JSON. The worker never waits for the gateway: what the
socket does not take is kept, up to a bound, and the oldest intents beyond it are dropped; the gap
in ``seq`` tells every client.

Commands are JSON lines, since they are few. One that does not fit into what waits for the worker is
refused, and whoever sent it is told. The emergency stop is no command: it does not go by this bus
(`volition.service.sessions.stop_word`).
"""

from __future__ import annotations

import asyncio
import json
import select
import socket
import struct
from collections import deque
from collections.abc import Callable
from enum import IntEnum
from typing import Any, NamedTuple, Protocol, cast

_HEADER = struct.Struct("<BBHIIQQd")
_MAX_OUTBOX_BYTES = 8 << 20
_SOCKET_BUFFER_BYTES = 4 << 20
_MAX_COMMAND_BYTES = 1 << 20


class FrameType(IntEnum):
    """What a frame's payload is."""

    INTENT = 1
    STATUS = 2
    REPLY = 3
    HEARTBEAT = 4
    SIGNAL = 5
    HISTORY = 6


class IntentCode(IntEnum):
    """The kind of an intent, for whoever conflates or filters without decoding it."""

    NONE = 0
    CURSOR = 1
    SELECTION = 2
    CLASS = 3
    CLICK = 4
    IDLE = 5


#: Flags of a frame: what it holds is neutral, because of the emergency stop.
HELD = 1

INTENT_CODES = {code.name.lower(): code for code in IntentCode}


class Frame(NamedTuple):
    """One message from a worker.

    Attributes
    ----------
    type, intent_code, payload
        What it is; the payload is encoded already.
    seq
        Number of the intent; 0 for all else.
    t_published
        When the worker sent it, seconds of the LSL clock of its host.
    flags
        `HELD` or none.
    epoch
        Which worker of the session sent it; 0 where it does not say.
    hold
        Newest press of the emergency stop that this worker knew of.
    """

    type: FrameType
    intent_code: IntentCode
    seq: int
    t_published: float
    payload: bytes
    flags: int = 0
    epoch: int = 0
    hold: int = 0

    @property
    def is_held(self) -> bool:
        """Whether an intent is neutral because of the emergency stop."""
        return bool(self.flags & HELD)


def pack(
    type_: FrameType,
    payload: bytes,
    *,
    intent_code: IntentCode = IntentCode.NONE,
    seq: int = 0,
    t_published: float = 0.0,
    flags: int = 0,
    epoch: int = 0,
    hold: int = 0,
) -> bytes:
    """Encode a frame."""
    header = _HEADER.pack(type_, intent_code, flags, len(payload), epoch, seq, hold, t_published)
    return header + payload


class FrameReader:
    """Cut a byte stream into frames."""

    def __init__(self) -> None:
        self._pending = bytearray()

    def feed(self, data: bytes) -> list[Frame]:
        """Take the next bytes; give the frames that are complete with them."""
        pending = self._pending
        pending += data
        frames: list[Frame] = []
        start = 0
        while len(pending) - start >= _HEADER.size:
            type_, code, flags, length, *rest = _HEADER.unpack_from(pending, start)
            epoch, seq, hold, t_published = rest
            end = start + _HEADER.size + length
            if len(pending) < end:
                break
            payload = bytes(pending[start + _HEADER.size : end])
            kind, intent_code = FrameType(type_), IntentCode(code)
            frames.append(Frame(kind, intent_code, seq, t_published, payload, flags, epoch, hold))
            start = end
        if start:
            del pending[:start]
        return frames


class WorkerEnd(Protocol):
    """The worker's side of a bus."""

    def publish(self, frame: bytes) -> None:
        """Send without waiting."""

    def commands(self, timeout_s: float = 0.0) -> list[dict[str, Any]]:
        """Give the commands that came, waiting up to ``timeout_s`` for the first."""

    @property
    def closed(self) -> bool:
        """Whether the gateway is gone."""

    @property
    def idle(self) -> bool:
        """Whether nothing waits to be sent."""

    @property
    def dropped(self) -> int:
        """Frames that were dropped because the gateway did not read."""

    def close(self, timeout_s: float) -> None:
        """Send what is still kept, within ``timeout_s``, and close."""


class LocalWorkerEnd:
    """`WorkerEnd` on a stream socket."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SOCKET_BUFFER_BYTES)
        self._sock = sock
        self._outbox: deque[bytes] = deque()
        self._outbox_bytes = 0
        self._received = bytearray()
        self._closed = False
        self._dropped = 0

    @property
    def closed(self) -> bool:
        return self._closed

    @property
    def idle(self) -> bool:
        return not self._outbox

    @property
    def dropped(self) -> int:
        return self._dropped

    def publish(self, frame: bytes) -> None:
        if self._outbox:
            self._keep(frame)
            self._flush()
            return
        sent = self._send(frame)
        if sent < len(frame):
            self._keep(frame[sent:])

    def commands(self, timeout_s: float = 0.0) -> list[dict[str, Any]]:
        if self._outbox:
            self._flush()
        if timeout_s > 0 and not self._closed:
            select.select([self._sock], [], [], timeout_s)
        try:
            data = self._sock.recv(65536)
        except (BlockingIOError, InterruptedError):
            return []
        except OSError:
            data = b""
        if not data:
            self._closed = True
            return []
        self._received += data
        *lines, rest = self._received.split(b"\n")
        self._received = bytearray(rest)
        return [json.loads(line) for line in lines]

    def close(self, timeout_s: float) -> None:
        self._sock.settimeout(timeout_s)
        try:
            while self._outbox:
                self._sock.sendall(self._outbox.popleft())
        except OSError:
            pass
        self._sock.close()
        self._closed = True

    def _send(self, data: bytes) -> int:
        try:
            return self._sock.send(data)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError:
            self._closed = True
            return len(data)

    def _keep(self, data: bytes) -> None:
        self._outbox.append(data)
        self._outbox_bytes += len(data)
        # The first entry may be half sent: it stays, or the stream would lose its framing.
        while self._outbox_bytes > _MAX_OUTBOX_BYTES and len(self._outbox) > 2:
            self._outbox_bytes -= len(self._outbox[1])
            del self._outbox[1]
            self._dropped += 1

    def _flush(self) -> None:
        while self._outbox:
            first = self._outbox[0]
            sent = self._send(first)
            self._outbox_bytes -= sent
            if sent < len(first):
                self._outbox[0] = first[sent:]
                return
            self._outbox.popleft()


class GatewayEnd(Protocol):
    """The gateway's side of a bus, on its event loop."""

    def send(self, command: dict[str, Any], *, urgent: bool = False) -> bool:
        """Send a command without waiting; give whether it was taken.

        It is not when the worker is gone, or when too much waits for it already. An urgent one is
        taken however much waits.
        """

    def close(self) -> None:
        """Close; the worker sees it and ends."""


class LocalGatewayEnd(asyncio.Protocol):
    """`GatewayEnd` on a stream socket."""

    def __init__(self, on_frame: Callable[[Frame], None], on_lost: Callable[[], None]) -> None:
        self._reader = FrameReader()
        self._on_frame = on_frame
        self._on_lost = on_lost
        self._transport: asyncio.Transport | None = None

    @classmethod
    async def open(
        cls,
        sock: socket.socket,
        on_frame: Callable[[Frame], None],
        on_lost: Callable[[], None],
    ) -> LocalGatewayEnd:
        """Serve ``sock`` on the running loop."""
        sock.setblocking(False)
        loop = asyncio.get_running_loop()

        def make() -> LocalGatewayEnd:
            return cls(on_frame, on_lost)

        unix = getattr(socket, "AF_UNIX", None)
        if unix is not None and sock.family == unix:
            _, end = await loop.create_unix_connection(make, sock=sock)
        else:
            _, end = await loop.create_connection(make, sock=sock)
        return end

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do not derive from asyncio's.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        for frame in self._reader.feed(data):
            self._on_frame(frame)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._on_lost()

    def send(self, command: dict[str, Any], *, urgent: bool = False) -> bool:
        transport = self._transport
        if transport is None or transport.is_closing():
            return False
        if not urgent and transport.get_write_buffer_size() >= _MAX_COMMAND_BYTES:
            return False
        transport.write(json.dumps(command).encode() + b"\n")
        return True

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


def local_pair() -> tuple[socket.socket, socket.socket]:
    """Make the two ends: the gateway's and the worker's."""
    return socket.socketpair()
