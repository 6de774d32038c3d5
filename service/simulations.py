"""Simulated headsets that the service plays, so that everything can be tried without one.

Each is a process of its own (`streams.headset.HeadsetProcess`) whose streams are on the LSL network
like any headset's, under names that say what they are. They end with the service.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from typing import NamedTuple

from fastapi import APIRouter, Request

from service import problems
from service.auth import Role, allow
from service.problems import NotFoundError
from service.schemas import Problem, SimulationBody, SimulationList, SimulationView
from streams.errors import SessionError
from streams.headset import HeadsetOptions, HeadsetProcess
from streams.recording import packaged_recordings

MAX_SIMULATIONS = 4
_RECORDING = "ssvep-exo-s12"
_ABOUT = "A person who looks at LEDs of 13, 17 and 21 Hz, recorded, again and again"
_PROBLEM = {"model": Problem, "content": {problems.MEDIA_TYPE: {}}}


class _Playing(NamedTuple):
    view: SimulationView
    headset: HeadsetProcess


class Simulations:
    """The simulated headsets of this service."""

    def __init__(self) -> None:
        self._playing: dict[str, _Playing] = {}
        self._starting = 0

    def views(self) -> list[SimulationView]:
        """Give those that play."""
        return [each.view for each in self._playing.values() if each.headset.is_alive]

    async def start(self, body: SimulationBody) -> SimulationView:
        """Start one; return when its streams are there.

        Raises
        ------
        SessionError
            There are too many.
        """
        await self._forget_ended()
        if len(self._playing) + self._starting >= MAX_SIMULATIONS:
            raise SessionError(
                f"{len(self._playing) + self._starting} simulations play, no more than "
                f"{MAX_SIMULATIONS} may"
            )
        id_ = f"simulated-{secrets.token_hex(3)}"
        options = HeadsetOptions(
            packaged_recordings()[_RECORDING],
            name=f"Simulated headset {id_[-6:]}",
            source_id=id_,
            marker_name=f"Simulated headset {id_[-6:]} markers",
            start_trial=0,
            skip_rest=True,
            loop=True,
        )
        view = SimulationView(id=id_, kind=body.kind, about=_ABOUT, source_id=id_)
        self._starting += 1
        try:
            headset = HeadsetProcess(options)
            await asyncio.to_thread(headset.__enter__)
        finally:
            self._starting -= 1
        self._playing[id_] = _Playing(view, headset)
        return view

    async def stop(self, id: str) -> None:
        """End one.

        Raises
        ------
        NotFoundError
            There is none of that id.
        """
        playing = self._playing.pop(id, None)
        if playing is None:
            known = ", ".join(self._playing) or "none"
            raise NotFoundError(f"there is no simulation {id}; there are: {known}")
        await asyncio.to_thread(playing.headset.stop)

    async def close(self) -> None:
        """End all."""
        for id_ in tuple(self._playing):
            with contextlib.suppress(NotFoundError):
                await self.stop(id_)

    async def _forget_ended(self) -> None:
        for id_, playing in tuple(self._playing.items()):
            if not playing.headset.is_alive:
                await self.stop(id_)


def simulations_router() -> APIRouter:
    """Make the routes."""
    router = APIRouter(prefix="/v1", responses={422: _PROBLEM})

    @router.get("/simulations")
    @allow(Role.READ)
    async def simulations(request: Request) -> SimulationList:
        """The simulated headsets that this service plays."""
        return SimulationList(simulations=request.app.state.simulations.views())

    @router.post("/simulations", status_code=201, responses={409: _PROBLEM, 503: _PROBLEM})
    @allow(Role.CONTROL)
    async def start(request: Request, body: SimulationBody) -> SimulationView:
        """Play a simulated headset on the LSL network, to try things with."""
        view: SimulationView = await request.app.state.simulations.start(body)
        return view

    @router.delete("/simulations/{id}", status_code=204, responses={404: _PROBLEM})
    @allow(Role.CONTROL)
    async def stop(request: Request, id: str) -> None:
        """End a simulated headset."""
        await request.app.state.simulations.stop(id)

    return router
