"""A socket for programs that wait for each message.

Without TLS it is websockets' own, where one thread reads and another writes. Over TLS those two
would use one connection of OpenSSL at once, which Python does not keep apart in every version:
about one in a thousand first requests was lost. There, an event loop in a thread of its own does
both.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any, Protocol

from anyio.from_thread import BlockingPortal, start_blocking_portal
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as connect_async
from websockets.sync.client import connect


class BlockingSocket(Protocol):
    """What a program does with a socket; the errors are websockets'."""

    def send(self, message: str) -> None:
        """Send a text."""

    def recv(self, timeout: float | None = None) -> str | bytes:
        """Give the next message; raise `TimeoutError` where none comes in ``timeout`` seconds."""


@contextlib.contextmanager
def connected(url: str, options: dict[str, Any]) -> Iterator[BlockingSocket]:
    """Open a socket; ``options`` are those that websockets' two ``connect`` share."""
    if not url.startswith("wss:"):
        with connect(url, **options) as socket:
            yield socket
        return
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(connect_async(url, **options)) as connection,
    ):
        yield _InAnotherThread(portal, connection)


class _InAnotherThread:
    """Does all that is asked of it in the thread of the connection's event loop."""

    def __init__(self, portal: BlockingPortal, connection: ClientConnection) -> None:
        self._portal, self._connection = portal, connection

    def send(self, message: str) -> None:
        self._portal.call(self._connection.send, message)

    def recv(self, timeout: float | None = None) -> str | bytes:
        return self._portal.call(self._receive, timeout)

    async def _receive(self, timeout_s: float | None) -> str | bytes:
        async with asyncio.timeout(timeout_s):
            return await self._connection.recv()
