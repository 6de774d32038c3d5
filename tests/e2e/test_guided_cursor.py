"""A cursor guided by the service: what ends it early leaves session and registry as they were."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator

import pytest

from volition.decoders.contract.intent import CursorIntent
from volition.service.calibration.cursor_fit import cursor_settings
from volition.service.client import ApiError, Client
from volition.service.gateway.launch import running_service
from volition.service.wire.messages import CalibrationMessage, CueMessage, ServerMessage, Status
from volition.streams.simulated.cursor_participant import CursorParticipant
from volition.streams.simulated.live_participant import LiveParticipant, Scene

PERSON = CursorParticipant(seed=1, n_units=20)
NOTHING_KNOWN = {
    "kind": "kalman",
    "cursor": cursor_settings(1.0),
    "matrices": {
        "transition": [[0.9, 0.0], [0.0, 0.9]],
        "transition_covariance": [[1.0, 0.0], [0.0, 1.0]],
        "observation": [[0.0, 0.0]] * PERSON.n_units,
        "observation_variance": [1.0] * PERSON.n_units,
    },
}
ASKED = {
    "name": "hand",
    "source": "guided",
    "decoder": {"kind": "kalman", "cursor": cursor_settings(1.0)},
    "guided": {"cursor": {"seconds": 60, "first_s": 2.5, "refresh_s": 0.5}},
}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    data = str(tmp_path_factory.mktemp("data"))
    with running_service(env={"VOLITION_DATA": data}) as service, Client(service.url) as connected:
        yield connected


@pytest.fixture(scope="module")
def person() -> Iterator[LiveParticipant]:
    with LiveParticipant(PERSON, name="hand", source_id=f"hand-{uuid.uuid4().hex}") as playing:
        yield playing


@pytest.fixture(scope="module")
def session(client: Client, person: LiveParticipant) -> Iterator[str]:
    stream = {"type": "Features", "source_id": person.source_id}
    made = client.create_session({"stream": stream, "decoder": NOTHING_KNOWN})
    client.intents(made.id, wait_s=30)
    yield made.id
    client.delete(made.id)


def follow(
    messages: Iterator[ServerMessage],
    person: LiveParticipant,
    until: Callable[[ServerMessage], bool],
) -> None:
    """Be the screen: show the person the target that the service asks for, and the cursor."""
    cursor, target = (0.0, 0.0), None
    for message in messages:
        if isinstance(message, CueMessage):
            x, y = message.data.get("position", cursor)
            target = (x, y) if message.phase == "trial" else None
        elif isinstance(message, CursorIntent) and message.position is not None:
            cursor = (message.position[0], message.position[1])
        person.show(Scene(cursor, target))
        if until(message):
            return
    raise AssertionError("the socket ended")


def decodes_on_the_way(message: ServerMessage) -> bool:
    return isinstance(message, Status) and (message.model or "").startswith("hand-on-the-way-")


def made_models(client: Client) -> list[str]:
    return [one.name for one in client.models() if one.origin == "calibration"]


@pytest.mark.slow
def test_a_guided_cursor_that_is_cancelled_leaves_the_decoder_before_and_no_model(
    client: Client, session: str, person: LiveParticipant
) -> None:
    with client.subscribe(session) as messages:
        begun = client.calibrate(session, ASKED)
        follow(messages, person, decodes_on_the_way)
        on_the_way = client.calibration(session, begun.id)
        ended = client.cancel_calibration(session, begun.id)
    assert on_the_way.state == "guiding"
    assert on_the_way.models >= 1
    assert on_the_way.trials_done >= 1
    assert 0 < on_the_way.progress < 0.5
    assert (ended.state, ended.model) == ("cancelled", None)
    models = client.session_model(session)
    assert (models.now.decoder, models.now.model, models.earlier) == ("kalman", None, [])
    assert made_models(client) == []
    state = client.state(session)
    assert (state.state, state.dropped_samples) == ("running", 0)


@pytest.mark.slow
def test_a_guided_cursor_ends_when_somebody_else_changes_what_decodes(
    client: Client, session: str, person: LiveParticipant
) -> None:
    with client.subscribe(session) as messages:
        begun = client.calibrate(session, ASKED)
        follow(messages, person, decodes_on_the_way)
        chosen = {**NOTHING_KNOWN, "cursor": cursor_settings(0.5)}
        client.swap_model(session, decoder=chosen)
        follow(
            messages,
            person,
            lambda one: isinstance(one, CalibrationMessage) and one.state == "refused",
        )
    view = client.calibration(session, begun.id)
    assert view.refusal is not None
    assert view.refusal.reason == "model-changed"
    now = client.session(session).config["decoder"]
    assert now["cursor"]["gain"] == 0.5
    assert made_models(client) == []


def test_what_cannot_be_guided_is_refused_before_it_begins(client: Client, session: str) -> None:
    def refused(**body: object) -> None:
        client.calibrate(session, {**ASKED, **body})

    before = client.calibrations(session)
    flickers = {"kind": "fbcca", "targets": [{"label": str(f), "freq_hz": f} for f in (8, 9)]}
    with pytest.raises(ApiError, match="decoders of movement"):
        refused(decoder=flickers)
    with pytest.raises(ApiError, match="sees_cursor"):
        refused(decoder={"kind": "kalman", "state": "position-velocity"})
    with pytest.raises(ApiError, match="history_s"):
        refused(guided={"cursor": {"seconds": 900}})
    with pytest.raises(ApiError, match="below seconds"):
        refused(guided={"cursor": {"seconds": 20, "first_s": 30}})
    with pytest.raises(ApiError, match="position of two numbers"):
        refused(guided={"cursor": {"seconds": 20}, "targets": [{"position": [1]}]})
    assert client.calibrations(session) == before


@pytest.mark.slow
def test_the_guidance_stands_still_while_the_headset_is_away_and_says_so(client: Client) -> None:
    source_id = f"away-{uuid.uuid4().hex}"
    stream = {"type": "Features", "source_id": source_id}
    with LiveParticipant(PERSON, name="away", source_id=source_id):
        made = client.create_session({"stream": stream, "decoder": NOTHING_KNOWN})
        client.intents(made.id, wait_s=30)
        begun = client.calibrate(made.id, {**ASKED, "name": "away"})
        time.sleep(1.0)
    try:
        deadline = time.monotonic() + 120
        while not (view := client.calibration(made.id, begun.id)).step.startswith("paused"):
            assert time.monotonic() < deadline, view
            time.sleep(0.1)
        time.sleep(2.0)
        later = client.calibration(made.id, begun.id)
        assert later.progress == view.progress
        assert later.models == view.models
        assert "the session is" in later.step
        with LiveParticipant(PERSON, name="away", source_id=source_id):
            deadline = time.monotonic() + 120
            while client.calibration(made.id, begun.id).progress == view.progress:
                assert time.monotonic() < deadline
                time.sleep(0.1)
        client.cancel_calibration(made.id, begun.id)
    finally:
        client.delete(made.id)
