"""Intents pushed to a WebSocket server elsewhere, where the API cannot be called from.

Each intent is a text frame: the JSON that the API's clients get. The link is made from here, so no
port need be open on this side; it comes back by itself. Pings find a receiver that is gone.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from volition.decoders.contract.intent import Intent
from volition.decoders.contract.settings import FileName
from volition.service.sessions.outputs import OutputSettings
from volition.service.worker.outputs.sending import SendingOutput, secret_in

if TYPE_CHECKING:
    from websockets.sync.client import ClientConnection

_CLOSE_S = 0.2


class WebSocketPushOutputSettings(OutputSettings):
    """Push each intent, as JSON, to a WebSocket server."""

    kind: Literal["websocket-push"] = "websocket-push"
    reaches: ClassVar[str] = "sends over the network"
    url: str = Field(
        pattern=r"^wss?://[^\s@]+$", max_length=2048, description="Where to, ws:// or wss://."
    )
    token_file: FileName | None = Field(
        default=None, description="File that holds the token that is sent as Authorization: Bearer."
    )
    connect_timeout_s: float = Field(
        default=0.9, gt=0, le=30, description="How long to wait for an answer, seconds."
    )


class WebSocketPushOutput(SendingOutput[WebSocketPushOutputSettings]):
    """JSON frames to one WebSocket server."""

    settings_model = WebSocketPushOutputSettings

    def __init__(self, settings: WebSocketPushOutputSettings) -> None:
        super().__init__(settings)
        self._link = ExitStack()
        self._connection: ClientConnection | None = None

    @property
    def _address(self) -> str:
        return self.settings.url.partition("?")[0]

    def _connect(self) -> None:
        # Not above: no worker carries a WebSocket library but for this output.
        from websockets.exceptions import WebSocketException
        from websockets.sync.client import connect

        token = secret_in(self.settings.token_file)
        try:
            self._connection = self._link.enter_context(
                connect(
                    self.settings.url,
                    additional_headers={"Authorization": f"Bearer {token}"} if token else None,
                    open_timeout=self.settings.connect_timeout_s,
                    ping_interval=5,
                    ping_timeout=5,
                    close_timeout=_CLOSE_S,
                    proxy=None,
                )
            )
        except WebSocketException as error:
            raise OSError(f"is no WebSocket that takes us: {error}") from None

    def _send(self, encoded: bytes, intent: Intent) -> bool:
        from websockets.exceptions import ConnectionClosed

        assert self._connection is not None
        try:
            self._connection.send(encoded, text=True)
        except ConnectionClosed as error:
            raise OSError(f"closed the link: {error}") from None
        return True

    def _disconnect(self) -> None:
        self._connection = None
        self._link.close()
