"""Events of clients get a stamp of the signal's clock, or are refused with their distance."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from fastapi import FastAPI

from tests.service.gateway.asgi import Call, ask
from tests.service.supervision.test_standing_still import CONFIG
from volition.errors import SessionError
from volition.service.gateway.markers import FarMarkerError, stamp
from volition.service.supervision.session import Session
from volition.service.wire.markers import MarkerBody
from volition.service.wire.problems import install
from volition.streams.lsl.clock import local_clock


def session() -> Session:
    """Make one that takes no markers yet: who comes so far was not refused for its time."""
    return Session("s", CONFIG)


@pytest.mark.parametrize("off_s", [-1e6, -31.0, 31.0, 1e6])
def test_a_marker_of_another_clock_is_refused(off_s: float) -> None:
    with pytest.raises(FarMarkerError, match="of another clock"):
        stamp(session(), MarkerBody(name="cue", t=local_clock() + off_s))


@pytest.mark.parametrize("off_s", [None, -29.0, 0.0, 29.0])
def test_a_marker_near_now_is_for_the_session_to_take(off_s: float | None) -> None:
    t = None if off_s is None else local_clock() + off_s
    with pytest.raises(SessionError, match="markers need a live one"):
        stamp(session(), MarkerBody(name="cue", t=t))


async def test_a_marker_of_another_clock_has_a_problem_of_its_own() -> None:
    app = FastAPI()
    install(app)

    @app.post("/marker")
    async def mark() -> Any:
        return stamp(session(), MarkerBody(name="cue", t=time.time()))

    answer = await ask(app, Call("http", "POST", "/marker?", None))

    problem = json.loads(answer.body)
    assert (answer.status, answer.code) == (422, "far-marker")
    assert problem["title"] == "The marker's time is far from the signal's"
    assert problem["lsl_time"] == pytest.approx(local_clock(), abs=10)
