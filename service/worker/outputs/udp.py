"""Intents as UDP datagrams: the API's JSON, or the lines that BCI2000's programs read.

BCI2000's App Connector sends lines ``NAME VALUE``: states of an experiment, and its control signal
as ``Signal(CHANNEL,ELEMENT)``. Programs that were made for its cursor take the control signal of
the first channels for the velocity, and ``ResultCode`` for what was selected, 0 for nothing
(https://www.bci2000.org/mediawiki/index.php/Technical_Reference:App_Connector).
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import ClassVar, Literal

from pydantic import Field

from volition.decoders.contract.intent import ClickIntent, CursorIntent, Intent, SelectionIntent
from volition.service.sessions.outputs import OutputSettings
from volition.service.worker.outputs.sending import S, SendingOutput


class UdpOutputSettings(OutputSettings):
    """Send each intent as a datagram to a UDP port."""

    kind: Literal["udp"] = "udp"
    reaches: ClassVar[str] = "sends over the network"
    host: str = Field(default="127.0.0.1", min_length=1, max_length=253, description="Receiver.")
    port: int = Field(ge=1, le=65535, description="Port on which it listens.")
    format: Literal["json", "bci2000"] = Field(
        default="json", description="The JSON of the API, or lines as BCI2000's App Connector has."
    )


class DatagramOutput(SendingOutput[S]):
    """Base of outputs that send datagrams, of which nobody says whether they came.

    Where a host answers that nobody listens on the port, that is told.
    """

    _socket: socket.socket | None = None

    def _open_socket(self, host: str, port: int) -> None:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        self._socket = socket.socket(family, kind)
        self._socket.connect(address)
        self._socket.setblocking(False)

    def _send_datagram(self, datagram: bytes) -> None:
        assert self._socket is not None
        self._socket.send(datagram)

    def _disconnect(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


class UdpOutput(DatagramOutput[UdpOutputSettings]):
    """Datagrams of JSON, or of BCI2000's lines, to one port."""

    settings_model = UdpOutputSettings

    @property
    def _address(self) -> str:
        return f"{self.settings.host}:{self.settings.port}"

    @property
    def _tells_expiry(self) -> bool:
        return self.settings.format == "json"

    def _connect(self) -> None:
        self._open_socket(self.settings.host, self.settings.port)

    def _send(self, encoded: bytes, intent: Intent) -> bool:
        if self.settings.format == "json":
            self._send_datagram(encoded)
        else:
            self._send_datagram("".join(f"{line}\r\n" for line in bci2000_lines(intent)).encode())
        return True


def bci2000_lines(intent: Intent) -> Iterator[str]:
    """Give the lines of an intent; whatever moves nothing sets the result to 0."""
    if isinstance(intent, CursorIntent):
        for channel, speed in enumerate(intent.velocity):
            yield f"Signal({channel},0) {speed:.6g}"
    elif isinstance(intent, SelectionIntent):
        yield f"ResultCode {intent.target + 1}"
    elif isinstance(intent, ClickIntent):
        yield "ResultCode 1"
    else:
        yield "ResultCode 0"
