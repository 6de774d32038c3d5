"""A link to an MQTT broker that only publishes, each message at most once (QoS 0).

Written out here rather than taken from a library because of what a stop demands: libraries keep
messages in queues of their own and send them again after a broken link, so that what was decided
before an emergency stop could leave after it. Here a message is in the broker's hands, or the
kernel's small buffer, when `MqttLink.publish` returns; where it cannot be within a tenth of a
second the link is reset and what it held is thrown away.

Packets are those of MQTT 3.1.1 (OASIS Standard, 2014, sections 2.2 and 3): a byte of type and
flags, the length in seven bits a byte, then texts with their length in two bytes.
"""

from __future__ import annotations

import socket
import ssl
import struct
import time
from dataclasses import dataclass

_CONNECT, _CONNACK, _PUBLISH, _PINGREQ, _PINGRESP, _DISCONNECT = 0x10, 0x20, 0x30, 0xC0, 0xD0, 0xE0
_CLEAN, _WILL, _PASSWORD, _USERNAME = 0x02, 0x04, 0x40, 0x80
_KEEP_ALIVE_S = 10
_ANSWER_S = 0.9
_SEND_S = 0.1
_SEND_BYTES = 8192
_REFUSALS = {
    1: "it speaks another version of MQTT",
    2: "it does not take the client's name",
    3: "it is not ready",
    4: "wrong username or password",
    5: "not authorised",
}


@dataclass(frozen=True, slots=True)
class Message:
    """What is published, and under which topic."""

    topic: str
    payload: bytes


class MqttLink:
    """A connection to a broker.

    Parameters
    ----------
    host, port, tls
        Where the broker is, and whether the link is encrypted.
    client_id
        By what name the broker knows this client.
    username, password
        Who the broker is told; nobody where left out.
    will
        What the broker publishes itself when this client is gone without a farewell.

    Raises
    ------
    OSError
        The broker is not there, does not answer in time, or refuses; so do all methods.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        tls: bool = False,
        client_id: str,
        username: str | None = None,
        password: str | None = None,
        will: Message | None = None,
    ) -> None:
        plain = socket.create_connection((host, port), timeout=_ANSWER_S)
        try:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BYTES)
            context = ssl.create_default_context() if tls else None
            self._socket = context.wrap_socket(plain, server_hostname=host) if context else plain
            self._socket.sendall(connect_packet(client_id, username, password, will))
            self._await_answer()
        except BaseException:
            plain.close()
            raise
        self._socket.settimeout(_SEND_S)
        self._asked_at: float | None = None
        self._sent_at = time.monotonic()

    def publish(self, message: Message) -> None:
        """Hand a message to the broker."""
        self._write(publish_packet(message))

    def tend(self) -> None:
        """Keep the link alive, and notice when the broker is gone; call it every few seconds."""
        now = time.monotonic()
        self._read_what_came()
        if self._asked_at is not None and now - self._asked_at > _KEEP_ALIVE_S / 2:
            raise OSError("the broker does not answer any more")
        if self._asked_at is None and now - self._sent_at > _KEEP_ALIVE_S / 4:
            self._write(bytes((_PINGREQ, 0)))
            self._asked_at = now

    def close(self, *, farewell: bool) -> None:
        """End the link; without a farewell it is reset, and the broker publishes the will."""
        try:
            if farewell:
                self._socket.sendall(bytes((_DISCONNECT, 0)))
            else:
                linger = struct.pack("ii", 1, 0)
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        except OSError:
            pass  # it is broken already
        finally:
            self._socket.close()

    def _write(self, packet: bytes) -> None:
        self._socket.sendall(packet)
        self._sent_at = time.monotonic()

    def _await_answer(self) -> None:
        answer = b""
        while len(answer) < 4:
            more = self._socket.recv(4 - len(answer))
            if not more:
                raise OSError("the broker closed the link")
            answer += more
        if answer[0] != _CONNACK or answer[1] != 2:
            raise OSError("what answers is no MQTT broker")
        if answer[3]:
            raise OSError(f"the broker refuses: {_REFUSALS.get(answer[3], answer[3])}")

    def _read_what_came(self) -> None:
        """Read what the broker sent: answers to pings are all that it may send."""
        self._socket.settimeout(0.0)
        try:
            came = self._socket.recv(4096)
        except (BlockingIOError, ssl.SSLWantReadError):
            return
        finally:
            self._socket.settimeout(_SEND_S)
        if not came:
            raise OSError("the broker closed the link")
        if came[0] == _PINGRESP:
            self._asked_at = None


def connect_packet(
    client_id: str, username: str | None, password: str | None, will: Message | None
) -> bytes:
    """Encode the request for a session that the broker forgets when it ends (section 3.1)."""
    flags = _CLEAN
    fields = _text(client_id)
    if will is not None:
        flags |= _WILL
        fields += _text(will.topic) + _counted(will.payload)
    if username is not None:
        flags |= _USERNAME
        fields += _text(username)
        if password is not None:
            flags |= _PASSWORD
            fields += _text(password)
    head = _text("MQTT") + bytes((4, flags)) + struct.pack(">H", _KEEP_ALIVE_S)
    return _packet(_CONNECT, head + fields)


def publish_packet(message: Message) -> bytes:
    """Encode a message of which nobody says whether it came (section 3.3)."""
    return _packet(_PUBLISH, _text(message.topic) + message.payload)


def _packet(kind: int, body: bytes) -> bytes:
    """Put type and length before a body (section 2.2.3)."""
    length, digits = len(body), bytearray()
    while True:
        length, digit = divmod(length, 128)
        digits.append(digit | (0x80 if length else 0))
        if not length:
            return bytes((kind, *digits)) + body


def _text(text: str) -> bytes:
    return _counted(text.encode())


def _counted(content: bytes) -> bytes:
    if len(content) > 0xFFFF:
        raise OSError(f"MQTT holds texts of 65535 bytes at most, found {len(content)}")
    return struct.pack(">H", len(content)) + content
