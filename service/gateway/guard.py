"""What stands before every route: where a request comes from, who sent it, how much of it.

An ASGI middleware for HTTP and WebSocket alike. It finds the route that will answer, by the same
matching as the router, and asks what the route's endpoint declares
(`volition.service.gateway.auth.allow`); one that declares nothing is refused to everybody. In this
order:

1. ``Host`` is an address of this machine or a name that was allowed: no page can reach the service
   under a name that it has made point here (DNS rebinding).
2. ``Origin``, when a browser sends one, is the service's own or one that was allowed.
3. The token, or for a socket the one-use ticket, opens the role that the route asks for. A request
   from another machine, or through a proxy, needs one even where this machine needs none.
4. Limits: how much of the loop's time one caller's reads take, its changes a second (a socket's
   markers are changes too), bytes of a query and of a body, the time that the body takes, sockets
   of a session and in all. Who reads too much waits; who changes too often is refused, a moment
   later. Refusals of one address are limited to a number a second.

Every refusal is a problem document, for a socket too, before it opens. An open socket whose token
is revoked is closed within a fifth of a second, whether or not anything is sent by it, and nothing
that its client sends after the revocation is done. No limit refuses an emergency stop.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import re
import time
from collections import Counter
from collections.abc import Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast
from urllib.parse import parse_qsl, urlencode, urlsplit

import structlog
from fastapi.routing import APIRoute
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from volition.service.gateway.auth import (
    ANYONE,
    Authority,
    Caller,
    Role,
    UnauthorizedError,
    declared_role,
    is_stop,
    takes_uploads,
)
from volition.service.gateway.budgets import MOST_CALLERS, LoopTime, Stopwatch, Turnstile
from volition.service.gateway.direct import WRITE
from volition.service.wire.problems import problem

log = structlog.get_logger()

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::\d{1,5})?")
_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_POLICY_VIOLATION = 1008
#: Headers by which proxies say whom they speak for, beside those that begin with x-forwarded-.
_FORWARDING = frozenset({b"forwarded", b"via", b"x-real-ip", b"x-client-ip", b"cf-connecting-ip"})
TOO_MANY = 429
#: What stands before or between the values of JSON.
_BESIDE_VALUES = (b",", b"[", b"{")
SPEND = "volition.spend"
"""Key in a scope: counts one more change of its caller, and gives the seconds to wait if any."""

#: Who asks again at once after a refusal would otherwise be refused thousands of times a second.
_REFUSE_AFTER_S = 0.2
_LONGEST_WAIT_S = 5.0
#: Sockets that one caller opens a second; all that there may be are opened at once.
_OPENINGS_PER_S = 100.0
#: Refusals that one address gets a second, and at once; it has shown no token that is known.
_REFUSALS_PER_S, _REFUSALS_AT_ONCE = 100.0, 200.0
#: What the first read and the first change of a caller are taken to cost until it is known.
_USUAL_READ_S, _USUAL_CHANGE_S = 0.002, 0.0005
#: How often the tokens of open sockets are looked at.
_WATCH_S = 0.1


@dataclass(frozen=True)
class Limits:
    """How much one service takes.

    Parameters
    ----------
    body_bytes
        Largest body of a request.
    upload_bytes
        Largest body where a file is sent.
    clients, clients_per_session
        Open sockets, in all and of one session.
    changes_per_s, changes_at_once
        State-changing requests of one caller, markers by socket among them: how many a second, and
        how many in a burst.
    reads_share, reads_at_once_s
        Share of the event loop's time that all other requests of one caller may take, and how many
        seconds of it more at once; those beyond wait.
    changes_share, changes_at_once_s
        The same for state-changing requests.
    query_bytes
        Longest query string.
    body_values
        Most values of JSON in a body, counted by the characters between and around them.
    body_s
        How long the body of a request may take to come.
    """

    body_bytes: int = 1 << 20
    upload_bytes: int = 32 << 20
    clients: int = 1024
    clients_per_session: int = 512
    changes_per_s: float = 200.0
    changes_at_once: int = 400
    reads_share: float = 0.15
    reads_at_once_s: float = 0.04
    changes_share: float = 0.25
    changes_at_once_s: float = 0.1
    query_bytes: int = 8192
    body_values: int = 5000
    body_s: float = 30.0


@dataclass(frozen=True)
class Access:
    """Who may reach the service, from where, and how much of it.

    Parameters
    ----------
    authority
        Knows the tokens.
    beyond_loopback
        Whether the service listens on more than this machine; any IP address may then stand in
        ``Host``, since no page can rebind an address.
    hosts
        Names that may stand in ``Host`` beside ``localhost`` and addresses.
    origins
        Origins of pages that may call the service beside its own, as ``https://lab.example``.
    limits
        How much.
    """

    authority: Authority = field(default_factory=Authority)
    beyond_loopback: bool = False
    hosts: frozenset[str] = frozenset()
    origins: frozenset[str] = frozenset()
    limits: Limits = Limits()


class _Found(NamedTuple):
    """The route of a request; ``methods`` are those allowed when the request's is not."""

    route: BaseRoute | None
    parameters: dict[str, Any]
    methods: set[str]


