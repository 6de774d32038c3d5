"""Sessions: create, show, stop, hold and delete them."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from volition.errors import SessionError
from volition.service.gateway.auth import Role, allow
from volition.service.gateway.routes.requests import (
    NOT_FOUND,
    PROBLEM,
    check_reach,
    location,
    session_of,
    supervisor_of,
)
from volition.service.gateway.stops import stop_view, who
from volition.service.sessions.config import SessionConfig
from volition.service.sessions.named_models import pinned
from volition.service.supervision.model_choice import model_use
from volition.service.supervision.session import Session
from volition.service.wire.recordings import recording_view
from volition.service.wire.served import SessionList, SessionView, StoppedSession
from volition.service.wire.sessions import StepView, StopAnswer
from volition.service.wire.streams import StreamView


def sessions_router() -> APIRouter:
    """Make the routes."""
    router = APIRouter(prefix="/v1", responses={422: PROBLEM}, tags=["sessions"])

    @router.post("/sessions", status_code=201, responses={409: PROBLEM})
    @allow(Role.CONTROL)
    async def create_session(
        request: Request, response: Response, config: SessionConfig
    ) -> SessionView:
        """Create a session and start it; it connects by itself."""
        check_reach(request.scope["caller"], config)
        config = await asyncio.to_thread(pinned, config)
        session = await supervisor_of(request).create(config)
        response.headers["Location"] = location(request, f"/v1/sessions/{session.id}")
        return _view(session)

    @router.get("/sessions")
    @allow(Role.READ)
    async def list_sessions(request: Request) -> SessionList:
        """List all sessions, including stopped ones until they are deleted."""
        return SessionList(sessions=[_view(s) for s in supervisor_of(request).sessions.values()])

    @router.get("/sessions/{id}", responses=NOT_FOUND)
    @allow(Role.READ)
    async def get_session(request: Request, id: str) -> SessionView:
        """Show one session."""
        return _view(session_of(request, id))

    @router.post("/sessions/{id}/stop", responses=NOT_FOUND)
    @allow(Role.CONTROL)
    async def stop_session(request: Request, id: str) -> SessionView:
        """Stop a session; stopping again does nothing."""
        session = session_of(request, id)
        await supervisor_of(request).stop(session)
        return _view(session)

    @router.post("/sessions/{id}/estop", responses={**NOT_FOUND, 503: PROBLEM})
    @allow(Role.CONTROL, stops=True)
    async def emergency_stop(request: Request, id: str) -> StoppedSession:
        """Emergency stop: only neutral intents until it is released. 200 means that it holds."""
        session = session_of(request, id)
        answer = await supervisor_of(request).press(session, *who(request, "REST"))
        return StoppedSession(
            **dict(_view(session)),
            answer=StopAnswer(
                order=answer.order,
                outcome=answer.outcome,
                took_ms=round(answer.took_s * 1e3, 3),
                remembered=answer.remembered,
            ),
        )

    @router.delete("/sessions/{id}/estop", responses={**NOT_FOUND, 409: PROBLEM})
    @allow(Role.CONTROL)
    async def release_emergency_stop(
        request: Request,
        id: str,
        order: Annotated[
            int,
            Query(
                ge=0,
                description="Number of the press to release, `stop.order` of the view that was "
                "seen: refused if one came after, so that a release that is late releases nothing.",
            ),
        ],
    ) -> SessionView:
        """Release the emergency stop: what the view's `stop.release_moves` names may move again."""
        session = session_of(request, id)
        newest = session.word.order
        if order != newest:
            raise SessionError(
                f"the stop of session {id} was pressed again: its newest order is {newest}, not "
                f"{order}",
                order=newest,
            )
        await supervisor_of(request).release(session, order, *who(request, "REST"))
        return _view(session)

    @router.delete("/sessions/{id}", status_code=204)
    @allow(Role.CONTROL)
    async def delete_session(request: Request, id: str) -> None:
        """Stop a session and forget it; one that does not exist is no error."""
        supervisor = supervisor_of(request)
        if id in supervisor.sessions:
            await supervisor.delete(supervisor.get(id))

    return router


def _view(session: Session) -> SessionView:
    """Show a session as the API does."""
    now = session.steps[-1]
    return SessionView(
        id=session.id,
        state=now.state,
        reason=now.reason,
        since_utc=now.utc,
        held=session.held,
        stop=stop_view(session),
        life=session.hub.life,
        epoch=session.generation,
        worker_pid=session.process.pid if session.process else None,
        last_seq=session.hub.last_seq,
        stream=StreamView.model_validate(session.stream) if session.stream else None,
        warnings=session.warnings,
        recording=recording_view(session.recording),
        model=model_use(session),
        config=session.config,
        steps=[StepView(state=s.state, reason=s.reason, t=s.t, utc=s.utc) for s in session.steps],
    )
