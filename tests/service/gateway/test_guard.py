"""The guard's limits, and that no secret leaves by an answer."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, Request, WebSocket

from tests.service.gateway.asgi import Call, ask, bearer, running
from volition.service.gateway.app import create_app
from volition.service.gateway.auth import Authority, Role, TokenFile, allow
from volition.service.gateway.guard import Access, Limits, _Rates

SESSIONS = Call("http", "POST", "/v1/sessions", None)
TICKETS = Call("http", "POST", "/v1/tickets", None)
SMALL = Limits(body_bytes=100, clients=3, clients_per_session=2, changes_per_s=1, changes_at_once=5)


@pytest.fixture
def small() -> FastAPI:
    return create_app(Access(limits=SMALL))


async def test_a_body_that_says_it_is_too_large_is_not_read(small: FastAPI) -> None:
    answer = await ask(small, SESSIONS, **{"content-length": "101"})
    assert (answer.status, answer.code) == (413, "too-large")
    assert answer.headers["connection"] == "close"


@pytest.mark.parametrize("headers", [{}, {"content-length": "1"}, {"content-length": "x"}])
async def test_a_body_that_is_larger_than_it_says_is_cut_off(
    small: FastAPI, headers: dict[str, str]
) -> None:
    async with running(small) as app:
        kind = {"content-type": "application/json"}
        answer = await ask(app, SESSIONS, b'"' + b"x" * 100, **headers, **kind)
        assert (answer.status, answer.code) == (413, "too-large")
        assert (await ask(app, SESSIONS, b'"' + b"x" * 98 + b'"', **kind)).status == 422


@pytest.mark.parametrize("piece", [b"1,", b"[", b'{"a":'])
async def test_a_body_of_many_small_values_is_refused_before_it_is_read(
    small: FastAPI, piece: bytes
) -> None:
    app = create_app(Access(limits=Limits(body_values=50)))
    kind = {"content-type": "application/json"}
    async with running(app):
        answer = await ask(app, SESSIONS, piece * 50, **kind)
        assert (answer.status, answer.code) == (422, "request")
        assert b"more than 50 values" in answer.body
        fewer = await ask(app, SESSIONS, b"[" + b"1," * 40 + b"1]", **kind)
        assert b"values" not in fewer.body


@pytest.mark.parametrize("value", [1, "x", {"a": [1]}, {"label": "a", "freq_hz": 9.0}])
async def test_no_body_within_the_bounds_keeps_the_loop_from_others_for_long(value: Any) -> None:
    n = Limits().body_values // (len(json.dumps(value).replace(" ", "").split(",")) + 2)
    many = [value] * n
    bodies = {
        ("POST", "/v1/sessions"): {"decoder": {"kind": "fbcca", "targets": many}},
        ("POST", "/v1/sessions/s/markers"): {"name": "x", "data": {"a": many}},
        ("PUT", "/v1/simulations/s/flashes"): {"flashes": [{"t": 1, "items": many[:256]}] * 30},
        ("POST", "/v1/sessions/s/calibrations"): {"name": "x", "guided": {"targets": many}},
        ("PUT", "/v1/sessions/s/model"): {"decoder": {"kind": "cca", "targets": many}},
    }
    async with running(create_app()) as app:
        for (method, path), body in bodies.items():
            kind = {"content-type": "application/json"}
            sent, call = json.dumps(body).encode(), Call("http", method, path, None)
            took_s = []
            for _ in range(3):
                began = time.thread_time()
                assert (await ask(app, call, sent, **kind)).status in (404, 422)
                took_s.append(time.thread_time() - began)
            assert min(took_s) < 0.015, (path, took_s)


async def test_changes_beyond_the_rate_are_told_when_to_come_again(small: FastAPI) -> None:
    answers = [await ask(small, TICKETS) for _ in range(7)]
    assert [a.status for a in answers] == [201] * 5 + [429] * 2
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert (await ask(small, Call("http", "GET", "/healthz", None))).status == 200


@pytest.mark.parametrize(
    "header", ["x-forwarded-for", "x-forwarded-host", "forwarded", "via", "x-real-ip"]
)
async def test_what_a_proxy_forwards_needs_a_token_though_this_machine_needs_none(
    small: FastAPI, header: str
) -> None:
    async with running(small) as app:
        sessions = Call("http", "GET", "/v1/sessions", None)
        assert (await ask(app, sessions)).status == 200
        answer = await ask(app, sessions, **{header: "203.0.113.7"})
        assert (answer.status, answer.code) == (401, "unauthorized")
        health = Call("http", "GET", "/healthz", None)
        assert (await ask(app, health, **{header: "203.0.113.7"})).status == 200
        socket = Call("websocket", "GET", "/v1/sessions/nobody/intents", None)
        assert (await ask(app, socket, **{header: "203.0.113.7"})).status == 401


@pytest.mark.parametrize(
    "change", [{"client": ("203.0.113.7", 50000)}, {"http_version": "1.0"}], ids=["peer", "http10"]
)
async def test_a_request_that_may_come_from_another_machine_needs_a_token(
    small: FastAPI, change: dict[str, Any]
) -> None:
    async def elsewhere(scope: Any, receive: Any, send: Any) -> None:
        await small({**scope, **change}, receive, send)

    assert (await ask(elsewhere, Call("http", "GET", "/v1/sessions", None))).status == 401


def test_a_rate_is_each_callers_own_and_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("volition.service.gateway.guard.time.monotonic", lambda: now[0])
    rates = _Rates(per_s=10, at_once=2)
    assert [rates.spend("a") for _ in range(3)] == [0, 0, pytest.approx(0.1)]
    assert rates.spend("b") == 0
    now[0] = 0.1
    assert rates.spend("a") == 0
    assert rates.spend("a") > 0
    now[0] = 100.0
    assert [rates.spend("a") > 0 for _ in range(3)] == [False, False, True]


def test_the_rates_of_many_callers_are_forgotten() -> None:
    rates = _Rates(per_s=1, at_once=1)
    for n in range(10_100):
        rates.spend(str(n))
    assert len(rates._left) == 10_000


async def test_sockets_of_a_session_and_in_all_are_counted_and_freed(small: FastAPI) -> None:
    open_now: list[Any] = []

    @small.websocket("/many/{id}")
    @allow(Role.READ)
    async def many(websocket: WebSocket, id: str) -> None:
        await websocket.accept()
        if open_now:
            await open_now.pop(0)

    async def statuses(*ids: str) -> list[int]:
        """Open one from within the other, so that all are open at once."""
        seen: list[int] = []

        async def nest(rest: tuple[str, ...]) -> None:
            if rest:
                open_now.append(nest(rest[1:]))
                answer = await ask(small, Call("websocket", "GET", f"/many/{rest[0]}", None))
                seen.insert(0, answer.status)
                for coroutine in open_now:
                    coroutine.close()
                open_now.clear()

        await nest(ids)
        return seen

    assert await statuses("a", "a", "a") == [101, 101, 503]
    assert await statuses("a", "b", "c", "d") == [101, 101, 101, 503]
    assert await statuses("a", "a") == [101, 101]


async def test_the_application_never_sees_a_ticket(tmp_path: Path) -> None:
    file = TokenFile(tmp_path / "tokens.json")
    secret = file.make("page", Role.READ)
    app = create_app(Access(Authority(file.path)))
    seen: list[str] = []

    @app.websocket("/seen")
    @allow(Role.READ)
    async def look(websocket: WebSocket) -> None:
        seen.append(websocket.url.query)
        seen.append(str(websocket.scope["caller"].role))
        await websocket.accept()

    made = await ask(app, TICKETS, authorization=bearer(secret))
    ticket = made.body.decode().partition('"ticket":"')[2].partition('"')[0]
    assert made.headers["cache-control"] == "no-store"
    call = Call("websocket", "GET", f"/seen?after=3&ticket={ticket}&kinds=", None)
    assert (await ask(app, call)).status == 101
    assert seen == ["after=3&kinds=", "read"]
    assert (await ask(app, call)).status == 401
    assert (await ask(app, Call("websocket", "GET", "/seen?ticket=", None))).status == 401
    # A ticket opens sockets alone.
    made = await ask(app, TICKETS, authorization=bearer(secret))
    ticket = made.body.decode().partition('"ticket":"')[2].partition('"')[0]
    call = Call("http", "GET", f"/v1/sessions?ticket={ticket}", None)
    assert (await ask(app, call)).status == 401


async def test_only_an_admin_names_a_file_of_the_host(tmp_path: Path) -> None:
    file = TokenFile(tmp_path / "tokens.json")
    app = create_app(Access(Authority(file.path)))
    secret = file.make("lab", Role.CONTROL)
    for name in ("/etc/passwd", "..", "c:x", "//server/share", "fitted.npz"):
        config = {"stream": {"name": "x"}, "decoder": {"kind": "dkf", "model": name}}
        kind = {"content-type": "application/json", "authorization": bearer(secret)}
        answer = await ask(app, SESSIONS, json.dumps(config).encode(), **kind)
        assert (answer.status, answer.code) == (403, "forbidden")


async def test_a_bug_is_a_problem_that_tells_nothing_of_our_insides() -> None:
    app = create_app()

    @app.get("/bug")
    @allow(Role.OPEN)
    async def bug(request: Request) -> None:
        raise RuntimeError("the secret is 4711")

    with pytest.raises(RuntimeError):  # for the server's log, after the answer was sent
        await ask(app, Call("http", "GET", "/bug", None))
    sent: list[Any] = []
    with pytest.raises(RuntimeError):
        await ask(_noting(app, sent), Call("http", "GET", "/bug", None))
    assert sent[0]["status"] == 500
    assert b"urn:volition:problem:bug" in sent[1]["body"]
    assert b"4711" not in sent[1]["body"]


def _noting(app: FastAPI, sent: list[Any]) -> Any:
    async def noted(scope: Any, receive: Any, send: Any) -> None:
        async def note(message: Any) -> None:
            sent.append(message)
            await send(message)

        await app(scope, receive, note)

    return noted


async def test_an_allowed_origin_may_call_and_read_the_answers(tmp_path: Path) -> None:
    file = TokenFile(tmp_path / "tokens.json")
    token = bearer(file.make("page", Role.READ))
    page = "https://lab.example"
    app = create_app(
        Access(Authority(file.path), hosts=frozenset({"box.lan"}), origins=frozenset({page}))
    )
    async with running(app):
        answer = await ask(app, TICKETS, authorization=token, origin=page, host="box.lan:80")
        assert answer.status == 201
        assert answer.headers["access-control-allow-origin"] == page
        asked = {"access-control-request-method": "POST", "origin": page}
        preflight = await ask(app, Call("http", "OPTIONS", "/v1/tickets", None), **asked)
        assert preflight.status == 200
        asked["origin"] = "https://evil.example"
        preflight = await ask(app, Call("http", "OPTIONS", "/v1/tickets", None), **asked)
        assert preflight.status == 400
        assert "access-control-allow-origin" not in preflight.headers


async def test_beyond_loopback_any_address_is_a_host_but_no_name_is() -> None:
    app = create_app(Access(beyond_loopback=True))
    health = Call("http", "GET", "/healthz", None)
    assert (await ask(app, health, host="192.0.2.7:8765")).status == 200
    assert (await ask(app, health, host="[2001:db8::7]")).status == 200
    assert (await ask(app, health, host="evil.example")).status == 421


async def test_a_mistyped_key_of_a_query_is_refused_and_the_allowed_ones_are_named(
    small: FastAPI,
) -> None:
    async with running(small) as app:
        answer = await ask(app, Call("http", "GET", "/v1/sessions?wiat=1", None))
        assert (answer.status, answer.code) == (422, "request")
        streams = await ask(app, Call("http", "GET", "/v1/streams?wiat=1", None))
        assert json.loads(streams.body)["errors"] == [
            {"path": "query.wiat", "message": "unknown key", "allowed": ["type", "wait"]}
        ]


async def test_who_is_refused_again_and_again_waits_and_nobody_else_does(small: FastAPI) -> None:
    stranger = Call("http", "GET", "/v1/sessions", None)
    async with running(small) as app:
        began = time.monotonic()
        refusals = [
            asyncio.create_task(ask(app, stranger, host="elsewhere.example")) for _ in range(260)
        ]
        await asyncio.sleep(0.05)
        assert (await ask(app, Call("http", "GET", "/healthz", None))).status == 200
        assert not all(refusal.done() for refusal in refusals)
        assert {answer.status for answer in await asyncio.gather(*refusals)} == {421}
        assert time.monotonic() - began > 0.5