class Guard:
    """The middleware.

    Parameters
    ----------
    app
        What is guarded.
    routes
        The routes that `app` chooses among.
    access
        The rules.
    """

    def __init__(self, app: ASGIApp, routes: Sequence[BaseRoute], access: Access) -> None:
        self._app = app
        self._routes = routes
        self._access = access
        limits = access.limits
        self._rates = _Rates(limits.changes_per_s, limits.changes_at_once)
        self._reads = LoopTime(
            limits.reads_share, limits.reads_at_once_s, _LONGEST_WAIT_S, _USUAL_READ_S
        )
        self._changes = LoopTime(
            limits.changes_share, limits.changes_at_once_s, _LONGEST_WAIT_S, _USUAL_CHANGE_S
        )
        self._openings = Turnstile(_OPENINGS_PER_S, limits.clients, _LONGEST_WAIT_S)
        self._refusals = Turnstile(_REFUSALS_PER_S, _REFUSALS_AT_ONCE, _LONGEST_WAIT_S)
        self._sockets: Counter[str] = Counter()
        self._revocations = _Revocations(access.authority)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        route, parameters, methods = self._find(scope)
        refusal, caller = self._judge(scope, route)
        if refusal is None and methods:
            refusal = _wrong_method(scope["method"], methods)
        who = caller.token_id or _peer(scope)
        expected_s = 0.0
        if refusal is None and not is_stop(route):
            wait_s, expected_s, share = self._turn(scope, who)
            if wait_s is None:
                refusal = _takes_too_much(share)
            elif wait_s > 0:
                await asyncio.sleep(wait_s)
        if refusal is None and scope["type"] == "websocket":
            refusal = self._too_many_sockets(parameters.get("id", ""))
        if refusal is not None:
            await asyncio.sleep(self._refuse_after_s(refusal, scope))
            await _refuse(refusal, scope, receive, send)
            return
        scope["caller"] = caller
        scope[SPEND] = lambda: self._rates.spend(who)
        if scope["type"] == "http":
            bounded = self._bounded(receive, self._most_bytes(route))
            work = self._app(scope, bounded, send)
            if is_stop(route):
                await work
            else:
                await self._run(scope, who, cast("Coroutine[Any, Any, None]", work), expected_s)
            return
        id_ = parameters.get("id", "")
        self._sockets[id_] += 1
        socket = _RevocableSocket(self._access.authority, caller, receive, send)
        try:
            with self._revocations.watching(socket):
                await self._app(
                    self._short_way_while_allowed(caller, _without_ticket(scope)),
                    socket.receive,
                    socket.send,
                )
        finally:
            self._sockets[id_] -= 1
            if not self._sockets[id_]:
                del self._sockets[id_]

    def _refuse_after_s(self, refusal: Response, scope: Scope) -> float:
        if refusal.status_code == TOO_MANY:
            return _REFUSE_AFTER_S
        wait_s = self._refusals.turn(_peer(scope))
        return _LONGEST_WAIT_S if wait_s is None else wait_s

    def _turn(self, scope: Scope, who: str) -> tuple[float | None, float, float]:
        """Give the seconds until it is a caller's turn; what it is to cost; the caller's share."""
        if scope["type"] == "websocket":
            return self._openings.turn(who), 0.0, self._reads.share
        loop_time = self._loop_time(scope)
        return *loop_time.turn(who), loop_time.share

    def _loop_time(self, scope: Scope) -> LoopTime:
        return self._reads if scope["method"] in _READING else self._changes

    async def _run(
        self, scope: Scope, who: str, work: Coroutine[Any, Any, None], expected_s: float
    ) -> None:
        """Answer a caller; its next requests wait for what this one takes of the loop."""
        stopwatch = Stopwatch(work)
        try:
            await stopwatch
        finally:
            self._loop_time(scope).settle(who, expected_s, stopwatch.spent_s)

    def _find(self, scope: Scope) -> _Found:
        """Find the route that will answer, or those of the path that take other methods."""
        found = _Found(None, {}, set())
        for route in self._routes:
            match, child = route.matches(scope)
            if match is Match.FULL:
                return _Found(route, child.get("path_params", {}), set())
            if match is Match.PARTIAL:
                found.methods.update(getattr(route, "methods", None) or ())
                if found.route is None:
                    found = _Found(route, child.get("path_params", {}), found.methods)
        return found

    def _judge(self, scope: Scope, route: BaseRoute | None) -> tuple[Response | None, Caller]:
        """Give why a request is refused, or who it is from."""
        headers = Headers(scope=scope)
        refusal = self._wrong_place(headers) or self._too_long(scope)
        if refusal is not None:
            return refusal, ANYONE
        # What is not there is told only to those who may read what is.
        needed = declared_role(route) if route is not None else Role.READ
        if needed is None:
            return problem(403, "forbidden", "Not allowed", "nobody may call this"), ANYONE
        try:
            caller = Caller("anyone", Role.OPEN) if needed is Role.OPEN else self._caller(scope)
        except UnauthorizedError as error:
            log.info("refused", path=scope["path"], peer=_peer(scope), reason=error.message)
            return _unauthorized(error), ANYONE
        if caller.role < needed:
            return _forbidden(caller, needed), caller
        refusal = _unknown_query(scope, route) or self._too_much(scope, headers, caller, route)
        return refusal, caller

    def _too_long(self, scope: Scope) -> Response | None:
        n_bytes, limit = len(scope["query_string"]), self._access.limits.query_bytes
        if n_bytes <= limit:
            return None
        detail = f"found {n_bytes} bytes, at most {limit}"
        return problem(414, "query", "The query is too long", detail)

    def _wrong_place(self, headers: Headers) -> Response | None:
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._host_allowed(hosts[0]):
            return problem(
                421,
                "host",
                "Not this service",
                f"found Host {hosts}; allowed are this machine's addresses, localhost and what "
                "--allow-host names",
            )
        for origin in headers.getlist("origin"):
            if not self._origin_allowed(origin, hosts[0]):
                return problem(
                    403,
                    "origin",
                    "Page of another origin",
                    f"found Origin {origin}; allowed are the service's own and what --allow-origin "
                    "names",
                )
        return None

    def _host_allowed(self, host: str) -> bool:
        match = _HOST.fullmatch(host)
        if match is None:
            return False
        name = match[1].strip("[]").lower().removesuffix(".")
        if name == "localhost" or name in self._access.hosts:
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        return self._access.beyond_loopback or address.is_loopback

    def _origin_allowed(self, origin: str, host: str) -> bool:
        if origin in self._access.origins:
            return True
        try:
            parts = urlsplit(origin)
        except ValueError:
            return False
        # The scheme may differ from ours: a proxy in front may have ended the encryption.
        return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower()

    def _caller(self, scope: Scope) -> Caller:
        authority = self._access.authority
        authorization = Headers(scope=scope).get("authorization")
        ticket = dict(_query(scope)).get("ticket") if scope["type"] == "websocket" else None
        if authorization is None and ticket is not None:
            return authority.redeem_ticket(ticket)
        return authority.caller(authorization, from_elsewhere=_is_from_elsewhere(scope))

    def _most_bytes(self, route: BaseRoute | None) -> int:
        limits = self._access.limits
        return limits.upload_bytes if takes_uploads(route) else limits.body_bytes

    def _too_much(
        self, scope: Scope, headers: Headers, caller: Caller, route: BaseRoute | None
    ) -> Response | None:
        if scope["type"] != "http" or is_stop(route):
            return None
        most_bytes = self._most_bytes(route)
        limits = self._access.limits
        length = headers.get("content-length", "")
        if length.isascii() and length.isdigit() and int(length[:20]) > most_bytes:
            return _too_large(most_bytes)
        if scope["method"] not in _READING:
            wait_s = self._rates.spend(caller.token_id or _peer(scope))
            if wait_s > 0:
                refusal = problem(
                    429,
                    "rate",
                    "Too many changes",
                    f"more than {limits.changes_per_s:g} changes a second; wait {wait_s:.3f} s",
                )
                refusal.headers["Retry-After"] = str(max(1, round(wait_s)))
                return refusal
        return None

    def _too_many_sockets(self, id: str) -> Response | None:
        limits = self._access.limits
        of_session, in_all = self._sockets[id], self._sockets.total()
        if of_session < limits.clients_per_session and in_all < limits.clients:
            return None
        return problem(
            503,
            "clients",
            "Too many clients",
            f"{of_session} clients listen to this session and {in_all} in all; no more than "
            f"{limits.clients_per_session} and {limits.clients} may",
        )

    def _bounded(self, receive: Receive, limit: int) -> Receive:
        """Count the bytes of a body that did not say its length, or said it wrong, and its values.

        It must also come in time.
        """
        taken, n_values, is_whole = 0, 1, False
        limits = self._access.limits
        deadline, most_values = time.monotonic() + limits.body_s, limits.body_values

        async def receive_bounded() -> Message:
            nonlocal taken, n_values, is_whole
            if is_whole:  # the client's leaving is waited for
                return await receive()
            try:
                async with asyncio.timeout(deadline - time.monotonic()):
                    message = await receive()
            except TimeoutError:
                raise HTTPException(408, "the body did not come in time") from None
            body = message.get("body", b"")
            taken += len(body)
            n_values += sum(map(body.count, _BESIDE_VALUES))
            is_whole = not message.get("more_body", False)
            if taken > limit:
                raise HTTPException(413, f"the body is larger than {limit} bytes")
            if n_values > most_values:
                raise HTTPException(422, f"the body holds more than {most_values} values")
            return message

        return receive_bounded

    def _short_way_while_allowed(self, caller: Caller, scope: Scope) -> Scope:
        """Have the short way say no once the token is revoked: the long one closes the socket."""
        write = scope["extensions"].get(WRITE)
        if write is None or caller.token_id is None:
            return scope

        def write_while_allowed(frame: bytes) -> bool:
            return self._access.authority.still_holds(caller) and write(frame)

        return {**scope, "extensions": {**scope["extensions"], WRITE: write_while_allowed}}


