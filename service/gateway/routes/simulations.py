"""Simulated headsets and participants over REST: start them, and tell them what a screen shows."""

from __future__ import annotations

import dataclasses

from fastapi import APIRouter, Request

from volition.service.gateway.auth import Role, allow
from volition.service.gateway.routes.requests import NOT_FOUND, PROBLEM
from volition.service.wire.simulations import (
    FlashingBody,
    GazeBody,
    SceneBody,
    SimulationBody,
    SimulationList,
    SimulationView,
)
from volition.streams.simulated.live_participant import Flashing, Gaze, Scene


def simulations_router() -> APIRouter:
    """Make the routes."""
    router = APIRouter(prefix="/v1", responses={422: PROBLEM}, tags=["simulations"])
    not_found = {**NOT_FOUND, 503: PROBLEM}

    @router.get("/simulations")
    @allow(Role.READ)
    async def list_simulations(request: Request) -> SimulationList:
        """List the simulated headsets and people that this service plays."""
        return SimulationList(simulations=request.app.state.simulations.views())

    @router.post("/simulations", status_code=201, responses={409: PROBLEM, 503: PROBLEM})
    @allow(Role.CONTROL)
    async def start_simulation(request: Request, body: SimulationBody) -> SimulationView:
        """Start a simulated headset or person on the LSL network."""
        view: SimulationView = await request.app.state.simulations.start(body)
        return view

    @router.put("/simulations/{id}/gaze", status_code=204, responses={**not_found, 409: PROBLEM})
    @allow(Role.CONTROL)
    async def show_gaze(request: Request, id: str, body: GazeBody) -> None:
        """Have a simulated person look at a flicker or away, or imagine a movement or none."""
        request.app.state.simulations.show(id, Gaze(body.target, body.t))

    @router.put("/simulations/{id}/scene", status_code=204, responses={**not_found, 409: PROBLEM})
    @allow(Role.CONTROL)
    async def show_scene(request: Request, id: str, body: SceneBody) -> None:
        """Show a simulated person where the cursor and its target are."""
        request.app.state.simulations.show(id, Scene(body.cursor, body.target))

    @router.put("/simulations/{id}/flashes", status_code=204, responses={**not_found, 409: PROBLEM})
    @allow(Role.CONTROL)
    async def show_flashes(request: Request, id: str, body: FlashingBody) -> None:
        """Flash items before a simulated person who attends to one, or to none."""
        flashes = tuple((flash.t, tuple(flash.items)) for flash in body.flashes)
        shown, code = Flashing(body.attended, flashes, anew=body.anew), body.code
        if code is not None:
            shown = dataclasses.replace(
                shown, code=code.bits, onset=code.t, step_hz=code.step_hz, lasts_s=code.lasts_s
            )
        request.app.state.simulations.show(id, shown)

    @router.delete("/simulations/{id}", status_code=204, responses=not_found)
    @allow(Role.CONTROL)
    async def stop_simulation(request: Request, id: str) -> None:
        """End a simulated headset or person."""
        await request.app.state.simulations.stop(id)

    return router
