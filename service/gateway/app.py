"""The gateway: REST and WebSocket in front of the supervisor.

`create_app` wires the routes of ``docs/protocol.md``. Nothing here touches a sample: intents come
encoded from the workers and go out as they are, and each socket has a task of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import time
from collections.abc import AsyncIterator
from importlib.metadata import version
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, FastAPI, Query, Request, Response, WebSocket
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse

from volition.chunk import Event
from volition.decoders.artifacts.electrodes import from_above
from volition.errors import LslMissingError
from volition.models.manifest import named_model
from volition.service.calibration.calibrations import Calibrations
from volition.service.gateway import metrics, openapi
from volition.service.gateway.asyncapi import asyncapi_document
from volition.service.gateway.auth import TICKET_S, Caller, Role, allow
from volition.service.gateway.guard import Access, Guard
from volition.service.gateway.pages import pages_router
from volition.service.gateway.routes.calibrations import calibrations_router
from volition.service.gateway.routes.models import models_router
from volition.service.gateway.routes.recordings import recordings_router
from volition.service.gateway.routes.requests import PROBLEM, check_reach, session_of, supervisor_of
from volition.service.gateway.routes.session_model import session_model_router
from volition.service.gateway.routes.simulations import Simulations, simulations_router
from volition.service.gateway.routes.spectrum import spectrum_router
from volition.service.gateway.sockets import serve_intents, serve_signal
from volition.service.sessions.config import LslText, SessionConfig, preset_names, preset_text
from volition.service.sessions.named_models import pinned
from volition.service.supervision.hub import TooOldError
from volition.service.supervision.model_choice import model_use
from volition.service.supervision.scout import Scout
from volition.service.supervision.session import Session
from volition.service.supervision.store import SessionStore
from volition.service.supervision.supervisor import Supervisor
from volition.service.wire import problems
from volition.service.wire.problems import GoneError
from volition.service.wire.schemas import (
    Health,
    IntentPage,
    MarkerBody,
    MarkerView,
    PresetList,
    PresetView,
    QualityView,
    Readiness,
    RecordingState,
    SessionList,
    SessionView,
    StateView,
    StepView,
    StreamList,
    StreamView,
    TicketView,
)
from volition.service.worker.outputs.record import recording_state
from volition.streams import lsl
from volition.streams.lsl.clock import local_clock

log = structlog.get_logger()

VERSION = version("volition")
#: A socket that sends or is sent anything larger is closed.
MAX_FRAME_BYTES = 64 * 1024
MAX_SESSIONS = 64

_NOT_FOUND: dict[int | str, dict[str, Any]] = {404: PROBLEM}


def create_app(
    access: Access | None = None,
    *,
    max_sessions: int = MAX_SESSIONS,
    kept: SessionStore | None = None,
) -> FastAPI:
    """Make the application; its sessions live as long as it runs.

    Parameters
    ----------
    access
        Who may reach it, and how much of it; this machine alone when left out.
    max_sessions
        More live sessions are refused.
    kept
        Where live sessions are kept, to be brought back; nowhere when left out.
    """
    access = access or Access()

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.supervisor = Supervisor(max_sessions, kept)
        app.state.scout = Scout()
        app.state.simulations = Simulations()
        app.state.calibrations = Calibrations()
        watch = asyncio.create_task(app.state.supervisor.watch())
        try:
            yield
        finally:
            watch.cancel()
            await app.state.supervisor.close()
            await app.state.calibrations.close()
            await app.state.simulations.close()
            app.state.scout.close()

    app = FastAPI(
        title="Volition",
        version=VERSION,
        summary="LSL streams in, decoded intents out.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    problems.install(app)
    # As they are, not included: the guard matches the same routes as the router.
    made = (
        _open_router(app),
        _service_router(access),
        _sessions_router(),
        _live_router(),
        session_model_router(),
        calibrations_router(),
        recordings_router(),
        models_router(),
        simulations_router(),
        spectrum_router(),
        pages_router(),
    )
    for router in made:
        app.router.routes.extend(router.routes)

    @functools.cache
    def describe(token_required: bool) -> dict[str, Any]:
        return openapi.document(
            app.routes,
            title=app.title,
            version=VERSION,
            summary=app.summary or "",
            token_required=token_required,
        )

    app.openapi = lambda: describe(access.authority.required)  # type: ignore[method-assign]  # FastAPI's own way
    app.add_middleware(Guard, routes=app.router.routes, access=access)
    if access.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=sorted(access.origins),
            allow_methods=["GET", "POST", "PUT", "DELETE"],
            allow_headers=["Authorization", "Content-Type"],
            expose_headers=["Location", "Retry-After", "WWW-Authenticate"],
        )
    return app


def _open_router(app: FastAPI) -> APIRouter:
    router = APIRouter()

    @router.get("/openapi.json", response_class=JSONResponse)
    @allow(Role.OPEN)
    def document() -> JSONResponse:  # making it takes long: in a thread, as the next
        """The REST part, as an OpenAPI document."""
        return JSONResponse(app.openapi())

    @router.get("/healthz")
    @allow(Role.OPEN)
    async def health() -> Health:
        """Is the process up."""
        return Health(version=VERSION, lsl_time=local_clock(), utc=time.time())

    @router.get("/readyz", responses={503: {"model": Readiness}})
    @allow(Role.OPEN)
    async def ready() -> Response:
        """Can it take a session."""
        reasons = []
        try:
            lsl.load()
        except LslMissingError as error:
            reasons.append(error.message)
        body = Readiness(ready=not reasons, reasons=reasons)
        return JSONResponse(body.model_dump(), 503 if reasons else 200)

    @router.get("/metrics", response_class=Response)
    @allow(Role.READ)
    async def prometheus(request: Request) -> Response:
        """Counters and histograms as Prometheus text."""
        body, media_type = metrics.render(supervisor_of(request).sessions.values())
        return Response(body, media_type=media_type)

    @router.get("/asyncapi.json", response_class=JSONResponse)
    @allow(Role.OPEN)
    def asyncapi() -> JSONResponse:
        """The socket's messages, as an AsyncAPI document."""
        return JSONResponse(asyncapi_document(VERSION))

    return router


