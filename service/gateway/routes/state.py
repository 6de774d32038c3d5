"""The state of a session's signal and decoder."""

from __future__ import annotations

import contextlib
from typing import Any

from fastapi import APIRouter, Request

from volition.decoders.artifacts.electrodes import from_above
from volition.errors import BusyError
from volition.service.gateway.auth import Role, allow
from volition.service.gateway.routes.requests import NOT_FOUND, PROBLEM, session_of
from volition.service.supervision.model_choice import model_use
from volition.service.supervision.session import Session
from volition.service.wire.recordings import recording_view
from volition.service.wire.state import QualityView, StateView
from volition.service.worker.outputs.record import recording_state


def state_router() -> APIRouter:
    """Make the route."""
    router = APIRouter(prefix="/v1", responses={422: PROBLEM}, tags=["sessions"])

    @router.get("/sessions/{id}/state", responses=NOT_FOUND)
    @allow(Role.READ)
    async def get_state(request: Request, id: str) -> StateView:
        """Show the state of the decoder and the quality of its signal."""
        return await _state_of(session_of(request, id))

    return router


async def _state_of(session: Session) -> StateView:
    """Ask the worker; if it does not answer, use the counts of its last heartbeat."""
    answer = None
    with contextlib.suppress(BusyError):
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
        life=session.hub.life,
        epoch=session.generation,
        last_seq=session.hub.last_seq,
        fresh=answer is not None,
        lsl_time=session.lsl_time(),
        t_last_sample=known.get("t_last_sample"),
        t_newest=known.get("t_newest"),
        signal=known.get("signal"),
        quality=[
            QualityView(**channel, position=from_above(channel["label"]))
            for channel in known.get("quality", [])
        ],
        plausibility=known.get("plausibility"),
        continuity=known.get("continuity"),
        clock=known.get("clock"),
        markers=known.get("markers"),
        triggers=known.get("triggers"),
        outputs=known.get("outputs", []),
        recording=recording_view(recording_state(known.get("outputs", ()))),
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
        clients_behind=len(session.hub.behind()),
        dropped_by_bus=known.get("dropped_by_bus", 0),
    )