class _RevocableSocket:
    """A socket that closes when its token is revoked; what is sent after that goes nowhere."""

    def __init__(self, authority: Authority, caller: Caller, receive: Receive, send: Send) -> None:
        self.caller = caller
        self._authority = authority
        self._receive = receive
        self._send = send
        self._is_closed = False

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "websocket.receive" and not self._authority.still_holds(
            self.caller, look=True
        ):
            await self.close()
            return {"type": "websocket.disconnect", "code": _POLICY_VIOLATION}
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "websocket.send" and not self._authority.still_holds(self.caller):
            await self.close()
        elif not self._is_closed:
            await self._send(message)

    async def close(self) -> None:
        """Close it, unless that was done already."""
        if self._is_closed:
            return
        self._is_closed = True
        log.info("socket closed: token revoked", token=self.caller.name)
        reason = "the token was revoked"
        await self._send({"type": "websocket.close", "code": _POLICY_VIOLATION, "reason": reason})


class _Revocations:
    """Watches the tokens of open sockets, and closes those whose token is gone."""

    def __init__(self, authority: Authority) -> None:
        self._authority = authority
        self._open: set[_RevocableSocket] = set()
        self._watch: asyncio.Task[None] | None = None

    @contextlib.contextmanager
    def watching(self, socket: _RevocableSocket) -> Iterator[None]:
        """Watch the token of a socket while it is open."""
        if socket.caller.token_id is None:
            yield
            return
        self._open.add(socket)
        if self._watch is None or self._watch.done():
            self._watch = asyncio.create_task(self._close_revoked())
        try:
            yield
        finally:
            self._open.discard(socket)

    async def _close_revoked(self) -> None:
        while self._open:
            await asyncio.sleep(_WATCH_S)
            revoked = [one for one in self._open if not self._authority.still_holds(one.caller)]
            await asyncio.gather(*(one.close() for one in revoked), return_exceptions=True)


