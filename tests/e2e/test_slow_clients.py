"""A client that does not read what it is sent is told of, and so is that it reads again."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from websockets.sync.client import ClientConnection, connect

from volition.service.client import Client
from volition.service.gateway.launch import RunningService

MakeConfig = Callable[..., dict[str, Any]]


def url_of(service: RunningService, session: str) -> str:
    return f"{service.url.replace('http', 'ws', 1)}/v1/sessions/{session}/intents"


def wait_until(client: Client, session: str, done: Callable[[Any], bool]) -> Any:
    """Look at the session's state with each of its intents until it is as wanted."""
    state = client.state(session)
    while not done(state):
        client.intents(session, after=state.last_seq, wait_s=1.0)
        state = client.state(session)
    return state


def pong(socket: ClientConnection) -> dict[str, Any]:
    """Ask, and read everything up to the answer."""
    socket.send(json.dumps({"type": "ping", "t_client": 1.5}))
    while (message := json.loads(socket.recv(20)))["type"] != "pong":
        assert message["type"] in ("hello", "status", "intent")
    answer: dict[str, Any] = message
    return answer


def behind_in_metrics(service: RunningService, session: str) -> float:
    text = httpx.get(f"{service.url}/metrics", trust_env=False, timeout=60).text
    (line,) = [
        one
        for one in text.splitlines()
        if one.startswith("volition_clients_behind{") and session in one
    ]
    return float(line.split()[-1])


@pytest.mark.slow
def test_a_client_that_stops_reading_is_told_of_until_it_reads_again(
    client: Client, service: RunningService, sliding: MakeConfig
) -> None:
    session = client.create_session(sliding()).id
    # This library reads two messages ahead, and no more until the program has taken them.
    with connect(url_of(service, session), max_queue=1, proxy=None) as socket:
        socket.recv(20)
        state = wait_until(client, session, lambda s: s.clients_behind == 1)
        assert state.clients == 1
        assert any("do not keep up" in one for one in client.session(session).warnings)
        assert behind_in_metrics(service, session) == 1.0
        assert pong(socket)["behind_s"] > 0
        while pong(socket)["behind_s"]:
            pass
        assert pong(socket)["waiting"] == 0
    wait_until(client, session, lambda s: s.clients_behind == 0)
    assert not any("do not keep up" in one for one in client.session(session).warnings)
