"""Events of clients get a stamp of the signal's clock, or are refused with their distance."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from fastapi import FastAPI
from pydantic import ValidationError

from tests.service.gateway.asgi import Call, ask
from tests.service.supervision.test_standing_still import CONFIG
from volition.chunk import Event
from volition.errors import SessionError
from volition.service.gateway.markers import FarMarkerError, stamp, stamp_all
from volition.service.supervision.session import Session
from volition.service.wire.markers import MOST_BATCH_BYTES, MarkerBody, MarkersBody
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


class Kept(Session):
    """A session that takes markers, and keeps them."""

    kept: tuple[Event, ...] = ()

    def mark(self, *events: Event) -> None:
        self.kept += events


def batch(*times: float) -> MarkersBody:
    return MarkersBody.model_validate(
        {"markers": [{"name": f"step {number}", "t": t} for number, t in enumerate(times)]}
    )


def test_a_batch_is_stamped_each_at_its_time() -> None:
    taking, now = Kept("s", CONFIG), local_clock()

    view = stamp_all(taking, batch(now - 1.0, now, now + 2.0))

    assert view.count == 3
    assert [(one.name, one.time) for one in taking.kept] == [
        ("step 0", now - 1.0),
        ("step 1", now),
        ("step 2", now + 2.0),
    ]


def test_a_batch_with_one_marker_of_another_clock_is_refused_whole() -> None:
    taking, now = Kept("s", CONFIG), local_clock()

    with pytest.raises(FarMarkerError, match=r"t of marker 2 \('step 1'\) lies"):
        stamp_all(taking, batch(now, now + 1e6, now))

    assert taking.kept == ()


@pytest.mark.parametrize(
    ("markers", "why"),
    [
        ([], "at least 1 item"),
        ([{"name": "x", "t": 0.0}] * 257, "at most 256 items"),
        ([{"name": "x"}], "Field required"),
        ([{"name": "x", "t": None}], "valid number"),
        ([{"name": "x", "t": 1e13}], "at most 1e"),
        ([{"name": "x", "t": 0.0}, {"name": "", "t": 0.0}], "at least 1 character"),
        ([{"name": "x" * 250, "t": 0.0, "data": {"d": "y" * 1000}}] * 30, "bytes"),
    ],
)
def test_a_batch_that_cannot_be_stamped_says_why(markers: list[Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        MarkersBody.model_validate({"markers": markers})


def test_a_batch_may_be_as_large_as_it_says() -> None:
    data = {"d": "y" * (MOST_BATCH_BYTES // 4 - 64)}

    taken = MarkersBody.model_validate({"markers": [{"name": "x", "t": 0.0, "data": data}] * 4})

    assert len(taken.markers) == 4


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
