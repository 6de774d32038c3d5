"""A change of the model is made or it is not, and the session says which."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.service.supervision.test_standing_still import CONFIG
from volition.decoders.ssvep.methods.cca import CcaSettings
from volition.errors import ModelError, SessionError
from volition.service.sessions.states import SessionState
from volition.service.supervision import session as sessions
from volition.service.supervision.session import Session
from volition.service.worker.bus import Frame, FrameType, IntentCode

OTHER = CcaSettings.model_validate({**CONFIG.decoder.model_dump(), "window_s": 1.25})
MADE = {"decoder": "cca", "model": None, "version": None, "t_sample": 4.5, "took_s": 0.01}


class Link:
    """Keeps what the worker is told."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []

    def send(self, command: dict[str, Any], *, urgent: bool = False) -> bool:
        self.sent.append(command)
        return True

    def close(self) -> None: ...


@pytest.fixture
def link() -> Link:
    return Link()


@pytest.fixture
async def session(link: Link, monkeypatch: pytest.MonkeyPatch) -> Session:
    monkeypatch.setattr(sessions, "_REPLY_S", 0.1)
    made = Session("s", CONFIG)
    made.step_to(SessionState.CONNECTING, "for the test")
    made.link = link
    return made


def states(session: Session) -> list[str]:
    return [change.state for change in session.changes]


def answer(session: Session, link: Link, result: dict[str, Any], place: int = -1) -> None:
    reply = {"id": link.sent[place]["id"], "result": result}
    payload = json.dumps(reply).encode()
    session.on_frame(Frame(FrameType.REPLY, IntentCode.NONE, 0, 0.0, payload))


async def test_a_change_that_is_answered_late_is_told_as_pending_and_then_as_made(
    session: Session, link: Link
) -> None:
    with pytest.raises(SessionError, match="has not answered yet") as error:
        await session.swap(OTHER)
    assert session.changes[-1].id == error.value.fields["change"]
    assert states(session) == ["pending"]
    assert session.config.decoder == CONFIG.decoder
    answer(session, link, MADE)
    await asyncio.sleep(0)
    assert states(session) == ["made"]
    assert session.config.decoder == OTHER
    assert session.earlier_decoders == [CONFIG.decoder]


async def test_a_change_that_is_refused_late_is_not_made(session: Session, link: Link) -> None:
    with pytest.raises(SessionError):
        await session.swap(OTHER)
    answer(session, link, {"error": {"code": "model", "message": "it is for 7 channels"}})
    await asyncio.sleep(0)
    assert (session.changes[-1].state, session.changes[-1].reason) == (
        "not made",
        "it is for 7 channels",
    )
    assert session.config.decoder == CONFIG.decoder


async def test_a_change_dies_with_its_worker(session: Session) -> None:
    with pytest.raises(SessionError):
        await session.swap(OTHER)
    order = session.next_order()
    await asyncio.sleep(0)
    assert session.changes[-1].state == "not made"
    assert json.loads(order.config_json)["decoder"]["window_s"] != 1.25


async def test_who_waits_for_a_change_learns_that_the_worker_died(session: Session) -> None:
    waiting = asyncio.create_task(session.swap(OTHER))
    await asyncio.sleep(0.01)
    session.next_order()
    with pytest.raises(SessionError, match="was not made"):
        await waiting


async def test_two_late_answers_are_taken_in_their_order(session: Session, link: Link) -> None:
    third = OTHER.model_copy(update={"window_s": 2.25})
    for wanted in (OTHER, third):
        with pytest.raises(SessionError):
            await session.swap(wanted)
    answer(session, link, MADE, 0)
    answer(session, link, MADE, 1)
    await asyncio.sleep(0)
    assert session.config.decoder == third
    assert session.earlier_decoders == [CONFIG.decoder, OTHER]


async def test_a_change_in_time_is_answered_with_its_name_and_can_be_undone(
    session: Session, link: Link
) -> None:
    asyncio.get_running_loop().call_later(0.02, lambda: answer(session, link, MADE))
    made = await session.swap(OTHER)
    assert made["change"] == session.changes[-1].id
    asyncio.get_running_loop().call_later(0.02, lambda: answer(session, link, MADE))
    await session.swap_back()
    assert session.config.decoder == CONFIG.decoder
    assert session.earlier_decoders == []
    assert [one.state for one in session.changes] == ["made", "made"]


async def test_a_change_that_does_not_fit_is_refused_at_once(session: Session, link: Link) -> None:
    wrong = {"error": {"code": "spec", "message": "no"}}
    asyncio.get_running_loop().call_later(0.02, lambda: answer(session, link, wrong))
    with pytest.raises(ModelError):
        await session.swap(OTHER)
    assert session.changes[-1].state == "not made"
