"""One client's WebSocket: hello, then intents as they come, and what the client says.

Two tasks serve a socket: one empties the subscription, the other reads the client. Whichever ends
first ends both, and the client is told why (``bye``). A client that does not take what it is sent
blocks only its own task; its queue is bounded (see `volition.service.supervision.hub`), and when a
single send takes longer than `_SEND_S` the client is given up.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pydantic_core
import structlog
from pydantic import BaseModel, ValidationError
from starlette.websockets import WebSocket, WebSocketDisconnect

from volition.errors import ConfigError, SessionError, StopError
from volition.service.gateway.auth import Caller, Role
from volition.service.gateway.budgets import Stopwatch
from volition.service.gateway.direct import ASK, TOOK, WRITE, Ask, text_frame
from volition.service.gateway.guard import SPEND
from volition.service.gateway.markers import FarMarkerError, stamp, stamp_all
from volition.service.gateway.stops import who
from volition.service.supervision.hub import Closed, Gap, Subscription
from volition.service.supervision.outline_feed import OutlineSubscription
from volition.service.supervision.session import Session
from volition.service.supervision.stopping import Stopping
from volition.service.wire.messages import (
    PROTOCOL,
    Bye,
    ClientMessage,
    EmergencyStop,
    GapMessage,
    Gather,
    MarkersMessage,
    Ping,
    Pong,
    Refused,
    SignalHello,
    client_message_adapter,
)
from volition.service.wire.problems import problem
from volition.service.wire.served import Hello
from volition.service.worker.bus import INTENT_CODES, Frame, IntentCode
from volition.streams.lsl.clock import local_clock
from volition.streams.signal.outline import SOURCES

log = structlog.get_logger()

_SEND_S = 10.0
_ASK_EVERY_S, _BEHIND_S, _MOST_ASKED_PER_S = 0.15, 0.25, 100
#: Most digits of ``after``: no session counts that far.
_MOST_DIGITS = 19
_MAX_DETAIL_CHARS = 1000
_NORMAL, _GOING_AWAY, _POLICY = 1000, 1001, 1008


async def serve_intents(websocket: WebSocket, session: Session | None, id: str) -> None:
    """Serve one socket until either side is done."""
    if session is None:
        await websocket.send_denial_response(
            problem(404, "not-found", "No such session", f"there is no session {id}")
        )
        return
    try:
        after, life, kinds, min_gap_s = _parse_query(dict(websocket.query_params))
    except ConfigError as error:
        await websocket.send_denial_response(
            problem(422, "request", "The request is wrong", error.message)
        )
        return
    offered = websocket.scope.get("subprotocols", [])
    if offered and PROTOCOL not in offered:
        await websocket.send_denial_response(
            problem(400, "protocol", "Unknown subprotocol", f"found {offered}, allowed: {PROTOCOL}")
        )
        return
    await websocket.accept(PROTOCOL if offered else None)
    # A rate is kept by the sender, which the short way goes past.
    write = None if min_gap_s else _short_way(websocket)
    subscription = session.hub.subscribe(after=after, life=life, kinds=kinds, write=write)
    try:
        await _send(
            websocket,
            Hello(
                session=session.id,
                state=session.state,
                held=session.held,
                life=session.hub.life,
                epoch=session.generation,
                last_seq=session.hub.last_seq,
                lsl_time=local_clock(),
                config=session.config,
            ),
        )
        if session.state.final:
            subscription.end(f"{session.state}: {session.steps[-1].reason}")
        await _serve(websocket, session, subscription, min_gap_s)
    finally:
        session.hub.unsubscribe(subscription)


def _short_way(websocket: WebSocket) -> Callable[[Frame], bool] | None:
    """Give a function that writes an intent at once, or None if the server has none."""
    write = websocket.scope["extensions"].get(WRITE)
    return None if write is None else lambda frame: write(text_frame(frame.payload))


async def serve_signal(websocket: WebSocket, session: Session | None, id: str) -> None:
    """Serve the outline of a session's signal until either side is done."""
    if session is None:
        await websocket.send_denial_response(
            problem(404, "not-found", "No such session", f"there is no session {id}")
        )
        return
    asked = websocket.query_params.get("source", "cleaned")
    source = next((known for known in SOURCES if known == asked), None)
    if source is None or set(websocket.query_params) - {"source", "ticket"}:
        detail = f"allowed in the query: source (one of {', '.join(SOURCES)}), ticket"
        await websocket.send_denial_response(
            problem(422, "request", "The request is wrong", detail)
        )
        return
    offered = websocket.scope.get("subprotocols", [])
    await websocket.accept(PROTOCOL if PROTOCOL in offered else None)
    look = session.feed.open(source)
    try:
        if session.state.final:
            look.end(f"{session.state}: {session.steps[-1].reason}")
        await _until_one_ends(session, _show(websocket, session, look), _ignore(websocket))
    finally:
        session.feed.close(look)


