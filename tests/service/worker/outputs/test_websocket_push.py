"""A WebSocket server elsewhere is pushed each intent, and is found again when it comes back."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import Server, ServerConnection, serve

from tests.service.worker.outputs.opening import give, idle, opened, selection, tended
from volition.service.worker.outputs.websocket_push import WebSocketPushOutputSettings


class Receiver:
    """Keeps what it is sent and who sent it."""

    def __init__(self) -> None:
        self.got: queue.Queue[Any] = queue.Queue()
        self.tokens: list[str | None] = []
        self.connections: list[ServerConnection] = []

    def take(self, connection: ServerConnection) -> None:
        self.connections.append(connection)
        assert connection.request is not None
        self.tokens.append(connection.request.headers.get("Authorization"))
        try:
            for frame in connection:
                self.got.put(json.loads(frame))
        except ConnectionClosed:
            return

    @contextmanager
    def listening(self, port: int = 0) -> Iterator[Server]:
        with serve(self.take, "127.0.0.1", port) as server:
            thread = threading.Thread(target=server.serve_forever, daemon=True)
            thread.start()
            yield server
            server.shutdown()
            for one in self.connections:
                one.close()
            thread.join(60)


def port_of(server: Server) -> int:
    return int(server.socket.getsockname()[1])


def test_each_intent_is_a_text_frame_of_its_json() -> None:
    receiver = Receiver()
    with (
        receiver.listening() as server,
        opened(WebSocketPushOutputSettings(url=f"ws://127.0.0.1:{port_of(server)}/in")) as output,
    ):
        give(output, selection("up"), idle())
        assert [receiver.got.get(timeout=60)["kind"] for _ in range(2)] == ["selection", "idle"]
        assert output.state()["connected"] is True
    assert receiver.tokens == [None]


def test_a_token_is_read_from_a_file_and_shown_nowhere(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("secret\n")
    receiver = Receiver()
    with receiver.listening() as server:
        url = f"ws://127.0.0.1:{port_of(server)}/in?room=1"
        settings = WebSocketPushOutputSettings.model_validate({"url": url, "token_file": str(file)})
        with opened(settings) as output:
            give(output, idle())
            receiver.got.get(timeout=60)
            assert "secret" not in str(output.state())
    assert receiver.tokens == ["Bearer secret"]


def test_a_server_that_goes_is_told_and_found_again_without_what_was_decided_meanwhile() -> None:
    receiver = Receiver()
    with receiver.listening() as server:
        port = port_of(server)
        output_of = opened(WebSocketPushOutputSettings(url=f"ws://127.0.0.1:{port}"))
        output = output_of.__enter__()
        give(output, selection(seq=1))
        assert receiver.got.get(timeout=60)["seq"] == 1

    def is_told() -> bool:
        give(output, selection(seq=2))
        return bool(output.trouble())

    tended(output, is_told)
    with receiver.listening(port):
        tended(output, lambda: output.state()["connected"])
        assert output.trouble() == ""
        give(output, selection(seq=3))
        assert receiver.got.get(timeout=60)["seq"] == 3
        output_of.__exit__(None, None, None)


def test_a_server_that_refuses_is_told() -> None:
    def refuse(connection: ServerConnection, request: Any) -> Any:
        return connection.respond(401, "no\n")

    with serve(Receiver().take, "127.0.0.1", 0, process_request=refuse) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        with opened(WebSocketPushOutputSettings(url=f"ws://127.0.0.1:{port_of(server)}")) as output:
            assert "HTTP 401" in output.trouble()
        server.shutdown()
        thread.join(60)


@pytest.mark.parametrize("url", ["http://x", "ws://me:secret@x", "ws://", "x", "ws://a b"])
def test_an_address_is_a_websockets_and_holds_no_password(url: str) -> None:
    with pytest.raises(ValidationError, match="pattern"):
        WebSocketPushOutputSettings(url=url)
