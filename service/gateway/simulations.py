"""Simulated headsets and participants that the service plays, to try everything without a person.

Each is a process of its own whose stream is on the LSL network like any headset's, under a name
that says what it is; all end with the service. ``recording`` plays a packaged recording.
``speller``, ``cursor``, ``flashes`` and ``imagery`` are simulated people before a screen: whoever
runs the screen tells what it shows. The cursor's decoder is fitted to the person when they are
started, as by a calibration.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from dataclasses import replace
from typing import Any, NamedTuple

from volition.errors import SessionError, VolitionError
from volition.models.manifest import ModelCard, ModelInput, TrainingData
from volition.service.calibration.cursor_fit import fitted, watched
from volition.service.sessions.named_models import model_registry
from volition.service.wire.problems import NotFoundError
from volition.service.wire.simulations import (
    SimulationBody,
    SimulationKind,
    SimulationView,
)
from volition.streams.files.recording import packaged_recordings
from volition.streams.simulated.coded_participant import CodedParticipant
from volition.streams.simulated.cursor_participant import CursorParticipant
from volition.streams.simulated.headset import HeadsetOptions, HeadsetProcess
from volition.streams.simulated.imagery_participant import ImageryParticipant
from volition.streams.simulated.live_participant import (
    Flashing,
    Gaze,
    LiveParticipant,
    Person,
    Scene,
    Shown,
)
from volition.streams.simulated.ssvep_participant import SsvepParticipant

MAX_SIMULATIONS = 4
_RECORDING = "ssvep-exo-s12"
_ABOUT: dict[SimulationKind, str] = {
    "recording": "A person who looks at LEDs of 13, 17 and 21 Hz, recorded, again and again",
    "speller": "A simulated person who looks at the speller's flickers",
    "cursor": "A simulated person who steers the cursor",
    "flashes": "A simulated person who attends to items that flash",
    "imagery": "A simulated person who imagines movements",
}
_MODEL_NAME = "simulated-cursor"
#: Who is simulated: somebody whom spellers suit, and who imagines so that it can be seen.
_SPELLER = SsvepParticipant(seed=3, response_uv=6.0)
_CURSOR = CursorParticipant(seed=1)
_FLASHES = CodedParticipant(seed=2, response_uv=12.0, visual_uv=4.0)
_IMAGERY = ImageryParticipant(
    seed=3,
    classes=("left", "right", "feet", "both"),
    rhythm_uv=12.0,
    weakening=0.85,
    latency_s=0.15,
    rise_s=0.1,
    trial_spread=0.1,
)
_WATCHED_S = 60.0


_SCREENS: dict[type[Shown], tuple[SimulationKind, ...]] = {
    Scene: ("cursor",),
    Gaze: ("speller", "imagery"),
    Flashing: ("flashes",),
}


class WrongKindError(VolitionError):
    """A simulation is told what is for another kind."""

    code = "simulation"


class _Playing(NamedTuple):
    view: SimulationView
    source: HeadsetProcess | LiveParticipant


class Simulations:
    """The simulated headsets and participants of this service."""

    def __init__(self) -> None:
        self._playing: dict[str, _Playing] = {}
        self._starting = 0

    def views(self) -> list[SimulationView]:
        """Give those that play."""
        return [each.view for each in self._playing.values() if each.source.is_alive]

    async def start(self, body: SimulationBody) -> SimulationView:
        """Start one; return when its streams are there.

        Raises
        ------
        SessionError
            There are too many.
        """
        await self._forget_ended()
        n_playing = len(self._playing) + self._starting
        if n_playing >= MAX_SIMULATIONS:
            raise SessionError(f"{n_playing} simulations play, no more than {MAX_SIMULATIONS} may")
        id_ = f"simulated-{secrets.token_hex(3)}"
        self._starting += 1
        try:
            source, decoder = await asyncio.to_thread(_start, body, id_)
        finally:
            self._starting -= 1
        view = SimulationView(
            id=id_,
            kind=body.kind,
            about=_ABOUT[body.kind],
            source_id=id_,
            decoder=decoder,
            classes=list(_IMAGERY.classes) if body.kind == "imagery" else [],
        )
        self._playing[id_] = _Playing(view, source)
        return view

    def show(self, id: str, what: Shown) -> None:
        """Tell a simulated person what their screen shows.

        Raises
        ------
        NotFoundError
            There is no such person.
        WrongKindError
            They look at another kind of screen, or it plays a recording.
        StreamError
            Their process has ended.
        """
        playing = self._get(id)
        kinds = _SCREENS[type(what)]
        if isinstance(playing.source, HeadsetProcess) or playing.view.kind not in kinds:
            needed = " or ".join(kinds)
            raise WrongKindError(f"{id} is of kind {playing.view.kind}; a {needed} is needed")
        playing.source.show(what)

    async def stop(self, id: str) -> None:
        """End one.

        Raises
        ------
        NotFoundError
            There is none of that id.
        """
        playing = self._get(id)
        del self._playing[id]
        await asyncio.to_thread(playing.source.stop)

    async def close(self) -> None:
        """End all."""
        for id_ in tuple(self._playing):
            with contextlib.suppress(NotFoundError):
                await self.stop(id_)

    def _get(self, id: str) -> _Playing:
        if id not in self._playing:
            known = ", ".join(self._playing) or "none"
            raise NotFoundError(f"there is no simulation {id}; there are: {known}")
        return self._playing[id]

    async def _forget_ended(self) -> None:
        for id_, playing in tuple(self._playing.items()):
            if not playing.source.is_alive:
                await self.stop(id_)


def _start(
    body: SimulationBody, id: str
) -> tuple[HeadsetProcess | LiveParticipant, dict[str, Any] | None]:
    """Start a source; give it with the decoder that was fitted to it, if one was."""
    kind = body.kind
    name = f"Simulated {kind} {id[-6:]}"
    if kind == "recording":
        options = HeadsetOptions(
            packaged_recordings()[_RECORDING],
            name=name.replace("recording", "headset"),
            source_id=id,
            marker_name=f"{name} markers",
            start_trial=0,
            skip_rest=True,
            loop=True,
        )
        return HeadsetProcess(options).__enter__(), None
    decoder = _fit_cursor() if kind == "cursor" else None
    people: dict[SimulationKind, Person] = {
        "cursor": _CURSOR,
        "flashes": _FLASHES,
        "imagery": replace(_IMAGERY, day=body.day),
        "speller": _SPELLER,
    }
    return LiveParticipant(people[kind], name=name, source_id=id).__enter__(), decoder


def _fit_cursor() -> dict[str, Any]:
    """Fit the cursor's decoder, keep its model, and give the settings for a session."""
    found = fitted({"kind": "kalman"}, *watched(_CURSOR, _WATCHED_S))
    spec = _CURSOR.spec()
    card = ModelCard(
        kind="kalman",
        input=ModelInput(rate_hz=spec.rate_hz, labels=list(spec.labels)),
        decoder=found.settings,
        training=TrainingData(source="a simulated person", duration_s=_WATCHED_S),
    )
    manifest = model_registry().add(_MODEL_NAME, found.model.to_bytes(), card, origin="calibration")
    return {**found.settings, "model": manifest.reference}
