"""A small typed client, sync and async, for programs that use a running service.

    with Client("http://127.0.0.1:8765") as client:
        session = client.create_session(config)
        with client.subscribe(session.id) as messages:
            for message in messages:
                ...

Both classes make the same calls; the requests and the models of the answers are described once, in
`_Call`. Wrong requests raise `ApiError`, which carries the problem document.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from urllib.parse import quote, urlencode

import httpx
import websockets.asyncio.client
import websockets.sync.client
from pydantic import BaseModel
from websockets.exceptions import ConnectionClosed

from volition.errors import VolitionError
from volition.models.manifest import Manifest, ModelCard
from volition.service.sessions.config import SessionConfig
from volition.service.wire.address import DEFAULT_URL
from volition.service.wire.schemas import (
    PROTOCOL,
    CalibrationBody,
    CalibrationList,
    CalibrationView,
    Health,
    IntentPage,
    MarkerView,
    ModelList,
    ModelSwap,
    ModelVersions,
    Readiness,
    ServerMessage,
    SessionList,
    SessionModels,
    SessionView,
    SpectrumView,
    StateView,
    StreamList,
    StreamView,
    server_message_adapter,
)

_TIMEOUT_S = 70.0

A = TypeVar("A", bound=BaseModel)


class ApiError(VolitionError):
    """The service refused a call; ``fields`` is its problem document."""

    code = "api"


class UnreachableError(VolitionError):
    """No service answers at the address."""

    code = "unreachable"


@dataclass(frozen=True)
class _Call(Generic[A]):
    """One call: what to send and what comes back."""

    method: str
    path: str
    answer: type[A]
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None

    def arguments(self) -> dict[str, Any]:
        query = {key: value for key, value in self.query.items() if value is not None}
        return {"method": self.method, "url": self.path, "params": query, "json": self.body}

    def check(self, response: httpx.Response, accept: tuple[int, ...] = ()) -> None:
        """Raise `ApiError` for a refusal."""
        if response.is_success or response.status_code in accept:
            return
        try:
            problem = response.json()
        except ValueError:
            problem = {"detail": response.text}
        detail = problem.get("detail") or f"status {response.status_code}"
        raise ApiError(str(detail), status=response.status_code, problem=problem)

    def read(self, response: httpx.Response) -> A:
        return self.answer.model_validate_json(response.content or b"{}")


class _Nothing(BaseModel):
    pass


def _session_path(id: str, what: str = "") -> str:
    return f"/v1/sessions/{quote(id, safe='')}{what}"


def _health() -> _Call[Health]:
    return _Call("GET", "/healthz", Health)


def _ready() -> _Call[Readiness]:
    return _Call("GET", "/readyz", Readiness)


def _streams(type: str | None, wait_s: float) -> _Call[StreamList]:
    return _Call("GET", "/v1/streams", StreamList, {"type": type, "wait": wait_s})


def _create(config: SessionConfig | Mapping[str, Any]) -> _Call[SessionView]:
    body = config.model_dump(mode="json") if isinstance(config, SessionConfig) else dict(config)
    return _Call("POST", "/v1/sessions", SessionView, body=body)


def _intents(id: str, after: int, limit: int, wait_s: float) -> _Call[IntentPage]:
    query = {"after": after, "limit": limit, "wait": wait_s}
    return _Call("GET", _session_path(id, "/intents"), IntentPage, query)


def _spectrum(id: str, last_s: float, most_hz: float) -> _Call[SpectrumView]:
    query = {"last_s": last_s, "most_hz": most_hz}
    return _Call("GET", _session_path(id, "/spectrum"), SpectrumView, query)


def _marker(
    id: str, name: str, data: Mapping[str, Any] | None, t: float | None
) -> _Call[MarkerView]:
    body = {"name": name, "data": dict(data or {}), "t": t}
    return _Call("POST", _session_path(id, "/markers"), MarkerView, body=body)


def _models(name: str | None = None, version: str | None = None, what: str = "") -> str:
    parts = [quote(part, safe="") for part in (name, version) if part is not None]
    return "/".join(["/v1/models", *parts]) + what


def _upload(name: str, content: bytes, card: ModelCard | Mapping[str, Any]) -> _Call[Manifest]:
    body = {
        "name": name,
        "card": card.model_dump(mode="json") if isinstance(card, ModelCard) else dict(card),
        "sha256": hashlib.sha256(content).hexdigest(),
        "content": base64.b64encode(content).decode(),
    }
    return _Call("POST", _models(), Manifest, body=body)


def _swap(id: str, model: str | None, decoder: Mapping[str, Any] | None) -> _Call[ModelSwap]:
    body = {"model": model, "decoder": None if decoder is None else dict(decoder)}
    return _Call("PUT", _session_path(id, "/model"), ModelSwap, body=body)


def _calibrate(id: str, body: CalibrationBody | Mapping[str, Any]) -> _Call[CalibrationView]:
    given = body.model_dump(mode="json") if isinstance(body, CalibrationBody) else dict(body)
    return _Call("POST", _session_path(id, "/calibrations"), CalibrationView, body=given)


def _calibration_path(id: str, cid: str) -> str:
    return _session_path(id, f"/calibrations/{quote(cid, safe='')}")


def _authorization(token: str | None) -> dict[str, str]:
    return {} if token is None else {"Authorization": f"Bearer {token}"}


def _socket_url(base: str, id: str, query: Mapping[str, Any]) -> str:
    given = {key: value for key, value in query.items() if value is not None}
    url = base.rstrip("/").replace("http", "ws", 1) + _session_path(id, "/intents")
    return f"{url}?{urlencode(given)}" if given else url


class Client:
    """The sync client.

    Parameters
    ----------
    url
        Address of the service.
    token
        Sent with every call, where the service asks for one.
    tls
        Whom to trust for an ``https`` address; the machine's certificates when left out.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        token: str | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.url = url
        self._headers = _authorization(token)
        self._tls = tls
        self._http = httpx.Client(
            base_url=url,
            timeout=_TIMEOUT_S,
            trust_env=False,
            headers=self._headers,
            verify=tls or True,
        )

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def _call(self, call: _Call[A], accept: tuple[int, ...] = ()) -> A:
        return call.read(self._request(call, accept))

    def _request(self, call: _Call[A], accept: tuple[int, ...] = ()) -> httpx.Response:
        try:
            response = self._http.request(**call.arguments())
        except httpx.TransportError as error:
            raise UnreachableError(f"no service answers at {self.url}: {error}") from None
        call.check(response, accept)
        return response

    def health(self) -> Health:
        return self._call(_health())

    def ready(self) -> Readiness:
        return self._call(_ready(), accept=(503,))

    def streams(self, type: str | None = None, wait_s: float = 1.0) -> list[StreamView]:
        return self._call(_streams(type, wait_s)).streams

    def create_session(self, config: SessionConfig | Mapping[str, Any]) -> SessionView:
        return self._call(_create(config))

    def sessions(self) -> list[SessionView]:
        return self._call(_Call("GET", "/v1/sessions", SessionList)).sessions

    def session(self, id: str) -> SessionView:
        return self._call(_Call("GET", _session_path(id), SessionView))

    def stop(self, id: str) -> SessionView:
        return self._call(_Call("POST", _session_path(id, "/stop"), SessionView))

    def emergency_stop(self, id: str) -> SessionView:
        return self._call(_Call("POST", _session_path(id, "/estop"), SessionView))

    def release(self, id: str) -> SessionView:
        return self._call(_Call("DELETE", _session_path(id, "/estop"), SessionView))

    def delete(self, id: str) -> None:
        self._call(_Call("DELETE", _session_path(id), _Nothing))

    def state(self, id: str) -> StateView:
        return self._call(_Call("GET", _session_path(id, "/state"), StateView))

    def spectrum(self, id: str, *, last_s: float = 4.0, most_hz: float = 60.0) -> SpectrumView:
        return self._call(_spectrum(id, last_s, most_hz))

    def intents(
        self, id: str, *, after: int = 0, limit: int = 100, wait_s: float = 0.0
    ) -> IntentPage:
        return self._call(_intents(id, after, limit, wait_s))

    def marker(
        self, id: str, name: str, data: Mapping[str, Any] | None = None, t: float | None = None
    ) -> MarkerView:
        return self._call(_marker(id, name, data, t))

    def session_model(self, id: str) -> SessionModels:
        """Say what decodes in a session, and what did before."""
        return self._call(_Call("GET", _session_path(id, "/model"), SessionModels))

    def swap_model(
        self, id: str, model: str | None = None, *, decoder: Mapping[str, Any] | None = None
    ) -> ModelSwap:
        """Have a running session decode by another model."""
        return self._call(_swap(id, model, decoder))

    def swap_model_back(self, id: str) -> ModelSwap:
        """Have a session decode by what it did before the last change."""
        return self._call(_Call("POST", _session_path(id, "/model/rollback"), ModelSwap))

    def calibrate(self, id: str, body: CalibrationBody | Mapping[str, Any]) -> CalibrationView:
        """Begin a calibration of a session."""
        return self._call(_calibrate(id, body))

    def calibrations(self, id: str) -> list[CalibrationView]:
        call = _Call("GET", _session_path(id, "/calibrations"), CalibrationList)
        return (self._call(call)).calibrations

    def calibration(self, id: str, cid: str) -> CalibrationView:
        return self._call(_Call("GET", _calibration_path(id, cid), CalibrationView))

    def cancel_calibration(self, id: str, cid: str) -> CalibrationView:
        return self._call(_Call("DELETE", _calibration_path(id, cid), CalibrationView))

    def models(self) -> list[Manifest]:
        return self._call(_Call("GET", _models(), ModelList)).models

    def model_versions(self, name: str) -> list[Manifest]:
        return self._call(_Call("GET", _models(name), ModelVersions)).versions

    def model(self, name: str, version: str) -> Manifest:
        return self._call(_Call("GET", _models(name, version), Manifest))

    def add_model(self, name: str, content: bytes, card: ModelCard | Mapping[str, Any]) -> Manifest:
        """Upload a model's file."""
        return self._call(_upload(name, content, card))

    def model_content(self, name: str, version: str) -> bytes:
        """Download a model's file."""
        call = _Call("GET", _models(name, version, "/content"), _Nothing)
        return (self._request(call)).content

    def remove_model(self, name: str, version: str | None = None) -> None:
        """Remove a version of a model, or all of them."""
        self._call(_Call("DELETE", _models(name, version), _Nothing))

    @contextlib.contextmanager
    def subscribe(
        self,
        id: str,
        *,
        after: int | None = None,
        kinds: str | None = None,
        max_rate: float | None = None,
    ) -> Iterator[Iterator[ServerMessage]]:
        """Open the socket; the iterator ends when the service closes it."""
        url = _socket_url(self.url, id, {"after": after, "kinds": kinds, "max_rate": max_rate})
        with websockets.sync.client.connect(
            url,
            subprotocols=[websockets.Subprotocol(PROTOCOL)],
            additional_headers=self._headers,
            ssl=self._tls,
            compression=None,
            proxy=None,
            max_queue=None,
        ) as socket:

            def messages() -> Iterator[ServerMessage]:
                with contextlib.suppress(ConnectionClosed):
                    while True:
                        yield server_message_adapter.validate_json(socket.recv())

            yield messages()


