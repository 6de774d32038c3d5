"""Datagrams arrive as JSON or BCI2000's lines, and a receiver that is gone is told."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import pytest

from tests.service.worker.outputs.opening import (
    Stop,
    cursor,
    give,
    idle,
    opened,
    selection,
    tended,
)
from volition.decoders.contract.intent import ClickIntent
from volition.service.worker.outputs.udp import UdpOutputSettings, bci2000_lines


@pytest.fixture
def receiver() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.bind(("127.0.0.1", 0))
        made.settimeout(60)
        yield made


def settings(receiver: socket.socket, **more: str) -> UdpOutputSettings:
    return UdpOutputSettings.model_validate({"port": receiver.getsockname()[1], **more})


def test_each_intent_is_a_datagram_of_the_json_of_the_api(receiver: socket.socket) -> None:
    with opened(settings(receiver)) as output:
        give(output, selection(), idle())
        got = [json.loads(receiver.recv(4096)) for _ in range(2)]
        assert [one["kind"] for one in got] == ["selection", "idle"]
        assert got[0]["expires_s"] == 1.0
        assert output.state()["sent"] == 2
        assert output.trouble() == ""


def test_bci2000s_programs_get_the_velocity_as_its_control_signal(receiver: socket.socket) -> None:
    with opened(settings(receiver, format="bci2000")) as output:
        give(output, cursor(0.25, -1.5))
        assert receiver.recv(4096) == b"Signal(0,0) 0.25\r\nSignal(1,0) -1.5\r\n"


def test_bci2000s_programs_get_what_was_selected_counted_from_one() -> None:
    assert list(bci2000_lines(selection(target=2))) == ["ResultCode 3"]
    assert list(bci2000_lines(idle())) == ["ResultCode 0"]
    assert list(bci2000_lines(ClickIntent(confidence=1, t_sample=0.0))) == ["ResultCode 1"]


def test_a_velocity_that_has_expired_is_followed_by_zero_once(receiver: socket.socket) -> None:
    with opened(settings(receiver, format="bci2000")) as output:
        give(output, cursor(1.0, expires_s=0.05))
        assert receiver.recv(4096) == b"Signal(0,0) 1\r\n"
        tended(output, lambda: output.state()["sent"] == 2)
        assert receiver.recv(4096) == b"Signal(0,0) 0\r\n"
        output.tend()
        assert output.state()["sent"] == 2


def test_an_emergency_stop_and_the_end_of_the_session_send_zero_at_once(
    receiver: socket.socket,
) -> None:
    with opened(settings(receiver, format="bci2000")) as output:
        give(output, cursor(1.0, expires_s=60))
        output.status({"hold": {"held": True, "sample": 1, "t": 1.0}}, 1.0)
        give(output, cursor(2.0, expires_s=60))
    got = [receiver.recv(4096).split()[1] for _ in range(4)]
    assert got == [b"1", b"0", b"2", b"0"]


@pytest.mark.parametrize(("format_", "rests"), [("json", True), ("bci2000", False)])
def test_what_a_receiver_is_not_told_the_end_of_is_at_rest_once_zero_was_sent(
    receiver: socket.socket, format_: str, rests: bool
) -> None:
    stop = Stop()
    with opened(settings(receiver, format=format_), stop) as output:
        rested = [output.is_at_rest]
        give(output, cursor(1.0, expires_s=60))
        rested.append(output.is_at_rest)
        stop.is_held = True
        output.tend()  # it need not be told of the stop
        assert [*rested, output.is_at_rest] == [True, rests, True]
    if not rests:
        assert [receiver.recv(4096).split()[1] for _ in range(2)] == [b"1", b"0"]


def test_a_port_on_which_nobody_listens_is_told_until_somebody_does(
    receiver: socket.socket,
) -> None:
    configured = settings(receiver)
    address = receiver.getsockname()
    receiver.close()

    with opened(configured) as output:

        def refused() -> bool:
            give(output, idle())
            return bool(output.trouble())

        tended(output, refused)
        assert output.trouble() == f"output udp to 127.0.0.1:{address[1]}: Connection refused"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as back:
            back.bind(address)
            back.settimeout(60)
            tended(output, lambda: not output.trouble())
            give(output, selection())
            assert json.loads(back.recv(4096))["label"] == "up"
