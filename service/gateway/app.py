"""The gateway: REST and WebSocket in front of the supervisor.

`create_app` wires the routes of ``docs/protocol.md``. Nothing here touches a sample: intents come
encoded from the workers and go out as they are, and each socket has a task of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Callable
from importlib.metadata import version
from typing import Any

import structlog
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

from volition import extension
from volition.service.calibration.calibrations import Calibrations
from volition.service.gateway import openapi
from volition.service.gateway.guard import Access, Guard
from volition.service.gateway.pages import documentation_router, pages_router
from volition.service.gateway.routes.calibrations import calibrations_router
from volition.service.gateway.routes.checks import checks_router
from volition.service.gateway.routes.code_book import code_book_router
from volition.service.gateway.routes.descriptions import descriptions_router
from volition.service.gateway.routes.health import health_router
from volition.service.gateway.routes.intents import intents_router
from volition.service.gateway.routes.kinds import kinds_router
from volition.service.gateway.routes.looks import looks_router
from volition.service.gateway.routes.markers import markers_router
from volition.service.gateway.routes.models import models_router
from volition.service.gateway.routes.presets import presets_router
from volition.service.gateway.routes.recordings import recordings_router
from volition.service.gateway.routes.session_model import session_model_router
from volition.service.gateway.routes.sessions import sessions_router
from volition.service.gateway.routes.simulations import simulations_router
from volition.service.gateway.routes.spectrum import spectrum_router
from volition.service.gateway.routes.state import state_router
from volition.service.gateway.routes.streams import streams_router
from volition.service.gateway.routes.tickets import tickets_router
from volition.service.gateway.routes.words import words_router
from volition.service.gateway.simulations import Simulations
from volition.service.sessions.stop_folder import StopFolder
from volition.service.supervision.contract import Sessions
from volition.service.supervision.examinations import Checks, Looks
from volition.service.supervision.scout import Scout
from volition.service.supervision.store import SessionStore
from volition.service.supervision.supervisor import Supervisor
from volition.service.wire import problems

log = structlog.get_logger()

VERSION = version("volition")
#: A socket that sends or is sent anything larger is closed.
MAX_FRAME_BYTES = 64 * 1024
MAX_SESSIONS = 64


def create_app(
    access: Access | None = None,
    *,
    max_sessions: int = MAX_SESSIONS,
    kept: SessionStore | None = None,
    stops: StopFolder | None = None,
    make_sessions: Callable[[], Sessions] | None = None,
) -> FastAPI:
    """Make the application; its sessions live as long as it runs.

    Parameters
    ----------
    access
        Who may reach it, and how much of it; only this machine by default.
    max_sessions
        Limit of live sessions; more are refused.
    kept
        Where live sessions are stored, to be restarted later; nowhere by default.
    stops
        Where the emergency stops of sessions are; in a temporary folder by default.
    make_sessions
        Makes what runs the sessions, on the running event loop; a supervisor of workers below this
        process by default, to which the three before belong.
    """
    access = access or Access()

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        for one in extension.broken():
            log.warning("left out", part=one.name, distribution=one.distribution, error=one.error)
        app.state.supervisor = (
            Supervisor(max_sessions, kept, stops) if make_sessions is None else make_sessions()
        )
        app.state.scout = Scout()
        app.state.looks = Looks()
        app.state.checks = Checks()
        app.state.simulations = Simulations()
        app.state.calibrations = Calibrations()
        watch = asyncio.create_task(app.state.supervisor.watch())
        try:
            yield
        finally:
            watch.cancel()
            app.state.scout.close()
            await app.state.looks.close()
            await app.state.checks.close()
            await app.state.supervisor.close()
            await app.state.calibrations.close()
            await app.state.simulations.close()

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
        descriptions_router(app),
        health_router(),
        tickets_router(access.authority),
        streams_router(),
        looks_router(),
        checks_router(),
        presets_router(),
        sessions_router(),
        state_router(),
        intents_router(),
        markers_router(),
        session_model_router(),
        calibrations_router(),
        recordings_router(),
        models_router(),
        simulations_router(),
        kinds_router(),
        spectrum_router(),
        code_book_router(),
        words_router(),
        pages_router(),
        documentation_router(),
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
