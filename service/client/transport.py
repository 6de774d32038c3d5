"""How a call reaches the service: over one pool of HTTP connections, blocking or awaited."""

from __future__ import annotations

import ssl
from typing import Generic, Self, TypeVar

import httpx

from volition.errors import VolitionError
from volition.service.client.call import Call
from volition.service.wire.address import DEFAULT_URL

#: Longer than the longest wait that a call may ask for.
_TIMEOUT_S = 70.0

A = TypeVar("A")
HttpT = TypeVar("HttpT", httpx.Client, httpx.AsyncClient)


class UnreachableError(VolitionError):
    """No service answers at the address."""

    code = "unreachable"


class Caller(Generic[HttpT]):
    """Where the service is, and who calls.

    Parameters
    ----------
    url
        Address of the service.
    token
        Sent with every call, where the service asks for one.
    tls
        Whom to trust for an ``https`` address; the machine's certificates when left out.
    """

    _pool: type[HttpT]

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        token: str | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.url = url
        self.tls = tls
        self.headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self._http: HttpT = self._pool(
            base_url=url,
            timeout=_TIMEOUT_S,
            trust_env=False,
            headers=self.headers,
            verify=tls or True,
        )

    def _unreachable(self, error: httpx.TransportError) -> UnreachableError:
        return UnreachableError(f"no service answers at {self.url}: {error}")


class Transport(Caller[httpx.Client]):
    """Makes calls and waits for their answers."""

    _pool = httpx.Client

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def send(self, call: Call[A]) -> A:
        """Make a call.

        Raises
        ------
        UnreachableError
            No service answers.
        ApiError
            The service refuses the call.
        """
        try:
            response = self._http.request(**call.request())
        except httpx.TransportError as error:
            raise self._unreachable(error) from None
        return call.result(response)


class AsyncTransport(Caller[httpx.AsyncClient]):
    """Makes calls; their answers are awaited."""

    _pool = httpx.AsyncClient

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def send(self, call: Call[A]) -> A:
        """Make a call; raises as `Transport.send` does."""
        try:
            response = await self._http.request(**call.request())
        except httpx.TransportError as error:
            raise self._unreachable(error) from None
        return call.result(response)
