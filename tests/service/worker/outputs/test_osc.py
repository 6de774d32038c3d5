"""OSC messages are what another implementation reads, and rules say which are sent."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pythonosc.osc_message import OscMessage

from tests.service.worker.outputs.opening import cursor, give, idle, opened, selection, tended
from volition.decoders.contract.intent import ClassIntent
from volition.service.worker.outputs.osc import OscOutputSettings, osc_message

Value = st.one_of(
    st.integers(-(2**31), 2**31 - 1),
    st.floats(width=32, allow_nan=False),
    st.text(st.characters(codec="utf-8", exclude_characters="\0")),
)


@pytest.fixture
def receiver() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.bind(("127.0.0.1", 0))
        made.settimeout(60)
        yield made


def received(receiver: socket.socket) -> tuple[str, list[Any]]:
    message = OscMessage(receiver.recv(4096))
    return message.address, list(message.params)


def settings(receiver: socket.socket, *rules: dict[str, Any]) -> OscOutputSettings:
    port = receiver.getsockname()[1]
    return OscOutputSettings.model_validate({"port": port, **({"rules": rules} if rules else {})})


@given(values=st.lists(Value, max_size=8))
def test_python_osc_reads_what_was_written(values: list[str | int | float]) -> None:
    read = OscMessage(osc_message("/a/b", values))
    assert read.address == "/a/b"
    assert list(read.params) == values


def test_without_rules_each_kind_has_an_address_of_its_own(receiver: socket.socket) -> None:
    with opened(settings(receiver)) as output:
        give(
            output,
            selection("up"),
            ClassIntent(label="fist", probabilities={"fist": 0.75, "rest": 0.25}, t_sample=0.0),
            cursor(0.5, -2.0),
            idle(reason="rest"),
        )
        assert [received(receiver) for _ in range(4)] == [
            ("/volition/selection", ["up", 0.75]),
            ("/volition/class", ["fist", 0.75]),
            ("/volition/cursor", [0.5, -2.0]),
            ("/volition/idle", ["rest"]),
        ]


def test_rules_say_the_address_and_the_values(receiver: socket.socket) -> None:
    configured = settings(
        receiver,
        {"intent": "selection", "label": "up", "address": "/lights/{label}", "values": [1, "on"]},
        {"intent": "cursor", "address": "/pan", "values": ["{velocity[0]*90+90}"]},
    )
    with opened(configured) as output:
        give(output, selection("down"), selection("up"), cursor(0.5))
        assert received(receiver) == ("/lights/up", [1, "on"])
        assert received(receiver) == ("/pan", [135.0])
        assert output.state()["sent"] == 2


def test_what_a_rule_cannot_fill_is_left_out_and_told(receiver: socket.socket) -> None:
    rule = {"intent": "cursor", "address": "/at", "values": ["{position}"]}
    with opened(settings(receiver, rule)) as output:
        give(output, cursor(1.0))
        assert output.trouble() == "output osc leaves out a message: this intent has no position"
        give(output, cursor(1.0, position=[0.5]))
        assert received(receiver) == ("/at", [0.5])
        assert output.trouble() == ""


def test_what_has_expired_is_followed_by_the_message_of_rest(receiver: socket.socket) -> None:
    rules = (
        {"intent": "selection", "address": "/on"},
        {"intent": "idle", "address": "/off", "values": ["{reason}"]},
    )
    with opened(settings(receiver, *rules)) as output:
        give(output, selection(expires_s=0.05))
        assert received(receiver) == ("/on", [])
        tended(output, lambda: output.state()["sent"] == 2)
        assert received(receiver) == ("/off", ["missing_samples"])
