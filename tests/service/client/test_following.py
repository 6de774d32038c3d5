"""A follower comes back by itself, and gives a neutral intent when the newest has expired."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from websockets.datastructures import Headers
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve
from websockets.typing import Subprotocol

from volition.decoders.contract.intent import CursorIntent, IdleIntent, SelectionIntent, to_json
from volition.service.client import ApiError, AsyncClient, Client, UnreachableError
from volition.service.client.clock import ServiceClock
from volition.service.wire.messages import PROTOCOL, Bye, GapMessage, Pong

#: The service's LSL clock stands so far from this machine's.
AHEAD_S = 1000.0
HELLO = {
    "type": "hello",
    "protocol": "volition.v1.json",
    "session": "s",
    "state": "running",
    "held": False,
    "life": "one",
    "epoch": 1,
    "last_seq": 0,
    "config": {},
}


def service_time() -> float:
    return time.monotonic() + AHEAD_S


class Script:
    """A service that does to each link what the next step says."""

    def __init__(self, *steps: Callable[[ServerConnection], None]) -> None:
        self._steps = iter(steps)
        self.asked: list[dict[str, list[str]]] = []

    def __call__(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        self.asked.append(parse_qs(urlsplit(socket.request.path).query))
        next(self._steps)(socket)


def hello(socket: ServerConnection, **changes: object) -> None:
    socket.send(json.dumps({**HELLO, "lsl_time": service_time(), **changes}))


def cursor(seq: int, expires_s: float = 30.0) -> str:
    intent = CursorIntent(
        velocity=[1.0, 2.0], seq=seq, life="one", t_sample=service_time(), expires_s=expires_s
    )
    return to_json(intent).decode()


def bye(socket: ServerConnection) -> None:
    socket.send(Bye(reason="stopped: asked to stop").model_dump_json())


@contextlib.contextmanager
def served(script: Script, **options: Any) -> Iterator[str]:
    protocols = [Subprotocol(PROTOCOL)]
    with serve(script, "127.0.0.1", 0, subprotocols=protocols, **options) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.socket.getsockname()[1]}"
        server.shutdown()
        thread.join()


def drops(socket: ServerConnection) -> None:
    hello(socket)
    socket.send(cursor(1))
    socket.send(cursor(2))


def goes_on(socket: ServerConnection) -> None:
    hello(socket, last_seq=2)
    socket.send(cursor(3))
    bye(socket)


def test_it_comes_back_behind_the_last_intent_of_the_same_life() -> None:
    script = Script(drops, goes_on)
    with served(script) as url, Client(url) as client:
        found = [m.seq for m in client.follow("s", after=0) if isinstance(m, CursorIntent)]
    assert found == [1, 2, 3]
    assert script.asked == [{"after": ["0"]}, {"after": ["2"], "life": ["one"]}]


async def test_the_async_one_does_the_same() -> None:
    script = Script(drops, goes_on)
    with served(script) as url:
        async with AsyncClient(url) as client:
            found = [m.seq async for m in client.follow("s") if isinstance(m, CursorIntent)]
    assert found == [1, 2, 3]
    assert script.asked[1] == {"after": ["2"], "life": ["one"]}


def test_a_gap_of_another_life_is_gone_on_from() -> None:
    def another(socket: ServerConnection) -> None:
        hello(socket, life="two", last_seq=1)
        socket.send(GapMessage(first=1, last=1).model_dump_json(by_alias=True))

    script = Script(drops, another, goes_on)
    with served(script) as url, Client(url) as client:
        list(client.follow("s", after=0))
    assert script.asked[2] == {"after": ["1"], "life": ["two"]}


def test_when_the_newest_expires_a_neutral_one_is_given_once_though_nothing_comes() -> None:
    def falls_silent(socket: ServerConnection) -> None:
        hello(socket)
        socket.send(cursor(1, expires_s=0.2))
        time.sleep(0.6)
        bye(socket)

    with served(Script(falls_silent)) as url, Client(url) as client:
        follower = client.follow("s", after=0)
        found = [
            (message.velocity, follower.fresh(message))
            for message in follower
            if isinstance(message, CursorIntent)
        ]
    assert found == [([1.0, 2.0], True), ([0.0, 0.0], False)]
    assert isinstance(follower.current, CursorIntent)
    assert follower.current.velocity == [0.0, 0.0]


def test_a_selection_that_has_expired_while_the_link_is_down_becomes_idle() -> None:
    def leaves(socket: ServerConnection) -> None:
        hello(socket)
        chosen = SelectionIntent(
            target=0, label="a", confidence=1, evidence={}, t_sample=service_time(), expires_s=0.1
        )
        socket.send(to_json(chosen).decode())

    with served(Script(leaves, goes_on)) as url, Client(url) as client:
        kinds = [type(message) for message in client.follow("s", after=0)]
    assert kinds.index(IdleIntent) == kinds.index(SelectionIntent) + 1


def test_a_session_that_is_refused_is_an_error_and_not_waited_for() -> None:
    def not_found(socket: ServerConnection, request: Request) -> Response:
        body = json.dumps({"detail": "there is no session s"}).encode()
        return Response(404, "Not Found", Headers(), body)

    with (
        served(Script(), process_request=not_found) as url,
        Client(url) as client,
        pytest.raises(ApiError, match="there is no session s") as caught,
    ):
        list(client.follow("s"))
    assert caught.value.fields["status"] == 404


def test_a_service_that_stays_away_is_given_up() -> None:
    with Client("http://127.0.0.1:9") as client, pytest.raises(UnreachableError, match=r"0\.3 s"):
        list(client.follow("s", give_up_s=0.3))


def test_the_clock_takes_the_estimate_of_the_shortest_round_trip() -> None:
    clock = ServiceClock()
    assert clock.lsl_time() is None
    clock.note(0.0, 1.0, 100.9)
    clock.note(2.0, 2.01, 102.005)
    assert clock.offset_s == pytest.approx(100.0)
    assert clock.uncertainty_s == pytest.approx(0.005)


def test_pongs_are_taken_and_not_given() -> None:
    def answers(socket: ServerConnection) -> None:
        hello(socket)
        ping = json.loads(socket.recv(timeout=10))
        socket.send(Pong(t_client=ping["t_client"], lsl_time=service_time()).model_dump_json())
        socket.send(cursor(1))
        bye(socket)

    with served(Script(answers)) as url, Client(url) as client:
        follower = client.follow("s", after=0)
        assert [message.type for message in follower] == ["hello", "intent", "bye"]
    assert follower.clock.offset_s == pytest.approx(AHEAD_S, abs=0.05)
