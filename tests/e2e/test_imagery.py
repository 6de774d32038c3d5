"""From no calibration to commands, and on to the next day: a simulated person who imagines."""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from volition.chunk import Event
from volition.decoders.contract.intent import ClassIntent, IdleIntent
from volition.service.client import Client
from volition.service.gateway.launch import running_service
from volition.service.wire.messages import CalibrationMessage, CueMessage, ServerMessage, Status
from volition.streams.lsl.clock import local_clock
from volition.streams.lsl.outlet import MarkerOutlet
from volition.streams.simulated.headset import HeadsetOptions, HeadsetProcess
from volition.streams.simulated.imagery_participant import ImageryParticipant

#: Quick, and plain to see: so that a calibration takes half a minute.
PERSON = ImageryParticipant(
    seed=3, rhythm_uv=12.0, weakening=0.85, latency_s=0.15, rise_s=0.1, trial_spread=0.1
)
DECODER = {"kind": "tangent", "classes": ["left", "right"], "delay_s": 0.4, "window_s": 0.8}
PLAN = {"blocks": 8, "cue_s": 0.2, "trial_s": 1.25, "pause_s": 0.05, "onsets": "client"}


class Screen:
    """What a training program does: shows arrows, and says so by LSL markers."""

    def __init__(self) -> None:
        self.source_id = f"screen-{uuid.uuid4().hex}"
        self.markers = MarkerOutlet("screen", self.source_id)

    def ask(self, label: str, t: float) -> None:
        self.markers.push(Event(t, "trial_start", {"class": label}).to_marker(), t)

    def clear(self, t: float) -> None:
        self.markers.push("clear", t)

    def follow(self, message: ServerMessage) -> None:
        """Show what a guided calibration asks for."""
        if isinstance(message, CueMessage) and message.phase == "cue":
            self.ask(str(message.data["class"]), message.t)
        elif isinstance(message, CueMessage) and message.phase == "pause":
            self.clear(message.t_end)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    data: Path = tmp_path_factory.mktemp("data")
    with (
        running_service(env={"VOLITION_DATA": str(data)}) as service,
        Client(service.url) as connected,
    ):
        yield connected


@contextlib.contextmanager
def session_of(client: Client, person: ImageryParticipant, **decoder: Any) -> Iterator[Any]:
    """Begin a session with a person, in a process of their own, who looks at a screen."""
    screen, source_id = Screen(), f"person-{uuid.uuid4().hex}"
    headset = HeadsetOptions(person, source_id=source_id, steered_by=screen.source_id)
    with screen.markers, HeadsetProcess(headset):
        assert screen.markers.wait_for_consumers(30.0)  # the person's eyes
        made = client.create_session(
            {
                "stream": {"source_id": source_id},
                "markers": {"source_id": screen.source_id},
                "decoder": {**DECODER, **decoder},
            }
        )
        with client.subscribe(made.id, after=0) as messages:
            for message in messages:
                if isinstance(message, Status) and message.state == "running":
                    break
        yield made.id, screen
    client.delete(made.id)


def answered(screen: Screen, messages: Iterator[ServerMessage], label: str) -> Any:
    """Have the person imagine once; give what the session says of it."""
    onset = local_clock() + 0.4
    screen.ask(label, onset)
    for message in messages:
        if not isinstance(message, ClassIntent | IdleIntent) or message.t_trigger is None:
            continue
        if abs(message.t_trigger - onset) < 1e-3:
            screen.clear(local_clock())
            return message
    raise AssertionError("the session said nothing")


def n_right(client: Client, session: str, screen: Screen, n_trials: int) -> int:
    asked = ["left", "right"] * (n_trials // 2)
    with client.subscribe(session) as messages:
        found = [answered(screen, messages, label) for label in asked]
    return sum(
        isinstance(one, ClassIntent) and one.label == label
        for one, label in zip(found, asked, strict=True)
    )


@pytest.fixture(scope="module")
def model(client: Client) -> str:
    """Calibrate on the first day, guided by the service; give the model's reference."""
    with session_of(client, PERSON) as (session, screen), client.subscribe(session) as messages:
        before = answered(screen, messages, "left")
        assert (before.kind, before.reason) == ("idle", "uncalibrated")
        begun = client.calibrate(
            session, {"name": "hands", "source": "guided", "guided": PLAN, "swap": True}
        )
        for message in messages:
            screen.follow(message)
            if isinstance(message, CalibrationMessage) and message.state in ("done", "refused"):
                break
        view = client.calibration(session, begun.id)
        assert view.state == "done", view.refusal
        assert view.model is not None
        assert view.model.scores["accuracy"] > view.model.scores["chance_bound"]
        assert n_right(client, session, screen, 8) >= 7
        state = client.state(session)
        assert state.continuity is not None
        assert (state.continuity.missing, state.dropped_samples) == (0, 0)
        assert state.decoder is not None
        assert not state.decoder["drift"]["drifted"]
        return str(view.model.reference)


@pytest.mark.slow
def test_a_guided_calibration_gives_commands(model: str) -> None:
    assert model.startswith("hands@")


@pytest.mark.slow
def test_the_next_day_is_told_before_it_commands_wrongly_and_comes_back_re_centred(
    client: Client, model: str
) -> None:
    with session_of(client, replace(PERSON, day=1), model=model) as (session, screen):
        deadline = time.monotonic() + 60
        while not any("drifted" in one for one in client.session(session).warnings):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        with client.subscribe(session) as messages:
            told = answered(screen, messages, "right")
        assert (told.kind, told.reason) == ("idle", "drifted")
        settings = {**DECODER, "model": model, "recentre": "running"}
        assert client.swap_model(session, decoder=settings).decoder == "tangent"
        assert n_right(client, session, screen, 8) >= 7
        state = client.state(session)
        assert state.decoder is not None
        assert state.decoder["recentring"]["mode"] == "running"
