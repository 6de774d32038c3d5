"""Intents as UDP datagrams, one a datagram, for a program that listens on a port of some host."""

from __future__ import annotations

import socket
from typing import Any, Literal

from pydantic import Field

from volition.decoders.contract.intent import Intent
from volition.service.sessions.outputs import Output, OutputContext, OutputSettings


class UdpSettings(OutputSettings):
    """Send each intent, as the JSON that the API's clients get, to a UDP port."""

    kind: Literal["udp"] = "udp"
    host: str = Field(default="127.0.0.1", description="Who is sent to.")
    port: int = Field(ge=1, le=65535, description="Port on which they listen.")


class UdpOutput(Output[UdpSettings]):
    """The datagrams of one session.

    Nothing is said back: a receiver tells by ``seq`` what was lost on the way.
    """

    settings_model = UdpSettings

    def open(self, context: OutputContext) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._n_sent = 0

    def intent(self, encoded: bytes, intent: Intent) -> None:
        self._socket.sendto(encoded, (self.settings.host, self.settings.port))
        self._n_sent += 1

    def state(self) -> dict[str, Any]:
        return {"sent": self._n_sent}

    def close(self, timeout_s: float) -> None:
        self._socket.close()
