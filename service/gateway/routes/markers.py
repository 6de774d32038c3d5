"""Events that clients stamp into a session's signal."""

from __future__ import annotations

from fastapi import APIRouter, Request

from volition.service.gateway.auth import Role, allow
from volition.service.gateway.markers import stamp, stamp_all
from volition.service.gateway.routes.requests import NOT_FOUND, PROBLEM, session_of
from volition.service.wire.markers import MarkerBody, MarkersBody, MarkerView, StampedView


def markers_router() -> APIRouter:
    """Make the routes."""
    router = APIRouter(prefix="/v1", responses={422: PROBLEM}, tags=["markers"])

    @router.post("/sessions/{id}/markers", status_code=202, responses={**NOT_FOUND, 409: PROBLEM})
    @allow(Role.CONTROL)
    async def send_marker(request: Request, id: str, body: MarkerBody) -> MarkerView:
        """Stamp an event into the session's signal."""
        return stamp(session_of(request, id), body)

    @router.post(
        "/sessions/{id}/markers/batch", status_code=202, responses={**NOT_FOUND, 409: PROBLEM}
    )
    @allow(Role.CONTROL)
    async def send_markers(request: Request, id: str, body: MarkersBody) -> StampedView:
        """Stamp events into the session's signal together, each at its time: all, or none."""
        return stamp_all(session_of(request, id), body)

    return router
