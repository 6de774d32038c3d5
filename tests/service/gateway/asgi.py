"""Drive an application as a server does, by ASGI, so that a test can say any header."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

from fastapi import FastAPI

from volition.service.gateway.auth import Role, declared_role


class Answer(NamedTuple):
    """The status (101 for a socket that opened), headers and body of one request."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        return str(json.loads(self.body)["type"]).rpartition(":")[2]


class Call(NamedTuple):
    """One way to reach a route."""

    kind: str
    method: str
    path: str
    role: Role | None


def calls_of(app: FastAPI) -> list[Call]:
    """Give each route and method of an application; ``{id}`` becomes that of no session."""
    found = []
    for route in app.routes:
        path = str(getattr(route, "path", "")).replace("{id}", "nobody")
        methods = getattr(route, "methods", None)
        if methods is None:
            found.append(Call("websocket", "GET", path, declared_role(route)))
        found += [Call("http", method, path, declared_role(route)) for method in methods or ()]
    return found


async def ask(app: Any, call: Call, body: bytes = b"x", /, **headers: str) -> Answer:
    """Send one request; its body is nothing that a route takes."""
    given_headers = {"host": "127.0.0.1:8765", **headers}
    scope = {
        "type": call.kind,
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": call.method,
        "scheme": "http" if call.kind == "http" else "ws",
        "path": call.path.partition("?")[0],
        "raw_path": call.path.encode(),
        "query_string": call.path.partition("?")[2].encode(),
        "headers": [(k.encode(), v.encode()) for k, v in given_headers.items() if v],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 8765),
        "subprotocols": [],
        "extensions": {"websocket.http.response": {}},
    }
    first = {"type": "http.request", "body": body, "more_body": False}
    incoming = iter([first if call.kind == "http" else {"type": "websocket.connect"}])
    sent: list[Any] = []

    async def receive() -> Any:
        return next(incoming, {"type": f"{call.kind}.disconnect", "code": 1000})

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    if sent[0]["type"] == "websocket.accept":
        return Answer(101, {}, b"")
    told = {k.decode().lower(): v.decode() for k, v in sent[0]["headers"]}
    return Answer(sent[0]["status"], told, b"".join(m.get("body", b"") for m in sent[1:]))


@contextlib.asynccontextmanager
async def running(app: FastAPI) -> AsyncIterator[FastAPI]:
    """Start and end an application around a block."""
    async with app.router.lifespan_context(app):
        yield app


def bearer(secret: str) -> str:
    return f"Bearer {secret}"