def _service_router(access: Access) -> APIRouter:
    router = APIRouter(prefix="/v1")

    @router.post("/tickets", status_code=201)
    @allow(Role.READ)
    async def ticket(request: Request, response: Response) -> TicketView:
        """Make a ticket that opens one socket, within seconds, as the caller.

        For browsers, which cannot send a header with a WebSocket: ``?ticket=`` takes it.
        """
        caller: Caller = request.scope["caller"]
        response.headers["Cache-Control"] = "no-store"
        return TicketView(
            ticket=access.authority.issue_ticket(caller),
            role=str(caller.role),
            expires_s=TICKET_S,
        )

    @router.get("/streams", responses={422: PROBLEM, 503: PROBLEM})
    @allow(Role.READ)
    async def streams(
        request: Request,
        type: Annotated[LslText | None, Query(description="Only streams of this type.")] = None,
        wait: Annotated[float, Query(ge=0, le=30, description="Seconds to look.")] = 1.0,
    ) -> StreamList:
        """LSL streams on the network now."""
        scout: Scout = request.app.state.scout
        found = await scout.look(type=type, wait_s=wait)
        return StreamList(streams=[StreamView.model_validate(s) for s in found])

    @router.get("/presets")
    @allow(Role.READ)
    def presets() -> PresetList:
        """The configurations that ship, as the files that they are."""
        return PresetList(presets=[_preset(name) for name in preset_names()])

    return router


def _preset(name: str) -> PresetView:
    text = preset_text(name)
    head = itertools.takewhile(lambda line: line.startswith("#"), text.splitlines())
    return PresetView(name=name, about=" ".join(line[1:].strip() for line in head), text=text)


def _sessions_router() -> APIRouter:
    router = APIRouter(prefix="/v1", responses={422: PROBLEM})

    @router.post("/sessions", status_code=201, responses={409: PROBLEM})
    @allow(Role.CONTROL)
    async def create(request: Request, response: Response, config: SessionConfig) -> SessionView:
        """Make a session and start it; it connects on its own from then on."""
        check_reach(request.scope["caller"], named_model(config.decoder))
        config = await asyncio.to_thread(pinned, config)
        session = await supervisor_of(request).create(config)
        response.headers["Location"] = f"/v1/sessions/{session.id}"
        return view(session)

    @router.get("/sessions")
    @allow(Role.READ)
    async def sessions(request: Request) -> SessionList:
        """All sessions, stopped ones too until they are deleted."""
        return SessionList(sessions=[view(s) for s in supervisor_of(request).sessions.values()])

    @router.get("/sessions/{id}", responses=_NOT_FOUND)
    @allow(Role.READ)
    async def session(request: Request, id: str) -> SessionView:
        """One session."""
        return view(session_of(request, id))

    @router.post("/sessions/{id}/stop", responses=_NOT_FOUND)
    @allow(Role.CONTROL)
    async def stop(request: Request, id: str) -> SessionView:
        """Stop a session; stopping again does nothing."""
        session = session_of(request, id)
        await supervisor_of(request).stop(session)
        return view(session)

    @router.post("/sessions/{id}/estop", responses=_NOT_FOUND)
    @allow(Role.CONTROL)
    async def estop(request: Request, id: str) -> SessionView:
        """Emergency stop: only neutral intents from now on, until it is released."""
        session = session_of(request, id)
        session.hold(True)
        return view(session)

    @router.delete("/sessions/{id}/estop", responses=_NOT_FOUND)
    @allow(Role.CONTROL)
    async def release(request: Request, id: str) -> SessionView:
        """Release the emergency stop."""
        session = session_of(request, id)
        session.hold(False)
        return view(session)

    @router.delete("/sessions/{id}", status_code=204)
    @allow(Role.CONTROL)
    async def delete(request: Request, id: str) -> None:
        """Stop a session and forget it; one that is not there is forgotten already."""
        supervisor = supervisor_of(request)
        if id in supervisor.sessions:
            await supervisor.delete(supervisor.get(id))

    return router


