"""The two clients: every call of `Calls`, and the socket of a session's messages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager

from volition.service.client import live
from volition.service.client.calls import Calls
from volition.service.client.following import AsyncFollower, Follower
from volition.service.client.stopping import StopReport, stop_all
from volition.service.client.transport import AsyncTransport, Transport
from volition.service.wire.messages import ServerMessage


class Client(Calls, Transport):
    """The blocking client.

    Parameters
    ----------
    url
        Address of the service.
    token
        Sent with every call, where the service asks for one.
    tls
        Whom to trust for an ``https`` address; the machine's certificates when left out.

    Raises
    ------
    ApiError
        The service refuses a call.
    UnreachableError
        No service answers.
    """

    def subscribe(
        self,
        id: str,
        *,
        after: int | None = None,
        life: str | None = None,
        kinds: str | None = None,
        max_rate: float | None = None,
    ) -> AbstractContextManager[Iterator[ServerMessage]]:
        """Open the socket of a session; the iterator ends when the service closes it.

        Parameters
        ----------
        id
            The session.
        after
            Begin with the intents after this number; with those to come when left out.
        life
            Life of the session in which that number was given.
        kinds
            Kinds of intents wanted, separated by commas; all when left out.
        max_rate
            At most this many cursor intents a second.
        """
        return live.messages(self, id, after=after, life=life, kinds=kinds, max_rate=max_rate)

    def follow(
        self,
        id: str,
        *,
        after: int | None = None,
        life: str | None = None,
        kinds: str | None = None,
        max_rate: float | None = None,
        give_up_s: float = 60.0,
    ) -> Follower:
        """Follow a session for as long as it lives.

        The follower gives the messages of the socket, and more: it comes back by itself when the
        link is lost, behind the last intent that it gave; it gives a neutral intent when the
        newest has expired; and it knows the service's clock.

        Parameters
        ----------
        id, after, life, kinds, max_rate
            As for `subscribe`.
        give_up_s
            Seconds without a link after which `UnreachableError` is raised.
        """
        query = {"after": after, "life": life, "kinds": kinds, "max_rate": max_rate}
        return Follower(self, id, query, give_up_s)

    def estop(self, id: str) -> StopReport:
        """Stop all outputs of a session by every way at once; say what is confirmed.

        By REST, by the socket and, for a service on this host, by its stop word, so that it holds
        even while the service hangs. It never raises: look at ``confirmed``.
        """
        return next(stop_all(self, [id]))


class AsyncClient(Calls, AsyncTransport):
    """The async client: the parameters, the calls and the errors of `Client`."""

    def subscribe(
        self,
        id: str,
        *,
        after: int | None = None,
        life: str | None = None,
        kinds: str | None = None,
        max_rate: float | None = None,
    ) -> AbstractAsyncContextManager[AsyncIterator[ServerMessage]]:
        """Open the socket of a session, as `Client.subscribe` does."""
        return live.messages_async(self, id, after=after, life=life, kinds=kinds, max_rate=max_rate)

    def follow(
        self,
        id: str,
        *,
        after: int | None = None,
        life: str | None = None,
        kinds: str | None = None,
        max_rate: float | None = None,
        give_up_s: float = 60.0,
    ) -> AsyncFollower:
        """Follow a session for as long as it lives, as `Client.follow` does."""
        query = {"after": after, "life": life, "kinds": kinds, "max_rate": max_rate}
        return AsyncFollower(self, id, query, give_up_s)

    async def estop(self, id: str) -> StopReport:
        """Stop all outputs of a session by every way at once, as `Client.estop` does."""
        return await asyncio.to_thread(lambda: next(stop_all(self, [id])))