class AsyncClient:
    """The async client; the same calls as `Client`."""

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        token: str | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.url = url
        self._headers = _authorization(token)
        self._tls = tls
        self._http = httpx.AsyncClient(
            base_url=url,
            timeout=_TIMEOUT_S,
            trust_env=False,
            headers=self._headers,
            verify=tls or True,
        )

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

    async def _call(self, call: _Call[A], accept: tuple[int, ...] = ()) -> A:
        return call.read(await self._request(call, accept))

    async def _request(self, call: _Call[A], accept: tuple[int, ...] = ()) -> httpx.Response:
        try:
            response = await self._http.request(**call.arguments())
        except httpx.TransportError as error:
            raise UnreachableError(f"no service answers at {self.url}: {error}") from None
        call.check(response, accept)
        return response

    async def health(self) -> Health:
        return await self._call(_health())

    async def ready(self) -> Readiness:
        return await self._call(_ready(), accept=(503,))

    async def streams(self, type: str | None = None, wait_s: float = 1.0) -> list[StreamView]:
        return (await self._call(_streams(type, wait_s))).streams

    async def create_session(self, config: SessionConfig | Mapping[str, Any]) -> SessionView:
        return await self._call(_create(config))

    async def sessions(self) -> list[SessionView]:
        return (await self._call(_Call("GET", "/v1/sessions", SessionList))).sessions

    async def session(self, id: str) -> SessionView:
        return await self._call(_Call("GET", _session_path(id), SessionView))

    async def stop(self, id: str) -> SessionView:
        return await self._call(_Call("POST", _session_path(id, "/stop"), SessionView))

    async def emergency_stop(self, id: str) -> SessionView:
        return await self._call(_Call("POST", _session_path(id, "/estop"), SessionView))

    async def release(self, id: str) -> SessionView:
        return await self._call(_Call("DELETE", _session_path(id, "/estop"), SessionView))

    async def delete(self, id: str) -> None:
        await self._call(_Call("DELETE", _session_path(id), _Nothing))

    async def state(self, id: str) -> StateView:
        return await self._call(_Call("GET", _session_path(id, "/state"), StateView))

    async def spectrum(
        self, id: str, *, last_s: float = 4.0, most_hz: float = 60.0
    ) -> SpectrumView:
        return await self._call(_spectrum(id, last_s, most_hz))

    async def intents(
        self, id: str, *, after: int = 0, limit: int = 100, wait_s: float = 0.0
    ) -> IntentPage:
        return await self._call(_intents(id, after, limit, wait_s))

    async def marker(
        self, id: str, name: str, data: Mapping[str, Any] | None = None, t: float | None = None
    ) -> MarkerView:
        return await self._call(_marker(id, name, data, t))

    async def session_model(self, id: str) -> SessionModels:
        """Say what decodes in a session, and what did before."""
        return await self._call(_Call("GET", _session_path(id, "/model"), SessionModels))

    async def swap_model(
        self, id: str, model: str | None = None, *, decoder: Mapping[str, Any] | None = None
    ) -> ModelSwap:
        """Have a running session decode by another model."""
        return await self._call(_swap(id, model, decoder))

    async def swap_model_back(self, id: str) -> ModelSwap:
        """Have a session decode by what it did before the last change."""
        return await self._call(_Call("POST", _session_path(id, "/model/rollback"), ModelSwap))

    async def calibrate(
        self, id: str, body: CalibrationBody | Mapping[str, Any]
    ) -> CalibrationView:
        """Begin a calibration of a session."""
        return await self._call(_calibrate(id, body))

    async def calibrations(self, id: str) -> list[CalibrationView]:
        call = _Call("GET", _session_path(id, "/calibrations"), CalibrationList)
        return (await self._call(call)).calibrations

    async def calibration(self, id: str, cid: str) -> CalibrationView:
        return await self._call(_Call("GET", _calibration_path(id, cid), CalibrationView))

    async def cancel_calibration(self, id: str, cid: str) -> CalibrationView:
        return await self._call(_Call("DELETE", _calibration_path(id, cid), CalibrationView))

    async def models(self) -> list[Manifest]:
        return (await self._call(_Call("GET", _models(), ModelList))).models

    async def model_versions(self, name: str) -> list[Manifest]:
        return (await self._call(_Call("GET", _models(name), ModelVersions))).versions

    async def model(self, name: str, version: str) -> Manifest:
        return await self._call(_Call("GET", _models(name, version), Manifest))

    async def add_model(
        self, name: str, content: bytes, card: ModelCard | Mapping[str, Any]
    ) -> Manifest:
        """Upload a model's file."""
        return await self._call(_upload(name, content, card))

    async def model_content(self, name: str, version: str) -> bytes:
        """Download a model's file."""
        call = _Call("GET", _models(name, version, "/content"), _Nothing)
        return (await self._request(call)).content

    async def remove_model(self, name: str, version: str | None = None) -> None:
        """Remove a version of a model, or all of them."""
        await self._call(_Call("DELETE", _models(name, version), _Nothing))

    @contextlib.asynccontextmanager
    async def subscribe(
        self,
        id: str,
        *,
        after: int | None = None,
        kinds: str | None = None,
        max_rate: float | None = None,
    ) -> AsyncIterator[AsyncIterator[ServerMessage]]:
        """Open the socket; the iterator ends when the service closes it."""
        url = _socket_url(self.url, id, {"after": after, "kinds": kinds, "max_rate": max_rate})
        async with websockets.asyncio.client.connect(
            url,
            subprotocols=[websockets.Subprotocol(PROTOCOL)],
            additional_headers=self._headers,
            ssl=self._tls,
            compression=None,
            proxy=None,
            max_queue=None,
        ) as socket:

            async def messages() -> AsyncIterator[ServerMessage]:
                with contextlib.suppress(ConnectionClosed):
                    while True:
                        yield server_message_adapter.validate_json(await socket.recv())

            yield messages()