def _live_router() -> APIRouter:
    router = APIRouter(prefix="/v1", responses={422: PROBLEM})

    @router.get("/sessions/{id}/state", responses=_NOT_FOUND)
    @allow(Role.READ)
    async def state(request: Request, id: str) -> StateView:
        """What the decoder thinks now, and how its signal is."""
        return await state_of(session_of(request, id))

    @router.get("/sessions/{id}/intents", responses={404: PROBLEM, 410: PROBLEM})
    @allow(Role.READ)
    async def intents(
        request: Request,
        id: str,
        after: Annotated[int, Query(ge=0, description="Only those behind this number.")] = 0,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        wait: Annotated[float, Query(ge=0, le=60, description="Seconds to wait for one.")] = 0,
    ) -> IntentPage:
        """The intents behind a number, oldest first."""
        page = await page_of(session_of(request, id), after, limit, wait)
        return Response(page, media_type="application/json")  # type: ignore[return-value]  # encoded already

    @router.post("/sessions/{id}/markers", status_code=202, responses={**_NOT_FOUND, 409: PROBLEM})
    @allow(Role.CONTROL)
    async def markers(request: Request, id: str, body: MarkerBody) -> MarkerView:
        """Stamp an event into the session's signal."""
        t = local_clock() if body.t is None else body.t
        session_of(request, id).mark(Event(t, body.name, body.data))
        return MarkerView(name=body.name, t=t)

    @router.websocket("/sessions/{id}/intents")
    @allow(Role.READ)
    async def socket(websocket: WebSocket, id: str) -> None:
        await serve_intents(websocket, websocket.app.state.supervisor.sessions.get(id), id)

    @router.websocket("/sessions/{id}/signal")
    @allow(Role.READ)
    async def signal(websocket: WebSocket, id: str) -> None:
        await serve_signal(websocket, websocket.app.state.supervisor.sessions.get(id), id)

    return router


def view(session: Session) -> SessionView:
    """Show a session as the API does."""
    now = session.steps[-1]
    return SessionView(
        id=session.id,
        state=now.state,
        reason=now.reason,
        since_utc=now.utc,
        held=session.held,
        epoch=session.generation,
        worker_pid=session.process.pid if session.process else None,
        last_seq=session.hub.last_seq,
        stream=StreamView.model_validate(session.stream) if session.stream else None,
        warnings=session.warnings,
        recording=_recording(session.recording),
        model=model_use(session),
        config=session.config,
        steps=[StepView(state=s.state, reason=s.reason, t=s.t, utc=s.utc) for s in session.steps],
    )


async def state_of(session: Session) -> StateView:
    """Ask the worker; where it does not answer, the counts of its last heartbeat stand."""
    answer = await session.ask("state")
    known: dict[str, Any] = answer or session.counts
    latency = dict(known.get("latency_ms", {}))
    latency["bus"] = session.bus_times.percentiles_ms()
    now = session.steps[-1]
    return StateView(
        session=session.id,
        state=now.state,
        reason=now.reason,
        held=session.held,
        epoch=session.generation,
        last_seq=session.hub.last_seq,
        fresh=answer is not None,
        lsl_time=local_clock(),
        t_last_sample=known.get("t_last_sample"),
        t_newest=known.get("t_newest"),
        signal=known.get("signal"),
        quality=[
            QualityView(**channel, position=from_above(channel["label"]))
            for channel in known.get("quality", [])
        ],
        continuity=known.get("continuity"),
        clock=known.get("clock"),
        outputs=known.get("outputs", []),
        recording=_recording(recording_state(known.get("outputs", ()))),
        model=model_use(session),
        stages=known.get("stages", []),
        decoder=known.get("decoder"),
        latency_ms=latency,
        samples=known.get("samples", 0),
        chunks=known.get("chunks", 0),
        intents=known.get("intents", 0),
        reconnects=known.get("reconnects", 0),
        dropped_samples=known.get("dropped_samples", 0),
        lost_with_workers=known.get("lost_with_workers", 0),
        restarts=session.restarts,
        clients=len(session.hub.subscriptions),
        dropped_by_bus=known.get("dropped_by_bus", 0),
    )


def _recording(state: dict[str, Any] | None) -> RecordingState | None:
    return None if state is None else RecordingState.model_validate(state)


async def page_of(session: Session, after: int, limit: int, wait_s: float) -> bytes:
    """Give a page of intents as JSON, waiting for the first if there is none yet."""
    hub = session.hub
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
    try:
        frames = hub.page(after, limit)
    except TooOldError as error:
        raise GoneError(
            f"intents after {after} are no longer all kept; the oldest kept is {error.oldest}",
            oldest=error.oldest,
        ) from None
    intents = b",".join(frame.payload for frame in frames)
    return b'{"intents":[' + intents + b'],"last_seq":' + str(hub.last_seq).encode() + b"}"
