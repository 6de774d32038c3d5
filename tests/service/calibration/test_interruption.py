"""A guidance stands still while its session has no signal, says so, and goes on or ends."""

from __future__ import annotations

import asyncio

import pytest

from volition.errors import SessionError
from volition.service.calibration import interruption
from volition.service.calibration.calibrations import _of_whole_trials
from volition.service.calibration.interruption import (
    GuideRefusedError,
    until,
    wait_until_running,
)
from volition.service.sessions.config import parse_config
from volition.service.sessions.states import SessionState
from volition.service.supervision.session import Session
from volition.streams.lsl.clock import local_clock

CONFIG = {
    "stream": {"name": "x"},
    "decoder": {
        "kind": "fbcca",
        "targets": [{"label": "a", "freq_hz": 9}, {"label": "b", "freq_hz": 12}],
    },
}


@pytest.fixture
async def session() -> Session:
    made = Session("s", parse_config(CONFIG))
    made.step_to(SessionState.CONNECTING, "looking for the stream")
    return made


async def test_it_tells_each_reason_once_and_goes_on_with_the_signal(session: Session) -> None:
    told: list[str] = []
    waiting = asyncio.create_task(wait_until_running(session, told.append))
    await asyncio.sleep(0.3)
    session.step_to(SessionState.CONNECTING, "no samples for 6.0 s")
    await asyncio.sleep(0.3)
    assert not waiting.done()
    session.step_to(SessionState.RUNNING, "samples arrive")
    await waiting
    assert told == [
        "paused, the session is connecting: looking for the stream",
        "paused, the session is connecting: no samples for 6.0 s",
    ]


async def test_it_ends_where_the_signal_does_not_come_back(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interruption, "MOST_PAUSED_S", 0.2)
    with pytest.raises(GuideRefusedError, match="connecting") as caught:
        await wait_until_running(session, lambda _: None)
    assert caught.value.fields["reason"] == "missing-samples"


async def test_it_ends_with_the_session(session: Session) -> None:
    session.step_to(SessionState.STOPPED, "asked to stop")
    with pytest.raises(SessionError, match="stopped"):
        await wait_until_running(session, lambda _: None)


async def test_a_moment_is_waited_for_only_while_the_signal_comes(session: Session) -> None:
    session.step_to(SessionState.RUNNING, "samples arrive")
    assert await until(session, local_clock() + 0.05)
    waiting = asyncio.create_task(until(session, local_clock() + 30))
    await asyncio.sleep(0.2)
    session.step_to(SessionState.DEGRADED, "no samples for 0.50 s")
    assert not await asyncio.wait_for(waiting, 1)


def test_a_trial_that_was_cut_short_is_not_learned_from_whoever_marked_it() -> None:
    marked = [(t, "trial_start", {"target": "a"}) for t in (10.2, 12.2, 14.2)]
    others: list[tuple[float, str, dict[str, str]]] = [(12.3, "beep", {}), (12.4, "trial_end", {})]
    events = sorted([*marked, *others], key=lambda event: event[0])

    kept = _of_whole_trials(events, [(12.0, 12.2)])

    assert kept == [one for one in events if one != marked[1]]
    assert _of_whole_trials(events, []) == events
