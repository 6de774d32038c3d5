from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.service.gateway.asgi import Call, ask, running
from volition.chunk import Event
from volition.incoming import (
    MOST_DATA_BYTES,
    MOST_DEPTH,
    fault_of_data,
    fault_of_text,
    n_bytes_of,
    readable,
)
from volition.service.gateway.app import create_app
from volition.service.gateway.sockets import read_message
from volition.service.wire.markers import MarkerBody
from volition.service.wire.messages import Refused


def nested(depth: int) -> Any:
    value: Any = []
    for _ in range(depth - 1):
        value = [value]
    return value


BAD_DATA = [
    {"label": "\ude00"},
    {"\ud801": 1},
    {"deep": nested(777)},
    {"just too deep": nested(MOST_DEPTH)},
    {"n": 10**20},
    {"n": -(2**63) - 1},
    {"x": float("nan")},
    {"x": [1.0, float("-inf")]},
    {"long": "x" * MOST_DATA_BYTES},
    {"many": [0] * MOST_DATA_BYTES},
]


@pytest.mark.parametrize("data", BAD_DATA, ids=lambda data: str(data)[:20])
def test_data_that_would_not_come_back_as_they_went_are_refused_by_rest_and_by_socket(
    data: dict[str, Any],
) -> None:
    assert fault_of_data(data)
    with pytest.raises(ValidationError):
        MarkerBody(name="cue", data=data)
    message = json.dumps({"type": "marker", "name": "cue", "data": data})
    assert isinstance(read_message(message), Refused)


@pytest.mark.parametrize("data", BAD_DATA, ids=lambda data: str(data)[:20])
def test_the_same_data_in_a_stream_or_a_file_make_a_text_that_can_be_written(
    data: dict[str, Any],
) -> None:
    event = Event.parse(3.5, json.dumps({"event": "cue", **data}))
    assert not event.data
    assert not fault_of_text(event.name)
    assert Event.parse(3.5, event.to_marker()) == event


def test_data_within_the_bounds_are_taken() -> None:
    data = {"deep": nested(MOST_DEPTH - 1), "n": 2**63 - 1, "x": -1e308, "text": "grün \U0001f600"}
    assert fault_of_data(data) == ""
    assert MarkerBody(name="cue", data=data).data == data


@pytest.mark.parametrize("t", [1e13, -1e300])
def test_a_time_that_no_clock_shows_is_refused(t: float) -> None:
    with pytest.raises(ValidationError):
        MarkerBody(name="cue", t=t)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("trial_start", {"event": "trial_end"}),
        ("trial_start", {"event": None, "target": 2}),
        ('{"event": "trial_start"}', {}),
        ('{"event": 5, "target": 1}', {"freq_hz": 11.5}),
        ('{"name": "a", "data": {"b": 1}}', {}),
        ("{not json", {}),
        ("{not json", {"name": "x", "data": {"y": 2}}),
        ("name", {"name": "x", "data": {}}),
        ("17", {"data": 3}),
    ],
)
def test_what_is_stored_of_a_marker_is_read_as_what_was_decoded(
    name: str, data: dict[str, Any]
) -> None:
    event = Event(8.25, name, data)
    assert Event.parse(8.25, event.to_marker()) == event


@given(
    st.text(max_size=30) | st.just('{"event":"x"}'),
    st.dictionaries(
        st.sampled_from(["event", "name", "data", "k"]),
        st.none() | st.booleans() | st.integers(-9, 9) | st.text("ab", max_size=3),
        max_size=3,
    ),
)
def test_every_marker_that_is_taken_comes_back_from_its_text(
    name: str, data: dict[str, Any]
) -> None:
    if not fault_of_text(name):
        event = Event(1.0, name, data)
        assert Event.parse(1.0, event.to_marker()) == event


@given(st.text(max_size=60))
def test_any_text_can_be_made_readable(text: str) -> None:
    readable(text).encode()


def test_bytes_are_counted_by_what_is_in_the_data() -> None:
    assert n_bytes_of({"ab": "ü"}) == 8 + 4 + 4


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/sessions", {"stream": {"name": "\ud9ab"}, "decoder": {"kind": "fbcca"}}),
        ("/v1/sessions", {"\udfff": 4}),
        ("/v1/sessions", {"stream": nested(400)}),
        ("/v1/models", {"name": "a", "content": "\udc00"}),
        ("/v1/sessions/s/calibrations", {"name": "m", "note": "\ud812"}),
    ],
)
async def test_a_body_that_could_not_be_passed_on_is_refused_in_words(
    path: str, body: dict[str, Any]
) -> None:
    async with running(create_app()) as app:
        call = Call("http", "POST", f"{path}?", None)
        answer = await ask(
            app, call, json.dumps(body).encode(), **{"content-type": "application/json"}
        )
        assert (answer.status, answer.code) == (422, "request")