async def _show(websocket: WebSocket, session: Session, look: OutlineSubscription) -> None:
    said: object = None
    while True:
        frame = await look.next()
        if isinstance(frame, Closed):
            await _say_bye(websocket, frame)
            return
        signal = session.signals.get(look.source)
        if signal is not said and signal is not None:
            said = signal
            hello = SignalHello(
                session=session.id, source=look.source, lsl_time=local_clock(), **signal
            )
            await _send(websocket, hello)
        async with asyncio.timeout(_SEND_S):
            await websocket.send_bytes(frame)


async def _ignore(websocket: WebSocket) -> None:
    """Read and ignore what the client sends, until it leaves."""
    while (await websocket.receive())["type"] != "websocket.disconnect":
        pass


def _parse_query(
    query: dict[str, str],
) -> tuple[int | None, str | None, frozenset[IntentCode] | None, float]:
    """Read ``after``, ``life``, ``kinds`` and ``max_rate``; raise `ConfigError` on all else."""
    unknown = set(query) - {"after", "life", "kinds", "max_rate", "ticket"}
    if unknown:
        raise ConfigError(
            f"unknown query keys {sorted(unknown)}; allowed: after, life, kinds, max_rate, ticket"
        )
    after = None
    if "after" in query:
        digits = query["after"]
        if not (digits.isascii() and digits.isdigit() and len(digits) <= _MOST_DIGITS):
            raise ConfigError(f"after is a number from 0, found {digits[: 2 * _MOST_DIGITS]!r}")
        after = int(digits)
    kinds = None
    if "kinds" in query:
        names = query["kinds"].split(",")
        wrong = [name for name in names if name not in INTENT_CODES or name == "none"]
        if wrong:
            allowed = ", ".join(name for name in INTENT_CODES if name != "none")
            raise ConfigError(f"kinds has {wrong}; allowed: {allowed}")
        kinds = frozenset(INTENT_CODES[name] for name in names)
    min_gap_s = 0.0
    if "max_rate" in query:
        try:
            rate_hz = float(query["max_rate"])
        except ValueError:
            rate_hz = 0.0
        if not 0 < rate_hz < float("inf"):
            raise ConfigError(f"max_rate is a rate in Hz above 0, found {query['max_rate']!r}")
        min_gap_s = 1.0 / rate_hz
    return after, query.get("life"), kinds, min_gap_s


async def _serve(
    websocket: WebSocket, session: Session, subscription: Subscription, min_gap_s: float
) -> None:
    await _until_one_ends(
        session,
        _send_all(websocket, session, subscription, min_gap_s),
        _read_all(websocket, session, subscription),
        _watch(websocket, session, subscription),
    )


async def _watch(websocket: WebSocket, session: Session, subscription: Subscription) -> None:
    """Notice within half a second when the client does not read what it is sent, and tell of it.

    Among many clients each is asked more seldom.
    """
    ask: Ask = websocket.scope["extensions"].get(ASK, lambda: 0.0)
    client = websocket.client.host if websocket.client else ""
    while True:
        n_clients = len(session.hub.subscriptions)
        pause_s, began = max(_ASK_EVERY_S, n_clients / _MOST_ASKED_PER_S), time.monotonic()
        await asyncio.sleep(pause_s)
        silent_s = ask()
        if time.monotonic() - began - pause_s > _ASK_EVERY_S:
            continue  # it is we who stood still: an answer may be there and unread
        was_behind, is_behind = subscription.behind_s > 0, silent_s >= _BEHIND_S
        subscription.behind_s = silent_s if is_behind else 0.0
        if is_behind and not was_behind:
            log.warning("a client does not keep up", session=session.id, client=client)
        elif was_behind and not is_behind:
            log.info("a client keeps up again", session=session.id, client=client)


