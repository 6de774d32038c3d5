"""What one connection may take: of a real server, spoken to byte by byte."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import json
import random
import time
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import pytest
import uvicorn
from fastapi import FastAPI, WebSocket
from starlette.websockets import WebSocketDisconnect

from tests.service.gateway.asgi import Call, ask, running
from volition.service.gateway import http as bounded
from volition.service.gateway.app import create_app
from volition.service.gateway.auth import Role, allow
from volition.service.gateway.budgets import (
    LoopShares,
    LoopTime,
    Rate,
    Rest,
    Stopwatch,
    Turnstile,
)
from volition.service.gateway.direct import MOST_FRAMES_PER_S, DirectProtocol
from volition.service.gateway.guard import SPEND, Access, Limits
from volition.service.gateway.http import bounded_http

PING = bytes([0x89, 0x80, 0, 0, 0, 0])
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n"
#: What an address may take at once beyond its share, the parts of a few connections, and a piece.
AT_ONCE_S = 0.05 + 8 * 0.003 + 0.05
CHUNKED = b"HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n"


class Wire(NamedTuple):
    """A connection to the server."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def flood(self, piece: bytes, most_bytes: int) -> int:
        """Send without a pause until the other end closes or ``most_bytes`` are sent."""
        sent = 0
        with contextlib.suppress(OSError):
            while sent < most_bytes and not self.reader.at_eof():
                self.writer.write(piece)
                await self.writer.drain()
                sent += len(piece)
        return sent

    async def rest(self, timeout_s: float = 5.0) -> bytes:
        with contextlib.suppress(OSError):
            async with asyncio.timeout(timeout_s):
                return await self.reader.read()
        return b""


class Service(NamedTuple):
    """A server, and the application behind it."""

    app: FastAPI
    port: int
    state: Any
    wires: list[Wire]

    async def connect(self) -> Wire:
        wire = Wire(*await asyncio.open_connection("127.0.0.1", self.port))
        self.wires.append(wire)
        return wire

    async def open_socket(self, path: str) -> Wire:
        wire = await self.connect()
        key = base64.b64encode(b"k" * 16).decode()
        wire.writer.write(
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        assert b"101" in await wire.reader.readuntil(b"\r\n\r\n")
        return wire


@contextlib.asynccontextmanager
async def serving(app: FastAPI, most_connections: int = 50) -> AsyncIterator[Service]:
    config = uvicorn.Config(
        app,
        port=0,
        log_config=None,
        http=bounded_http(most_connections, bounded.BoundedHttpProtocol.shares),
        ws=DirectProtocol,
        ws_max_size=1 << 16,
        lifespan="on",
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    for _ in range(1000):
        if server.started:
            break
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield (service := Service(app, port, server.server_state, []))
    finally:
        for wire in service.wires:
            wire.writer.transport.abort()
            with contextlib.suppress(OSError):
                await wire.writer.wait_closed()
        server.should_exit = True
        await task


@pytest.mark.parametrize(
    ("start", "piece"),
    [
        (HEALTH, b"x: y\r\n" * 500),
        (HEALTH + b"x: ", b"z" * 3000),
        (b"GET /", b"u" * 3000),
        (
            b"POST /v1/tickets " + CHUNKED + b"0\r\n",
            b"t: u\r\n" * 500,
        ),
        (
            b"DELETE /healthz " + CHUNKED,
            b"1\r\nq\r\n" * 500,
        ),
    ],
    ids=["headers", "one header", "address", "trailers", "chunks that nobody reads"],
)
async def test_a_request_without_end_closes_its_connection(start: bytes, piece: bytes) -> None:
    async with serving(create_app()) as service:
        wire = await service.connect()
        wire.writer.write(start)
        sent = await wire.flood(piece, 100 << 20)
        assert sent < 16 << 20  # most of it lies in the system's own buffers
        assert len(service.state.connections) <= 1


async def test_a_head_that_does_not_end_in_time_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded, "HEAD_S", 0.3)
    async with serving(create_app()) as service:
        silent, slow, idle = [await service.connect() for _ in range(3)]
        slow.writer.write(HEALTH)
        idle.writer.write(HEALTH + b"\r\n")
        assert (await slow.rest()).startswith(b"HTTP/1.1 408")
        assert (await silent.rest()).startswith(b"HTTP/1.1 408")
        assert (await idle.reader.readline()).startswith(b"HTTP/1.1 200")


async def test_requests_that_do_not_wait_for_answers_are_few() -> None:
    async with serving(create_app()) as service:
        wire = await service.connect()
        wire.writer.write((HEALTH + b"\r\n") * 9)
        await asyncio.sleep(0.3)
        assert (await wire.reader.read(1 << 16)).count(b"HTTP/1.1 200") == 9
        assert await wire.flood((HEALTH + b"\r\n") * 300, 100 << 20) < 16 << 20


async def test_a_connection_beyond_the_descriptors_is_refused_with_a_reason() -> None:
    async with serving(create_app(), most_connections=4) as service:
        held = [await service.connect() for _ in range(4)]
        await asyncio.sleep(0.1)
        refused = await (await service.connect()).rest()
        assert refused.startswith(b"HTTP/1.1 503")
        assert b"too many connections" in refused
        held[0].writer.close()
        await asyncio.sleep(0.1)
        wire = await service.connect()
        wire.writer.write(HEALTH + b"\r\n")
        assert (await wire.reader.readline()).startswith(b"HTTP/1.1 200")


async def test_bodies_in_the_smallest_chunks_leave_the_loop_to_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bounded.BoundedHttpProtocol, "shares", LoopShares(share=0.02))
    spent = spending(monkeypatch)
    async with serving(create_app()) as service:
        wires = [await service.connect() for _ in range(3)]
        for wire in wires:
            wire.writer.write(b"POST /v1/sessions " + CHUNKED)
        floods = [asyncio.create_task(wire.flood(b"1\r\nq\r\n" * 5000, 50 << 20)) for wire in wires]
        began = time.monotonic()
        await asyncio.sleep(2.5)
        took_s = time.monotonic() - began
        quiet = await service.connect()
        quiet.writer.write(HEALTH + b"\r\n")
        async with asyncio.timeout(1.0):
            assert (await quiet.reader.readline()).startswith(b"HTTP/1.1 200")
        for flood in floods:
            flood.cancel()
        assert sum(spent) < 0.02 * took_s + AT_ONCE_S