class _Rates:
    """A bucket for each caller: it fills steadily and every change takes one out."""

    def __init__(self, per_s: float, at_once: int) -> None:
        self._per_s = per_s
        self._at_once = float(at_once)
        self._left: dict[str, tuple[float, float]] = {}

    def spend(self, who: str) -> float:
        """Take one; give the seconds to wait when there is none."""
        now = time.monotonic()
        left, since = self._left.pop(who, (self._at_once, now))
        left = min(self._at_once, left + (now - since) * self._per_s)
        self._left[who] = (max(left - 1.0, 0.0) if left >= 1.0 else left, now)
        while len(self._left) > MOST_CALLERS:
            del self._left[next(iter(self._left))]
        return 0.0 if left >= 1.0 else (1.0 - left) / self._per_s


def _query(scope: Scope) -> list[tuple[str, str]]:
    return parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)


def _without_ticket(scope: Scope) -> Scope:
    """Take the ticket out of what the application sees and might tell."""
    query = [(key, value) for key, value in _query(scope) if key != "ticket"]
    return {**scope, "query_string": urlencode(query).encode("ascii")}


def _is_from_elsewhere(scope: Scope) -> bool:
    """Whether a request may come from another machine: by its address, or through a proxy.

    A proxy names whom it speaks for, or speaks HTTP/1.0, as nginx did by default for long.
    """
    if scope["http_version"] == "1.0" or any(
        name in _FORWARDING or name.startswith(b"x-forwarded-") for name, _ in scope["headers"]
    ):
        return True
    try:
        return not ipaddress.ip_address(_peer(scope)).is_loopback
    except ValueError:
        return False  # no network lies between


