"""Both clients, against a service that answers what the test says."""

from __future__ import annotations

import inspect
import json
from typing import Any

import httpx
import pytest

from volition.service.client import ApiError, AsyncClient, Client, UnreachableError

SESSION: dict[str, Any] = {
    "id": "one",
    "state": "running",
    "reason": "",
    "since_utc": 0.0,
    "held": False,
    "epoch": 1,
    "worker_pid": None,
    "last_seq": 0,
    "stream": None,
    "warnings": [],
    "recording": None,
    "model": {"decoder": "of-a-plugin", "model": None, "version": None},
    "config": {"stream": {"type": "EEG"}, "decoder": {"kind": "of-a-plugin", "gain": 2}},
    "steps": [],
}


class Service:
    """Answers every request with the same, and keeps what it was asked."""

    def __init__(self, status: int, body: Any) -> None:
        self.asked: list[httpx.Request] = []
        self._status, self._body = status, body

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        return httpx.Response(self._status, json=self._body)

    def blocking(self) -> Client:
        client = Client("http://service")
        client.close()
        client._http = httpx.Client(base_url=client.url, transport=httpx.MockTransport(self))
        return client

    def awaited(self) -> AsyncClient:
        client = AsyncClient("http://service")
        client._http = httpx.AsyncClient(base_url=client.url, transport=httpx.MockTransport(self))
        return client


def calls_of(client: type) -> dict[str, str]:
    """Give the public methods of a client, each with what it takes."""
    return {
        name: str(inspect.signature(member).replace(return_annotation=inspect.Signature.empty))
        for name, member in inspect.getmembers(client, inspect.isfunction)
        if not name.startswith("_")
    }


def test_both_clients_make_the_same_calls() -> None:
    assert calls_of(Client) == calls_of(AsyncClient)
    assert "session" in calls_of(Client)


def test_every_call_says_what_it_does() -> None:
    with Client() as client:
        undocumented = [name for name in calls_of(Client) if not getattr(client, name).__doc__]
    assert not undocumented


async def test_both_clients_send_the_same_request_and_read_the_same_answer() -> None:
    service = Service(202, {"name": "go", "t": 1.5})

    with service.blocking() as client:
        now = client.marker("a/b", "go", {"target": 1})
    async with service.awaited() as client_async:
        later = await client_async.marker("a/b", "go", {"target": 1})

    assert now == later
    assert now.t == 1.5
    first, second = service.asked
    assert first.url.raw_path == second.url.raw_path == b"/v1/sessions/a%2Fb/markers"
    assert json.loads(first.content) == {"name": "go", "data": {"target": 1}, "t": None}
    assert first.content == second.content


def test_a_session_with_a_decoder_that_the_client_does_not_have_can_be_read() -> None:
    with Service(200, SESSION).blocking() as client:
        assert client.session("one").config["decoder"] == {"kind": "of-a-plugin", "gain": 2}


def test_a_list_is_given_without_its_wrapping() -> None:
    with Service(200, {"sessions": [SESSION]}).blocking() as client:
        assert [session.id for session in client.sessions()] == ["one"]


def test_what_is_left_out_of_a_query_is_not_sent() -> None:
    service = Service(200, {"streams": []})
    with service.blocking() as client:
        assert client.streams() == []
    assert dict(service.asked[0].url.params) == {"wait": "1.0"}


def test_a_service_that_is_not_ready_says_why_and_is_no_error() -> None:
    with Service(503, {"ready": False, "reasons": ["no liblsl"]}).blocking() as client:
        assert client.ready().reasons == ["no liblsl"]


def test_a_refusal_carries_the_problem() -> None:
    problem = {"detail": "there is no session one", "status": 404}
    with (
        Service(404, problem).blocking() as client,
        pytest.raises(ApiError, match="no session one") as refused,
    ):
        client.session("one")
    assert refused.value.fields == {"status": 404, "problem": problem}


async def test_an_address_without_a_service_is_named() -> None:
    with (
        Client("http://127.0.0.1:1") as client,
        pytest.raises(UnreachableError, match=r"127\.0\.0\.1:1"),
    ):
        client.health()
    async with AsyncClient("http://127.0.0.1:1") as client_async:
        with pytest.raises(UnreachableError, match=r"127\.0\.0\.1:1"):
            await client_async.health()
