"""Who may call what: every route, by every role, from every place.

The routes are those of the application itself, so that a new one is in these tables at once.
"""

from __future__ import annotations

import asyncio
import functools
from typing import Any

import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st

from tests.service.gateway.asgi import Call, ask, bearer, calls_of, running
from volition.service.gateway.app import create_app
from volition.service.gateway.auth import (
    TOKEN_ROLES,
    Authority,
    Role,
    TokenFile,
    allow,
    declared_role,
)
from volition.service.gateway.guard import Access

application = functools.cache(create_app)
CALLS = calls_of(application())
IDS = [f"{call.kind} {call.method} {call.path}" for call in CALLS]


# One application for all calls: each test starts it anew, and none changes what it is made of.
@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> TokenFile:
    return TokenFile(tmp_path_factory.mktemp("data") / "data" / "tokens.json")


@pytest.fixture(scope="module")
def secrets_of(tokens: TokenFile) -> dict[Role, str]:
    """A token of each role."""
    return {role: tokens.make(f"a-{role}", role) for role in TOKEN_ROLES.values()}


@pytest.fixture(scope="module")
def guarded(tokens: TokenFile, secrets_of: dict[Role, str]) -> FastAPI:
    return create_app(Access(Authority(tokens.path)))


@pytest.fixture(scope="module")
def shut() -> FastAPI:
    """It requires a token, and there is none."""
    return create_app(Access(Authority(required=True)))


# -- the matrix -------------------------------------------------------------------------------


@pytest.mark.parametrize("call", CALLS, ids=IDS)
def test_every_route_declares_its_role(call: Call) -> None:
    assert call.role is not None


def test_changes_are_never_open_and_never_for_readers() -> None:
    tickets = "/v1/tickets"  # one gives no more than its maker has
    changing = [c for c in CALLS if c.method not in ("GET", "HEAD") and c.path != tickets]
    assert changing
    assert all(c.role in (Role.CONTROL, Role.ADMIN) for c in changing)


@pytest.mark.parametrize("call", CALLS, ids=IDS)
async def test_a_route_opens_to_its_role_and_those_above_and_to_nobody_else(
    guarded: FastAPI, secrets_of: dict[Role, str], call: Call
) -> None:
    assert call.role is not None
    async with running(guarded) as app:
        for role, secret in secrets_of.items():
            answer = await ask(app, call, authorization=bearer(secret))
            assert answer.status < 500
            if role >= call.role:
                assert answer.status not in (401, 403, 421, 429)
            else:
                assert (answer.status, answer.code) == (403, "forbidden")
                assert f'scope="{call.role}"' in answer.headers["www-authenticate"]
        for wrong in ("", "Bearer ", "Bearer vol_x_y", "Basic dTpw", bearer(secret[:-1])):
            answer = await ask(app, call, authorization=wrong)
            if call.role is Role.OPEN:
                assert answer.status not in (401, 403)
            else:
                assert (answer.status, answer.code) == (401, "unauthorized")
                assert answer.headers["www-authenticate"].startswith("Bearer ")
                assert answer.headers["content-type"] == "application/problem+json"


WRONG_ORIGINS = [
    "https://evil.example",
    "null",
    "http://127.0.0.1:9999",
    "http://localhost:8765",
    "http://127.0.0.1:8765.evil.example",
    "file://",
]
WRONG_HOSTS = ["evil.example", "evil.example:8765", "127.0.0.1.evil.example", "10.0.0.7:8765", "@"]


@pytest.mark.parametrize("call", CALLS, ids=IDS)
@pytest.mark.parametrize("with_tokens", [True, False], ids=["tokens", "no-tokens"])
async def test_no_route_opens_to_another_origin_or_under_another_name(
    guarded: FastAPI, secrets_of: dict[Role, str], call: Call, with_tokens: bool
) -> None:
    authorization = bearer(secrets_of[Role.ADMIN]) if with_tokens else ""
    async with running(guarded if with_tokens else application()) as app:
        for origin in WRONG_ORIGINS:
            answer = await ask(app, call, authorization=authorization, origin=origin)
            assert (answer.status, answer.code) == (403, "origin")
        for host in (*WRONG_HOSTS, ""):
            answer = await ask(app, call, authorization=authorization, host=host)
            assert (answer.status, answer.code) == (421, "host")
        for host in ("localhost:8765", "LOCALHOST", "[::1]:8765", "127.0.0.1"):
            origin = f"http://{host}"
            answer = await ask(app, call, authorization=authorization, host=host, origin=origin)
            assert answer.status not in (401, 403, 421)


@pytest.mark.parametrize("call", CALLS, ids=IDS)
async def test_on_loopback_without_tokens_everything_is_open(call: Call) -> None:
    async with running(application()) as app:
        assert (await ask(app, call)).status not in (401, 403, 421)


@pytest.mark.parametrize("call", CALLS, ids=IDS)
async def test_where_a_token_is_required_and_none_is_made_nothing_is_open(
    shut: FastAPI, call: Call
) -> None:
    async with running(shut) as app:
        answer = await ask(app, call)
    assert (answer.status == 401) is (call.role is not Role.OPEN)


@pytest.mark.parametrize("kind", ["http", "websocket"])
async def test_a_route_that_declares_nothing_is_closed_to_all(
    tokens: TokenFile, secrets_of: dict[Role, str], kind: str
) -> None:
    app = create_app(Access(Authority(tokens.path)))

    @app.get("/forgotten")
    async def forgotten() -> None:
        raise AssertionError("reached")

    app.websocket("/forgotten")(forgotten)
    answer = await ask(
        app,
        Call(kind, "GET", "/forgotten", None),
        authorization=bearer(secrets_of[Role.ADMIN]),
    )
    assert (answer.status, answer.code) == (403, "forbidden")


async def test_what_is_not_there_is_told_to_those_with_a_token_alone(
    guarded: FastAPI, secrets_of: dict[Role, str]
) -> None:
    for method, path, status in (("GET", "/v1/nothing", 404), ("PATCH", "/v1/sessions", 405)):
        call = Call("http", method, path, None)
        assert (await ask(guarded, call)).status == 401
        token = bearer(secrets_of[Role.CONTROL])
        assert (await ask(guarded, call, authorization=token)).status == status


def test_a_mounted_application_declares_its_role_too() -> None:
    async def pages(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("reached")

    app = create_app()
    app.mount("/pages", allow(Role.OPEN)(pages))
    assert declared_role(app.routes[-1]) is Role.OPEN


@given(host=st.text(max_size=30), origin=st.text(max_size=30))
def test_no_text_in_host_or_origin_breaks_the_guard_or_passes_it(host: str, origin: str) -> None:
    said = host.encode("ascii", "xmlcharrefreplace").decode()
    foreign = "x" + origin.encode("ascii", "xmlcharrefreplace").decode()
    call = Call("http", "GET", "/healthz", Role.OPEN)
    answer = asyncio.run(ask(application(), call, host=said, origin=foreign))
    assert answer.status in (403, 421)
