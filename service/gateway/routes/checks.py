"""Guided checks of headsets on heads: begin one, follow it, cancel it."""

from __future__ import annotations

from dataclasses import asdict

from fastapi import APIRouter, Request, Response

from volition.service.gateway.auth import Role, allow
from volition.service.gateway.routes.requests import NOT_FOUND, PROBLEM, location
from volition.service.sessions.guided_check import Outcome, Step, steps
from volition.service.supervision.checking import BEGIN_S
from volition.service.supervision.examinations import Checks, Examination
from volition.service.wire.checks import (
    CheckBody,
    CheckStepView,
    CheckView,
    ElectrodeView,
    ProofView,
)
from volition.service.wire.problems import NotFoundError


def checks_router() -> APIRouter:
    """Make the routes."""
    router = APIRouter(prefix="/v1", responses={422: PROBLEM}, tags=["streams"])
    asked: dict[str, list[Step]] = {}

    @router.post("/checks", status_code=202, responses={409: PROBLEM})
    @allow(Role.CONTROL)
    async def check_headset(request: Request, response: Response, body: CheckBody) -> CheckView:
        """Guide a person through a check of the headset on their head, as `volition check` does."""
        made = _checks(request).check(body.uid, body.flicker_hz, body.pace)
        asked[made.id] = steps(body.flicker_hz, body.pace)
        for id_ in asked.keys() - {one.id for one in _checks(request).all()}:
            del asked[id_]
        response.headers["Location"] = location(request, f"/v1/checks/{made.id}")
        return _view(made, asked[made.id])

    @router.get("/checks/{id}", responses=NOT_FOUND)
    @allow(Role.READ)
    async def get_check(request: Request, id: str) -> CheckView:
        """Say what the person is to do now, and at the end what was found."""
        return _view(_check_of(request, id), asked[id])

    @router.delete("/checks/{id}", status_code=204, responses=NOT_FOUND)
    @allow(Role.CONTROL)
    async def cancel_check(request: Request, id: str) -> None:
        """Cancel a check; one that has ended stays as it is."""
        _checks(request).cancel(_check_of(request, id))

    return router


def _checks(request: Request) -> Checks:
    checks: Checks = request.app.state.checks
    return checks


def _check_of(request: Request, id: str) -> Examination[Outcome]:
    found = _checks(request).get(id)
    if found is None:
        known = ", ".join(one.id for one in _checks(request).all()) or "none"
        raise NotFoundError(f"there is no check {id}; there are: {known}")
    return found


def _view(check: Examination[Outcome], asked: list[Step]) -> CheckView:
    outcome = check.result
    told = outcome.to_dict() if outcome else {"proofs": [], "brain": None}
    return CheckView(
        id=check.id,
        uid=check.uid,
        state=check.state,
        progress=check.progress,
        steps=[CheckStepView(**asdict(one)) for one in asked],
        step=check.step,
        step_s=check.step_s,
        begin_s=BEGIN_S,
        detail=check.detail,
        electrodes=[
            ElectrodeView(label=one.check, ok=one.ok, found=one.found, advice=one.advice)
            for one in (outcome.electrodes if outcome else ())
        ],
        proofs=[ProofView(**one) for one in told["proofs"]],
        brain=told["brain"],
    )
