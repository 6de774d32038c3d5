"""What a worker says becomes the steps of its session."""

from __future__ import annotations

import json

from tests.service.supervision.test_standing_still import CONFIG
from volition.service.sessions.states import SessionState
from volition.service.supervision.session import Session
from volition.service.worker.bus import Frame, FrameType, IntentCode


def say(session: Session, state: str, reason: str, *warnings: str) -> None:
    """Have the session's worker say where it stands."""
    status = {"state": state, "reason": reason, "warnings": warnings}
    payload = json.dumps(status).encode()
    session.on_frame(Frame(FrameType.STATUS, IntentCode.NONE, 0, 0.0, payload))


def running() -> Session:
    session = Session("s", CONFIG)
    session.step_to(SessionState.CONNECTING, "looking for the stream")
    say(session, "running", "samples arrive")
    return session


def test_a_change_of_the_warnings_alone_is_no_step_and_is_told_all_the_same() -> None:
    session = running()
    steps = [*session.steps]
    for warnings in (["F3 is flat"], ["F3 is flat", "the rate is off by 1 %"], []):
        say(session, "running", "samples arrive", *warnings)
        assert session.warnings == warnings
    assert [*session.steps] == steps


def test_another_reason_is_a_step_though_the_state_is_the_same() -> None:
    session = running()
    say(session, "running", "samples arrive (osc: nobody listens)", "nobody listens")
    say(session, "running", "samples arrive")
    assert [step.reason for step in session.steps][-3:] == [
        "samples arrive",
        "samples arrive (osc: nobody listens)",
        "samples arrive",
    ]


def test_a_state_that_comes_again_is_a_step_each_time() -> None:
    session = running()
    say(session, "degraded", "no samples for 0.50 s")
    say(session, "running", "samples arrive")
    assert [step.state for step in session.steps][-3:] == ["running", "degraded", "running"]
