"""The real service asked by strangers, readers and pages; and over TLS."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
import websockets.exceptions
import websockets.sync.client
from websockets.sync.client import ClientConnection

from tests.certificates import for_loopback
from volition.errors import SessionError
from volition.service.client import ApiError, AsyncClient, Client
from volition.service.gateway.auth import Role, TokenFile
from volition.service.gateway.launch import running_service

NOBODY = {
    "name": "waiting",
    "stream": {"source_id": "nobody"},
    "decoder": {
        "kind": "fbcca",
        "targets": [{"label": "a", "freq_hz": 9}, {"label": "b", "freq_hz": 12}],
    },
}
GIVEN = "given-by-the-environment-0123456789"


class Guarded(NamedTuple):
    """A service that asks for tokens, and all that it wrote."""

    url: str
    file: TokenFile
    secrets: dict[Role, str]
    log: Path

    def socket(self, query: str = "", **headers: str) -> ClientConnection:
        url = f"{self.url.replace('http', 'ws', 1)}/v1/sessions/waiting/intents{query}"
        return websockets.sync.client.connect(url, additional_headers=headers, proxy=None)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder = tmp_path_factory.mktemp("access")
    file = TokenFile(folder / "tokens.json")
    secrets = {role: file.make(str(role), role) for role in (Role.READ, Role.CONTROL, Role.ADMIN)}
    log = folder / "log"
    with (
        log.open("w") as stderr,
        running_service(
            *("--tokens", str(file.path), "--log-level", "debug", "--host", "127.0.0.1"),
            env={"VOLITION_TOKEN": GIVEN},
            stderr=stderr,
        ) as service,
    ):
        with Client(service.url, token=secrets[Role.CONTROL]) as client:
            client.create_session(NOBODY)
        yield Guarded(service.url, file, secrets, log)


def test_below_a_path_of_a_proxy_what_is_answered_leads_below_it() -> None:
    with (
        running_service("--root-path", "/bci/") as service,
        httpx.Client(trust_env=False, timeout=60) as http,
    ):
        made = http.post(f"{service.url}/v1/sessions", json=NOBODY)
        assert made.headers["Location"] == "/bci/v1/sessions/waiting"
        assert http.get(f"{service.url}/openapi.json").json()["servers"] == [{"url": "/bci"}]
        assert http.get(f"{service.url}/v1/sessions/waiting").json()["id"] == "waiting"


def test_clients_with_a_token_are_served_by_its_role(guarded: Guarded) -> None:
    with Client(guarded.url) as stranger:
        assert stranger.health().status == "ok"
        with pytest.raises(ApiError) as caught:
            stranger.sessions()
    assert caught.value.fields["status"] == 401
    with Client(guarded.url, token=guarded.secrets[Role.READ]) as reader:
        assert [s.id for s in reader.sessions()] == ["waiting"]
        with reader.subscribe("waiting") as messages:
            assert next(messages).type == "hello"
        with pytest.raises(ApiError) as caught:
            reader.delete("waiting")
    assert caught.value.fields["status"] == 403
    with Client(guarded.url, token=GIVEN) as container:
        assert [s.id for s in container.sessions()] == ["waiting"]


async def test_the_async_client_sends_its_token_too(guarded: Guarded) -> None:
    async with AsyncClient(guarded.url, token=guarded.secrets[Role.READ]) as reader:
        assert [s.id for s in await reader.sessions()] == ["waiting"]
        async with reader.subscribe("waiting") as messages:
            assert (await anext(messages)).type == "hello"


def test_a_socket_is_refused_before_it_opens_and_told_why(guarded: Guarded) -> None:
    token = f"Bearer {guarded.secrets[Role.ADMIN]}"
    refused: list[tuple[dict[str, str], int]] = [
        ({}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": token, "Origin": "https://evil.example"}, 403),
    ]
    for headers, status in refused:
        with pytest.raises(websockets.exceptions.InvalidStatus) as caught:
            guarded.socket(**headers)
        answer = caught.value.response
        assert answer.status_code == status
        assert json.loads(answer.body)["status"] == status
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert ("WWW-Authenticate" in answer.headers) is (status == 401)


def test_a_ticket_opens_one_socket(guarded: Guarded) -> None:
    token = {"Authorization": f"Bearer {guarded.secrets[Role.READ]}"}
    made = httpx.post(f"{guarded.url}/v1/tickets", headers=token, trust_env=False, timeout=60)
    assert made.status_code == 201
    with guarded.socket(f"?ticket={made.json()['ticket']}") as socket:
        assert json.loads(socket.recv(timeout=30))["type"] == "hello"
    with pytest.raises(websockets.exceptions.InvalidStatus) as caught:
        guarded.socket(f"?ticket={made.json()['ticket']}")
    assert caught.value.response.status_code == 401


@pytest.mark.parametrize("message", [{"type": "marker", "name": "trial_start"}, {"type": "estop"}])
def test_a_readers_socket_reads_and_changes_nothing(
    guarded: Guarded, message: dict[str, Any]
) -> None:
    with guarded.socket(Authorization=f"Bearer {guarded.secrets[Role.READ]}") as socket:
        assert json.loads(socket.recv(timeout=30))["type"] == "hello"
        socket.send(json.dumps(message))
        answer = next(m for m in map(json.loads, socket) if m["type"] != "status")
    assert answer["type"] == "refused"
    assert "needs the role control, found read" in answer["detail"]


def test_a_revoked_token_closes_what_it_has_open(guarded: Guarded) -> None:
    secret = guarded.file.make("guest", Role.READ)
    with guarded.socket(Authorization=f"Bearer {secret}") as socket:
        assert json.loads(socket.recv(timeout=30))["type"] == "hello"
        guarded.file.revoke("guest")
        with pytest.raises(websockets.exceptions.ConnectionClosedError) as caught:
            _ping_until_closed(socket)
    assert caught.value.rcvd is not None
    assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (1008, "the token was revoked")


def _ping_until_closed(socket: ClientConnection) -> None:
    while True:
        socket.send(json.dumps({"type": "ping"}))
        socket.recv(timeout=30)


def test_no_secret_is_in_logs_errors_or_metrics(guarded: Guarded) -> None:
    admin = {"Authorization": f"Bearer {guarded.secrets[Role.ADMIN]}"}
    tickets = []
    paths = ("/v1/sessions/none", "/v1/streams?wait=x", "/nothing", "/metrics")
    with httpx.Client(base_url=guarded.url, trust_env=False, timeout=60) as http:
        said = [http.get(path, headers=admin).text for path in paths]
        said.append(http.post("/v1/sessions", headers=admin, json={"name": 1}).text)
        read = {"Authorization": f"Bearer {guarded.secrets[Role.READ]}"}
        said.append(http.delete("/v1/sessions/waiting", headers=read).text)
        wrong = guarded.secrets[Role.READ][:-3] + "xyz"
        said.append(http.get("/v1/sessions", headers={"Authorization": f"Bearer {wrong}"}).text)
        for query in ("&kinds=wish", "&after=x", "&colour=red"):
            tickets.append(http.post("/v1/tickets", headers=admin).json()["ticket"])
            with pytest.raises(websockets.exceptions.InvalidStatus) as caught:
                guarded.socket(f"?ticket={tickets[-1]}{query}")
            said.append(caught.value.response.body.decode())
        with pytest.raises(websockets.exceptions.InvalidStatus) as caught:
            guarded.socket(f"?ticket={tickets[-1]}")
        said.append(caught.value.response.body.decode())
    written = guarded.log.read_text()
    assert "the token is not valid" in written
    kept = [part for token in guarded.file.read() for part in (token.salt, token.digest)]
    for secret in (*guarded.secrets.values(), wrong, GIVEN, *tickets, *kept):
        assert all(secret not in text for text in (written, *said))


def test_beyond_loopback_nothing_starts_without_a_token(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w+") as stderr:
        with (
            pytest.raises(SessionError, match="exit code 3"),
            running_service("--host", "0.0.0.0", stderr=stderr),
        ):
            pass
        stderr.seek(0)
        assert "refusing to listen on 0.0.0.0 without a token" in stderr.read()


def test_with_a_certificate_calls_and_sockets_are_encrypted(tmp_path: Path) -> None:
    certificate, key = for_loopback(tmp_path)
    trust = ssl.create_default_context(cafile=str(certificate))
    with running_service("--tls-cert", str(certificate), "--tls-key", str(key)) as service:
        assert service.url.startswith("https://")
        with Client(service.url, tls=trust) as client:
            client.create_session(NOBODY)
            # More than once: a first request may be lost where two threads share the encryption.
            for _ in range(100):
                with client.subscribe("waiting") as messages:
                    assert next(messages).type == "hello"
            assert next(iter(client.follow("waiting"))).type == "hello"
            assert client.estop("waiting").confirmed
    with (
        (tmp_path / "log").open("w+") as stderr,
        pytest.raises(SessionError, match="exit code 3"),
        running_service("--tls-cert", str(key), "--tls-key", str(key), stderr=stderr),
    ):
        pass
    assert "certificate or its key cannot be used" in (tmp_path / "log").read_text()