def _peer(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else "unknown"


def _unknown_query(scope: Scope, route: BaseRoute | None) -> Response | None:
    """Refuse a query that holds a key which the route does not take, as a mistyped one."""
    if scope["type"] != "http" or not isinstance(route, APIRoute) or not route.include_in_schema:
        return None
    allowed = sorted(one.alias for one in route.dependant.query_params)
    unknown = sorted({key for key, _ in _query(scope)} - {*allowed})
    if not unknown:
        return None
    errors = [
        {"path": f"query.{key}", "message": "unknown key", "allowed": allowed} for key in unknown
    ]
    detail = (
        f"unknown in the query: {', '.join(unknown)}; allowed: {', '.join(allowed) or 'nothing'}"
    )
    return problem(422, "request", "The request is wrong", detail, errors=errors)


def _unauthorized(error: UnauthorizedError) -> Response:
    challenge = 'Bearer realm="volition"'
    if error.fields.get("presented"):
        challenge += ', error="invalid_token"'
    refusal = problem(401, error.code, "A token is needed", error.message)
    refusal.headers["WWW-Authenticate"] = challenge
    return refusal


def _forbidden(caller: Caller, needed: Role) -> Response:
    refusal = problem(
        403,
        "forbidden",
        "Not allowed",
        f"this needs the role {needed}, the token {caller.name} has {caller.role}",
    )
    challenge = f'Bearer realm="volition", error="insufficient_scope", scope="{needed}"'
    refusal.headers["WWW-Authenticate"] = challenge
    return refusal


def _wrong_method(found: str, allowed: set[str]) -> Response:
    # The router would name the methods of one route of the path, not of all.
    named = ", ".join(sorted(allowed))
    refusal = problem(405, "method", "Wrong method", f"found {found}, allowed: {named}")
    refusal.headers["Allow"] = named
    return refusal


def _too_large(limit: int) -> Response:
    refusal = problem(
        413, "too-large", "The body is too large", f"no more than {limit} bytes are allowed"
    )
    refusal.headers["Connection"] = "close"  # what is still on its way is not read
    return refusal


async def _refuse(refusal: Response, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        await refusal(scope, receive, send)
    elif "websocket.http.response" in scope.get("extensions", {}):
        await WebSocket(scope, receive, send).send_denial_response(refusal)
    else:
        await send({"type": "websocket.close", "code": _POLICY_VIOLATION, "reason": "refused"})


def _takes_too_much(share: float) -> Response:
    detail = f"they take more than {share:.0%} of the service's time"
    refusal = problem(TOO_MANY, "rate", "Too many requests", detail)
    refusal.headers["Retry-After"] = str(round(_LONGEST_WAIT_S))
    return refusal
