"""Calibrations of a session, over REST: begin, follow, cancel."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from volition.service.calibration.calibrations import Calibration, Calibrations
from volition.service.gateway.auth import ForbiddenError, Role, allow
from volition.service.gateway.routes.requests import PROBLEM, check_reach, location, session_of
from volition.service.wire.calibrations import CalibrationList, CalibrationView
from volition.service.wire.problems import NotFoundError
from volition.service.wire.served import CalibrationBody

_OF_ONE: dict[int | str, dict[str, Any]] = {404: PROBLEM, 422: PROBLEM}


def calibrations_router() -> APIRouter:
    """Make the routes below ``/v1/sessions/{id}/calibrations``."""
    router = APIRouter(prefix="/v1/sessions/{id}", tags=["calibrations"])

    @router.post("/calibrations", status_code=202, responses={**_OF_ONE, 409: PROBLEM})
    @allow(Role.CONTROL)
    async def start_calibration(
        request: Request, response: Response, id: str, body: CalibrationBody
    ) -> CalibrationView:
        """Start a calibration, which fits a new version of a model in the background."""
        session = session_of(request, id)
        role = request.scope["caller"].role
        if body.recording is not None and role < Role.ADMIN:
            raise ForbiddenError(f"a recording is named by the role {Role.ADMIN} alone")
        if body.decoder is not None:
            check_reach(request.scope["caller"], body)
        made = _all(request).begin(session, body)
        response.headers["Location"] = location(
            request, f"/v1/sessions/{id}/calibrations/{made.id}"
        )
        return made.view()

    @router.get("/calibrations", responses=_OF_ONE)
    @allow(Role.READ)
    async def list_calibrations(request: Request, id: str) -> CalibrationList:
        """List a session's calibrations, newest first."""
        found = _all(request).of(session_of(request, id))
        return CalibrationList(calibrations=[one.view() for one in found])

    @router.get("/calibrations/{cid}", responses=_OF_ONE)
    @allow(Role.READ)
    async def get_calibration(request: Request, id: str, cid: str) -> CalibrationView:
        """Show the state of a calibration and its result."""
        return _one(request, id, cid).view()

    @router.delete("/calibrations/{cid}", responses=_OF_ONE)
    @allow(Role.CONTROL)
    async def cancel_calibration(request: Request, id: str, cid: str) -> CalibrationView:
        """Cancel a calibration; one that has ended stays unchanged."""
        found = _one(request, id, cid)
        await _all(request).cancel(found)
        return found.view()

    return router


def _all(request: Request) -> Calibrations:
    calibrations: Calibrations = request.app.state.calibrations
    return calibrations


def _one(request: Request, id: str, cid: str) -> Calibration:
    session = session_of(request, id)
    try:
        return _all(request).get(session, cid)
    except KeyError:
        known = ", ".join(one.id for one in _all(request).of(session)) or "none"
        raise NotFoundError(f"session {id} has no calibration {cid}; there are: {known}") from None
