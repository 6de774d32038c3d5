"""Looks at single streams: begin one, follow it, cancel it."""

from __future__ import annotations

from dataclasses import asdict

from fastapi import APIRouter, Request, Response

from volition.service.gateway.auth import Role, allow
from volition.service.gateway.routes.requests import NOT_FOUND, PROBLEM, location
from volition.service.supervision.examinations import Examination, Looks
from volition.service.wire.looks import FindingView, LookBody, LookList, LookView
from volition.service.wire.problems import NotFoundError
from volition.streams.lsl.verdict import Finding


def looks_router() -> APIRouter:
    """Make the routes."""
    router = APIRouter(prefix="/v1", responses={422: PROBLEM}, tags=["streams"])

    @router.post("/looks", status_code=202, responses={409: PROBLEM})
    @allow(Role.CONTROL)
    async def look_at_stream(request: Request, response: Response, body: LookBody) -> LookView:
        """Look at a stream for a while, as `volition doctor --stream` does."""
        look = _looks(request).look(body.uid, body.seconds)
        response.headers["Location"] = location(request, f"/v1/looks/{look.id}")
        return _view(look)

    @router.get("/looks")
    @allow(Role.READ)
    async def list_looks(request: Request) -> LookList:
        """List the looks that go on, and the last that have ended."""
        return LookList(looks=[_view(one) for one in _looks(request).all()])

    @router.get("/looks/{id}", responses=NOT_FOUND)
    @allow(Role.READ)
    async def get_look(request: Request, id: str) -> LookView:
        """Say how far a look is, and what it found."""
        return _view(_look_of(request, id))

    @router.delete("/looks/{id}", status_code=204, responses=NOT_FOUND)
    @allow(Role.CONTROL)
    async def cancel_look(request: Request, id: str) -> None:
        """Cancel a look; one that has ended stays as it is."""
        _looks(request).cancel(_look_of(request, id))

    return router


def _looks(request: Request) -> Looks:
    looks: Looks = request.app.state.looks
    return looks


def _look_of(request: Request, id: str) -> Examination[list[Finding]]:
    found = _looks(request).get(id)
    if found is None:
        known = ", ".join(one.id for one in _looks(request).all()) or "none"
        raise NotFoundError(f"there is no look {id}; there are: {known}")
    return found


def _view(look: Examination[list[Finding]]) -> LookView:
    return LookView(
        id=look.id,
        uid=look.uid,
        seconds=look.seconds,
        state="looking" if look.state == "going" else look.state,
        progress=look.progress,
        detail=look.detail,
        findings=[FindingView(**asdict(one)) for one in look.result or ()],
    )
