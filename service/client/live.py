"""The socket of a session's messages, as a blocking and as an async iterator."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

from websockets.asyncio.client import connect as connect_async
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from volition.service.client.blocking import connected
from volition.service.client.call import session_path
from volition.service.client.transport import Caller
from volition.service.wire.messages import PROTOCOL, ServerMessage, server_message_adapter


@contextlib.contextmanager
def messages(caller: Caller[Any], id: str, **query: Any) -> Iterator[Iterator[ServerMessage]]:
    """Open the socket of a session; ``query`` holds what `Client.subscribe` takes."""
    with connected(socket_url(caller, id, query), socket_options(caller)) as socket:

        def received() -> Iterator[ServerMessage]:
            with contextlib.suppress(ConnectionClosed):
                while True:
                    yield server_message_adapter.validate_json(socket.recv())

        yield received()


@contextlib.asynccontextmanager
async def messages_async(
    caller: Caller[Any], id: str, **query: Any
) -> AsyncIterator[AsyncIterator[ServerMessage]]:
    """Open the socket of a session; ``query`` holds what `AsyncClient.subscribe` takes."""
    async with connect_async(socket_url(caller, id, query), **socket_options(caller)) as socket:

        async def received() -> AsyncIterator[ServerMessage]:
            with contextlib.suppress(ConnectionClosed):
                while True:
                    yield server_message_adapter.validate_json(await socket.recv())

        yield received()


def socket_url(caller: Caller[Any], id: str, query: Mapping[str, Any]) -> str:
    """Give the address of a session's socket."""
    given = {key: value for key, value in query.items() if value is not None}
    url = caller.url.rstrip("/").replace("http", "ws", 1) + session_path(id, "/intents")
    return f"{url}?{urlencode(given)}" if given else url


def socket_options(caller: Caller[Any]) -> dict[str, Any]:
    """Give what websockets' ``connect`` needs to know besides."""
    return {
        "subprotocols": [Subprotocol(PROTOCOL)],
        "additional_headers": caller.headers,
        "ssl": caller.tls,
        "compression": None,
        "proxy": None,
        "max_queue": None,
    }
