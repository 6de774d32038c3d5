"""Messages reach a broker, packets are those of another implementation, and a stop leaves none."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Iterator
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from pydantic import ValidationError

from tests.service.worker.outputs.opening import (
    await_true,
    cursor,
    give,
    idle,
    opened,
    selection,
    tended,
)
from volition.service.worker.outputs.mqtt import MqttOutputSettings
from volition.service.worker.outputs.mqtt_link import Message, connect_packet, publish_packet


class Broker:
    """Answers MQTT clients on loopback and keeps each packet that they send."""

    def __init__(self, refusal: int = 0, *, reads: bool = True) -> None:
        self._refusal, self._reads = refusal, reads
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self.packets: list[bytes] = []
        self._clients: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            self._clients.append(client)
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            with client.makefile("rb") as file:
                while packet := read_packet(file):
                    self.packets.append(packet)
                    if packet[0] == 0x10:
                        client.sendall(bytes((0x20, 2, 0, self._refusal)))
                        if not self._reads:
                            return
                    elif packet[0] == 0xC0:
                        client.sendall(bytes((0xD0, 0)))
        except OSError:
            return

    def messages(self) -> list[tuple[str, bytes]]:
        return [decoded(one) for one in self.packets if one[0] & 0xF0 == 0x30]

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for client in self._clients:
            client.close()


def read_packet(file: Any) -> bytes:
    head = file.read(1)
    if not head:
        return b""
    length, shift, digits = 0, 0, b""
    while True:
        digit = file.read(1)
        digits += digit
        length |= (digit[0] & 0x7F) << shift
        shift += 7
        if digit[0] < 0x80:
            return bytes(head + digits + file.read(length))


def decoded(packet: bytes) -> tuple[str, bytes]:
    rest = packet[1:].lstrip(bytes(range(0x80, 0x100)))[1:] if packet[1] >= 0x80 else packet[2:]
    (n,) = struct.unpack(">H", rest[:2])
    return rest[2 : 2 + n].decode(), rest[2 + n :]


@pytest.fixture
def broker() -> Iterator[Broker]:
    made = Broker()
    yield made
    made.close()


RULES = [
    {"intent": "selection", "label": "up", "topic": "home/{label}", "payload": "ON"},
    {"intent": "idle", "topic": "home/up", "payload": "OFF"},
]


def settings(broker: Broker, **more: Any) -> MqttOutputSettings:
    return MqttOutputSettings.model_validate({"port": broker.port, **more})


def test_the_packets_are_those_that_paho_sends(broker: Broker) -> None:
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id="volition-s-1")
    client.username_pw_set("me", "secret")
    client.will_set("home/up", b"OFF")
    client.connect("127.0.0.1", broker.port, keepalive=10)
    client.loop_start()
    long = b"x" * 300
    client.publish("home/ü", long).wait_for_publish(60)
    await_true(lambda: len(broker.packets) == 2)
    client.disconnect()
    client.loop_stop()
    will = Message("home/up", b"OFF")
    ours = [
        connect_packet("volition-s-1", "me", "secret", will),
        publish_packet(Message("home/ü", long)),
    ]
    assert broker.packets[:2] == ours


def test_without_rules_each_intent_is_its_json_under_a_topic_of_its_kind(broker: Broker) -> None:
    with opened(settings(broker)) as output:
        give(output, selection("up"))
        await_true(broker.messages)
        ((topic, payload),) = broker.messages()
        assert topic == "volition/s-1/selection"
        assert json.loads(payload)["label"] == "up"
        assert output.state()["connected"] is True


def test_rules_say_what_is_published_and_the_end_publishes_rest(broker: Broker) -> None:
    with opened(settings(broker, rules=RULES)) as output:
        give(output, selection("down"), selection("up"))
    await_true(lambda: len(broker.messages()) == 2)
    assert broker.messages() == [("home/up", b"ON"), ("home/up", b"OFF")]
    await_true(lambda: broker.packets[-1] == bytes((0xE0, 0)))


def test_the_broker_holds_the_message_of_rest_as_will(broker: Broker) -> None:
    with opened(settings(broker, rules=RULES)):
        await_true(lambda: broker.packets)
    assert broker.packets[0] == connect_packet(
        "volition-s-1", None, None, Message("home/up", b"OFF")
    )


def test_a_link_that_breaks_comes_back_and_nothing_of_the_time_between_is_sent(
    broker: Broker,
) -> None:
    with opened(settings(broker, rules=RULES)) as output:
        give(output, selection("up"))
        await_true(broker.messages)
        for client in broker._clients:
            client.shutdown(socket.SHUT_RDWR)
        tended(output, output.trouble)
        assert "the broker closed the link" in output.trouble()
        give(output, selection("up"))
        tended(output, lambda: output.state()["connected"])
        assert output.trouble() == ""
        assert output.state()["unsent"] == 1
        give(output, idle())
        await_true(lambda: len(broker.messages()) == 2)
        assert broker.messages() == [("home/up", b"ON"), ("home/up", b"OFF")]


@pytest.mark.parametrize(
    ("answer", "words"), [(5, "not authorised"), (4, "wrong username or password"), (9, "9")]
)
def test_a_refusal_is_told_in_words(answer: int, words: str) -> None:
    refusing = Broker(answer)
    with opened(settings(refusing)) as output:
        assert f"the broker refuses: {words}" in output.trouble()
        assert output.state()["connected"] is False
    refusing.close()


def test_a_broker_that_does_not_read_breaks_the_link_within_a_tenth_of_a_second_a_message() -> None:
    slow = Broker(reads=False)
    with opened(settings(slow)) as output:
        big = selection("up", evidence={f"target {n}": 0.5 for n in range(400)})
        for _ in range(500):
            give(output, big)
            if output.trouble():
                break
        assert "timed out" in output.trouble()
        assert output.state()["connected"] is False
    slow.close()


def test_what_is_no_broker_and_what_is_not_there_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
    with opened(MqttOutputSettings(port=port)) as output:
        assert output.trouble() == f"output mqtt to 127.0.0.1:{port}: Connection refused"


def test_a_label_cannot_turn_a_topic_into_a_pattern(broker: Broker) -> None:
    rule = {"intent": "selection", "topic": "home/{label}"}
    with opened(settings(broker, rules=[rule])) as output:
        give(output, selection("#"))
        assert "may not hold + or #" in output.trouble()
        assert output.state()["sent"] == 0


def test_a_password_needs_a_name_and_stands_in_a_file_alone() -> None:
    with pytest.raises(ValidationError, match="password_file needs a username"):
        MqttOutputSettings.model_validate({"password_file": "/run/secret"})
    with pytest.raises(ValidationError, match="Extra inputs"):
        MqttOutputSettings.model_validate({"username": "me", "password": "secret"})


def test_the_password_is_read_from_its_file(broker: Broker, tmp_path: Any) -> None:
    file = tmp_path / "password"
    file.write_text("secret\n")
    with opened(settings(broker, username="me", password_file=str(file))):
        await_true(lambda: broker.packets)
    assert broker.packets[0] == connect_packet("volition-s-1", "me", "secret", None)


def test_a_cursor_that_stands_still_is_at_rest(broker: Broker) -> None:
    rules = [{"intent": "cursor", "topic": "x", "payload": "{velocity[0]:.1f}"}]
    with opened(settings(broker, rules=rules)) as output:
        give(output, cursor(1.0), cursor(0.0))
    await_true(lambda: broker.packets[-1] == bytes((0xE0, 0)))
    assert [payload for _, payload in broker.messages()] == [b"1.0", b"0.0"]