async def test_with_every_connection_taken_an_emergency_stop_is_answered() -> None:
    stop = (
        b"POST /v1/sessions/nobody/estop HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n"
    )
    read = b"GET /v1/sessions/nobody/estop HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    async with serving(create_app(), most_connections=4) as service:
        held = [await service.connect() for _ in range(4 + 2 * bounded.SPARE)]
        await asyncio.sleep(0.1)
        for request, status in ((stop, b"404"), (read, b"503"), (stop, b"404")):
            wire = await service.connect()
            wire.writer.write(request)
            async with asyncio.timeout(0.5):
                assert (await wire.reader.readline()).startswith(b"HTTP/1.1 " + status)
            assert b"connection: close" in (await wire.rest()).lower()
        assert [wire.reader.at_eof() for wire in held[:4]] == [False] * 4


async def test_a_body_after_its_refusal_does_not_break_the_connection() -> None:
    async with serving(create_app()) as service:
        wire = await service.connect()
        wire.writer.write(b"POST /nothing HTTP/1.1\r\nHost: 127.0.0.1\r\ncontent-length: 9\r\n\r\n")
        assert (await wire.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 404")
        wire.writer.write(b"123456789")
        await asyncio.sleep(1.2)
        wire.writer.write(HEALTH + b"\r\n")
        assert b"HTTP/1.1 200" in await wire.reader.readuntil(b"200 OK")


def spending(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Note what connections take of the loop."""
    spent: list[float] = []
    took = Rest.took

    def note(rest: Rest, seconds: float) -> None:
        spent.append(seconds)
        took(rest, seconds)

    monkeypatch.setattr(Rest, "took", note)
    return spent


def with_sockets(app: FastAPI) -> FastAPI:
    @app.websocket("/echo")
    @allow(Role.READ)
    async def echo(websocket: WebSocket) -> None:
        await websocket.accept()
        while True:
            await websocket.send_text((await websocket.receive_text()) * 100)

    @app.websocket("/deaf")
    @allow(Role.READ)
    async def deaf(websocket: WebSocket) -> None:
        await websocket.accept()
        await asyncio.sleep(30)

    return app


async def test_a_flood_of_pings_closes_its_socket_and_nothing_waits_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # With a smaller share a slow machine reads so few of them that none is too many.
    monkeypatch.setattr(DirectProtocol, "shares", LoopShares(share=1.0, at_once_s=30.0))
    async with serving(with_sockets(create_app())) as service:
        wire = await service.open_socket("/echo")
        slowest_s = 0.0

        async def tick() -> None:
            nonlocal slowest_s
            while True:
                began = time.monotonic()
                await asyncio.sleep(0.005)
                slowest_s = max(slowest_s, time.monotonic() - began)

        ticking = asyncio.create_task(tick())
        await wire.flood(PING * 700, 5 << 20)
        answer = await wire.rest()
        ticking.cancel()
        assert slowest_s < 0.25
        assert (1008).to_bytes(2, "big") + b"more than" in answer


async def test_pings_within_the_rate_are_answered() -> None:
    async with serving(with_sockets(create_app())) as service:
        wire = await service.open_socket("/echo")
        wire.writer.write(PING * (MOST_FRAMES_PER_S // 2))
        assert await wire.reader.readexactly(MOST_FRAMES_PER_S) == bytes([0x8A, 0]) * (
            MOST_FRAMES_PER_S // 2
        )


async def test_sockets_that_flood_leave_the_loop_to_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(DirectProtocol, "shares", LoopShares(share=0.02))
    spent = spending(monkeypatch)
    async with serving(with_sockets(create_app())) as service:
        wires = [await service.open_socket("/echo") for _ in range(5)]
        drains = [asyncio.create_task(wire.rest(30.0)) for wire in wires]
        floods = [asyncio.create_task(wire.flood(text(b"m" * 200), 50 << 20)) for wire in wires]
        began = time.monotonic()
        await asyncio.sleep(2.5)
        took_s = time.monotonic() - began
        assert all(not flood.done() for flood in floods)  # slowed, and none is closed
        quiet = await service.open_socket("/echo")
        quiet.writer.write(text(b"q" * 200))
        async with asyncio.timeout(1.0):
            await quiet.reader.readexactly(4)
        for task in (*floods, *drains):
            task.cancel()
        assert sum(spent) < 0.02 * took_s + AT_ONCE_S


def text(payload: bytes) -> bytes:
    return bytes([0x81, 0xFE]) + len(payload).to_bytes(2, "big") + b"\0\0\0\0" + payload


@pytest.mark.parametrize("path", ["/deaf", "/echo"])
async def test_a_socket_whose_answers_or_messages_wait_is_not_read_from(path: str) -> None:
    async with serving(with_sockets(create_app())) as service:
        wire = await service.open_socket(path)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2.0):
                await wire.flood(text(b"m" * 40_000), 64 << 20)


async def test_all_messages_of_a_burst_arrive_in_order() -> None:
    async with serving(with_sockets(create_app())) as service:
        wire = await service.open_socket("/echo")
        wire.writer.write(b"".join(text(f"{i:03d}".encode() * 50) for i in range(400)))
        for i in range(400):
            head = await wire.reader.readexactly(4)
            answer = await wire.reader.readexactly(int.from_bytes(head[2:], "big"))
            assert answer.startswith(f"{i:03d}".encode())


async def test_who_reads_too_often_waits_and_is_not_refused() -> None:
    limits = Limits(reads_share=0.02, reads_at_once_s=0.005)
    async with running(create_app(Access(limits=limits))) as app:
        began = time.monotonic()
        call = Call("http", "GET", "/healthz?", None)
        answers = await asyncio.gather(*(ask(app, call) for _ in range(60)))
        assert {one.status for one in answers} == {200}
        # Each is taken to cost half a millisecond at least.
        assert 0.5 < time.monotonic() - began < 4.0


def test_requests_that_wait_have_their_turns_as_far_apart_as_the_last_one_took() -> None:
    loop_time = LoopTime(0.25, 0.0, longest_wait_s=5.0, usual_s=0.001)
    first, expected_s = loop_time.turn("a")
    assert (first, expected_s) == (0.0, 0.001)
    loop_time.settle("a", expected_s, 0.02)
    waits_s = [wait_s for wait_s, _ in (loop_time.turn("a") for _ in range(4))]
    assert [b - a for a, b in itertools.pairwise(waits_s) if a and b] == [
        pytest.approx(0.08, abs=0.005)
    ] * 3
    assert loop_time.turn("b") == (0.0, 0.001)
    assert loop_time.turn("a")[1] == 0.02


async def test_whose_changes_take_too_much_of_the_loop_waits_and_an_emergency_stop_does_not() -> (
    None
):
    limits = Limits(changes_share=0.01, changes_at_once_s=0.002)
    async with running(create_app(Access(limits=limits))) as app:
        began = time.monotonic()
        marker = Call("http", "POST", "/v1/sessions/nobody/markers", None)
        waiting = asyncio.gather(*(ask(app, marker, b"{}") for _ in range(20)))
        await asyncio.sleep(0)
        stop = Call("http", "POST", "/v1/sessions/nobody/estop", None)
        assert (await ask(app, stop)).status == 404
        assert time.monotonic() - began < 0.3
        # Each is taken to cost half a millisecond, if not more.
        assert {one.status for one in await waiting} <= {404, 422}
        assert 0.5 < time.monotonic() - began < 5.0


async def test_as_many_sockets_as_there_may_be_are_opened_without_a_wait() -> None:
    app = create_app(Access(limits=Limits(clients=40, reads_share=0.01, reads_at_once_s=0.002)))
    with_sockets(app)
    began = time.monotonic()
    call = Call("websocket", "GET", "/echo", None)
    answers = [await ask_and_leave(app, call) for _ in range(40)]
    assert answers == [101] * 40
    assert time.monotonic() - began < 3.0


async def ask_and_leave(app: FastAPI, call: Call) -> int:
    with contextlib.suppress(WebSocketDisconnect, KeyError):
        return (await ask(app, call)).status
    return 101  # it was open, and its client has left


async def test_what_a_request_takes_of_the_loop_is_measured_and_what_it_waits_for_is_not() -> None:
    async def work() -> None:
        compute(0.03)
        await asyncio.sleep(0.2)
        compute(0.02)

    stopwatch = Stopwatch(work())
    await stopwatch
    assert 0.05 <= stopwatch.spent_s < 0.15


def compute(seconds: float) -> None:
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


async def test_time_in_which_the_service_itself_was_kept_from_working_is_nobodys() -> None:
    async def work() -> None:
        time.sleep(0.3)  # noqa: ASYNC251 - as one that is suspended

    stopwatch = Stopwatch(work())
    await stopwatch
    assert stopwatch.spent_s < 0.15


async def test_a_request_that_is_cancelled_is_cancelled_within() -> None:
    ended: list[str] = []

    async def work() -> None:
        try:
            await asyncio.sleep(9)
        finally:
            await asyncio.sleep(0)
            ended.append("well")

    async def run() -> None:
        await Stopwatch(work())

    task = asyncio.create_task(run())
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == ["well"]


async def test_a_query_without_end_is_refused() -> None:
    app = create_app(Access(limits=Limits(query_bytes=300)))
    answer = await ask(app, Call("http", "GET", "/v1/sessions?q=" + "a" * 300, None))
    assert (answer.status, answer.code) == (414, "query")


async def test_markers_by_socket_are_changes_of_the_same_caller() -> None:
    app = create_app(Access(limits=Limits(changes_per_s=1, changes_at_once=6)))
    left: list[bool] = []

    @app.websocket("/spend")
    @allow(Role.CONTROL)
    async def spend(websocket: WebSocket) -> None:
        left.extend(websocket.scope[SPEND]() == 0 for _ in range(5))
        await websocket.accept()

    for _ in range(3):
        assert (await ask(app, Call("http", "POST", "/v1/tickets", None))).status == 201
    await ask(app, Call("websocket", "GET", "/spend", None))
    assert left == [True] * 3 + [False] * 2


async def test_a_document_is_made_once() -> None:
    app = create_app()
    call = Call("http", "GET", "/asyncapi.json?", None)
    first = await ask(app, call)
    began = time.monotonic()
    assert [(await ask(app, call)).body for _ in range(3)] == [first.body] * 3
    assert time.monotonic() - began < 0.2
    assert json.loads(first.body)["asyncapi"]


def test_each_caller_has_a_turnstile_of_its_own() -> None:
    now = [100.0]
    turnstile = Turnstile(10, 2, longest_wait_s=0.25, clock=lambda: now[0])
    assert [turnstile.turn("a") for _ in range(3)] == [0, 0, 0]
    assert turnstile.turn("a") == pytest.approx(0.1)
    assert turnstile.turn("b") == 0
    assert turnstile.turn("a") == pytest.approx(0.2)
    assert turnstile.turn("a") is None
    now[0] += 0.3
    assert turnstile.turn("a") == pytest.approx(0.0)
    now[0] += 1000
    assert [turnstile.turn("a") for _ in range(4)] == [0, 0, 0, pytest.approx(0.1)]


def test_what_was_given_counts_the_next_time() -> None:
    now = [5.0]
    turnstile = Turnstile(10, 1, longest_wait_s=9, clock=lambda: now[0])
    turnstile.turn("a")
    turnstile.charge("a", 11)
    assert turnstile.turn("a") == pytest.approx(1.1)


def test_a_rate_is_taken_only_where_there_is_enough() -> None:
    now = [0.0]
    rate = Rate(4, 8, clock=lambda: now[0])
    assert rate.spend(8) == 0
    assert rate.spend(2) == pytest.approx(0.5)
    now[0] = 0.5
    assert rate.spend(2) == 0


def test_nobody_waits_while_the_sockets_of_an_address_take_no_more_than_its_share() -> None:
    now = 0.0
    shares = LoopShares(0.1, at_once_s=0.05, own_at_once_s=0.01, clock=lambda: now)
    busy, quiet = shares.open("here"), shares.open("here")
    for step in range(1000):
        now = step * 0.01
        busy.spend(0.0009)  # nine hundredths: more than half of the share, and within the whole
        assert busy.wait_s() <= 0
        assert quiet.wait_s() <= 0


def test_of_an_address_that_takes_too_much_those_wait_that_took_more_than_their_part() -> None:
    now = 0.0
    shares = LoopShares(0.1, at_once_s=0.05, own_at_once_s=0.01, clock=lambda: now)
    floods = [shares.open("here") for _ in range(9)]
    quiet, elsewhere = shares.open("here"), shares.open("there")
    took = dict.fromkeys(range(9), 0.0)
    chance = random.Random(1)  # noqa: S311 - no secret
    for step in range(10_000):
        now = step * 0.001
        for number in chance.sample(range(9), 9):
            flood = floods[number]
            if flood.wait_s() <= 0:
                flood.spend(0.0002)
                took[number] += 0.0002
    assert sum(took.values()) < 10 * 0.1 + 0.05 + 9 * 0.011
    assert max(took.values()) < 1.2 * min(took.values())
    quiet.spend(0.005)
    elsewhere.spend(0.005)
    assert quiet.wait_s() <= 0
    assert elsewhere.wait_s() <= 0


def test_where_sockets_close_the_others_have_their_parts() -> None:
    now = 0.0
    shares = LoopShares(0.1, at_once_s=0.0, own_at_once_s=0.0, clock=lambda: now)
    one, other = shares.open("here"), shares.open("here")
    one.spend(0.01)
    assert one.wait_s() == pytest.approx(0.1)  # by what all of the address took
    one.spend(0.01)
    other.spend(0.02)
    assert other.wait_s() == pytest.approx(0.4)
    one.close()
    assert other.wait_s() == pytest.approx(0.2)
