"""A session's intents by the page, and the sockets of its intents and its signal."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response, WebSocket

from volition.service.gateway.auth import Role, allow
from volition.service.gateway.routes.requests import PROBLEM, session_of
from volition.service.gateway.sockets import serve_intents, serve_signal
from volition.service.supervision.hub import Hub, NotKeptError
from volition.service.supervision.session import Session
from volition.service.wire.intents import IntentPage
from volition.service.wire.problems import GoneError


def intents_router() -> APIRouter:
    """Make the routes."""
    router = APIRouter(prefix="/v1", responses={422: PROBLEM}, tags=["intents"])

    @router.get("/sessions/{id}/intents", responses={404: PROBLEM, 410: PROBLEM})
    @allow(Role.READ)
    async def list_intents(
        request: Request,
        id: str,
        *,
        after: Annotated[int, Query(ge=0, description="Only intents after this number.")] = 0,
        life: Annotated[
            str | None, Query(description="Life of the session in which that number was given.")
        ] = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        wait: Annotated[
            float, Query(ge=0, le=60, description="Seconds to wait for an intent if there is none.")
        ] = 0,
    ) -> IntentPage:
        """List the intents after a number, oldest first."""
        page = await _page_of(session_of(request, id), after, life, limit, wait)
        return Response(page, media_type="application/json")  # type: ignore[return-value]  # encoded already

    @router.websocket("/sessions/{id}/intents")
    @allow(Role.READ)
    async def socket(websocket: WebSocket, id: str) -> None:
        await serve_intents(websocket, websocket.app.state.supervisor.sessions.get(id), id)

    @router.websocket("/sessions/{id}/signal")
    @allow(Role.READ)
    async def signal(websocket: WebSocket, id: str) -> None:
        await serve_signal(websocket, websocket.app.state.supervisor.sessions.get(id), id)

    return router


async def _page_of(
    session: Session, after: int, life: str | None, limit: int, wait_s: float
) -> bytes:
    """Give a page of intents as JSON; wait for the first if there is none yet."""
    hub = session.hub
    try:
        hub.check_kept(after, life)
    except NotKeptError as error:
        raise _gone(hub, error) from None
    if wait_s > 0 and hub.last_seq <= after and not session.state.final:
        subscription = hub.subscribe()
        try:
            async with asyncio.timeout(wait_s):
                while hub.last_seq <= after and not session.state.final:
                    await subscription.next()
        except TimeoutError:
            pass
        finally:
            hub.unsubscribe(subscription)
    session.look_at_word()
    try:
        frames = hub.page(after, limit, life)
    except NotKeptError as error:
        raise _gone(hub, error) from None
    intents = b",".join(frame.payload for frame in frames)
    return b'{"intents":[%b],"last_seq":%d,"life":"%b"}' % (
        intents,
        hub.last_seq,
        hub.life.encode(),
    )


def _gone(hub: Hub, error: NotKeptError) -> GoneError:
    """Say why there is no going on, and what there is."""
    return GoneError(str(error), life=hub.life, oldest=hub.oldest_seq, last_seq=hub.last_seq)
