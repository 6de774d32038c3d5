"""Intents as UDP datagrams to several programs of this host at once, each on a port of its own."""

from __future__ import annotations

import socket
from typing import Annotated, Any, Literal

from pydantic import Field

from volition.decoders.contract.intent import Intent
from volition.service.sessions.outputs import Output, OutputContext, OutputSettings


class ListenersSettings(OutputSettings):
    """Send each intent, as the JSON that the API's clients get, to ports of this host."""

    kind: Literal["listeners"] = "listeners"
    ports: list[Annotated[int, Field(ge=1, le=65535)]] = Field(
        min_length=1, description="Ports on which programs listen."
    )


class ListenersOutput(Output[ListenersSettings]):
    """The datagrams of one session.

    Nothing is said back: a receiver tells by ``seq`` what was lost on the way.
    """

    settings_model = ListenersSettings

    def open(self, context: OutputContext) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._n_sent = 0

    def intent(self, encoded: bytes, intent: Intent) -> None:
        for port in self.settings.ports:
            self._socket.sendto(encoded, ("127.0.0.1", port))
            self._n_sent += 1

    def state(self) -> dict[str, Any]:
        return {"sent": self._n_sent}

    def close(self, timeout_s: float) -> None:
        self._socket.close()