async def _until_one_ends(session: Session, *all_of_it: Coroutine[Any, Any, None]) -> None:
    tasks = {asyncio.create_task(each) for each in all_of_it}
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    for task in done:
        error = task.exception()
        if isinstance(error, TimeoutError):
            log.warning("client does not read; closing it", session=session.id)
        elif error is not None and not isinstance(error, WebSocketDisconnect):
            raise error


async def _send_all(
    websocket: WebSocket, session: Session, subscription: Subscription, min_gap_s: float
) -> None:
    """Send what the subscription gives, no cursor more often than ``min_gap_s``."""
    last_cursor = -min_gap_s
    while True:
        item = await subscription.next()
        if isinstance(item, Frame):
            if session.withholds(item):
                await _send(websocket, GapMessage(first=item.seq, last=item.seq))
                continue
            if min_gap_s and item.intent_code is IntentCode.CURSOR:
                now = time.monotonic()
                if now - last_cursor < min_gap_s:
                    continue
                last_cursor = now
            async with asyncio.timeout(_SEND_S):
                await websocket.send_text(item.payload.decode())
        elif isinstance(item, Gap):
            await _send(websocket, GapMessage(first=item.first, last=item.last))
        else:
            await _say_bye(websocket, item)
            return


async def _say_bye(websocket: WebSocket, closed: Closed) -> None:
    await _send(websocket, Bye(reason=closed.reason))
    await websocket.close(_NORMAL, closed.reason[:120])


async def _read_all(websocket: WebSocket, session: Session, subscription: Subscription) -> None:
    """Answer the client's messages; a wrong one is refused, not fatal."""
    took: Callable[[float], None] = websocket.scope["extensions"].get(TOOK, lambda _: None)
    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            return
        stopwatch = Stopwatch(_take(websocket, session, subscription, message.get("text")))
        await stopwatch
        took(stopwatch.spent_s)


async def _take(
    websocket: WebSocket, session: Session, subscription: Subscription, text: str | None
) -> None:
    """Do what one message says."""
    caller: Caller = websocket.scope["caller"]
    parsed = read_message(text)
    if isinstance(parsed, Refused):
        await _send(websocket, parsed)
    elif isinstance(parsed, Ping):
        await _send(
            websocket,
            Pong(
                t_client=parsed.t_client,
                lsl_time=local_clock(),
                waiting=subscription.waiting,
                behind_s=subscription.behind_s,
            ),
        )
    elif isinstance(parsed, Gather):
        subscription.gather(parsed.for_s)
    elif caller.role < Role.CONTROL:
        detail = f"{parsed.type} needs the role {Role.CONTROL}, found {caller.role}"
        await _send(websocket, Refused(detail=detail))
    elif isinstance(parsed, EmergencyStop):
        await _stop(websocket, session)
    elif websocket.scope[SPEND]() > 0:
        await _send(websocket, Refused(detail="too many changes a second"))
    else:
        try:
            if isinstance(parsed, MarkersMessage):
                stamp_all(session, parsed)
            else:
                stamp(session, parsed)
        except (SessionError, FarMarkerError) as error:
            await _send(websocket, Refused(detail=error.message))


async def _stop(websocket: WebSocket, session: Session) -> None:
    """Press the emergency stop; the status that follows tells whether it is confirmed."""
    stopping: Stopping = websocket.app.state.supervisor.stopping
    try:
        await stopping.press(session, *who(websocket, "a socket"))
    except StopError as error:
        await _send(websocket, Refused(detail=error.message))


def read_message(text: str | None) -> ClientMessage | Refused:
    """Read what a client sent; ``text`` is None for a binary message.

    Returns
    -------
    ClientMessage or Refused
        The message, or the answer that says what is wrong with it.
    """
    if text is None:
        return Refused(detail="binary messages are not understood")
    try:
        return client_message_adapter.validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "message"
        return Refused(detail=f"{where}: {first['msg']}"[:_MAX_DETAIL_CHARS])


async def _send(websocket: WebSocket, message: BaseModel) -> None:
    async with asyncio.timeout(_SEND_S):
        await websocket.send_text(pydantic_core.to_json(message, by_alias=True).decode())
