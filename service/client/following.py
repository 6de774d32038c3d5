"""Following a session: the socket comes back by itself, and nothing is acted on that is stale.

`Following` is what a follower knows, whichever way it waits: behind which intent it resumes, the
service's clock, and the newest intent with its expiry. `Follower` and `AsyncFollower` are the two
ways to wait. Both give the service's messages in order; where an intent expires and no newer one
came, they give a neutral one in its place, once, also while the link is down.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import pydantic_core
from websockets.asyncio.client import ClientConnection as AsyncConnection
from websockets.asyncio.client import connect as connect_async
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from volition.decoders.contract.intent import CursorIntent, IdleIntent, Intent, IntentBase
from volition.service.client.blocking import BlockingSocket, connected
from volition.service.client.call import ApiError
from volition.service.client.clock import ServiceClock
from volition.service.client.live import socket_options, socket_url
from volition.service.client.transport import Caller, UnreachableError
from volition.service.wire.messages import (
    Bye,
    GapMessage,
    Hello,
    Ping,
    Pong,
    ServerMessage,
    server_message_adapter,
)

_PING_EVERY_S = 2.0
#: Silence, pings unanswered, after which a link counts as lost.
_SILENT_S = 7.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.25, 3.0
#: Said by a service that may come back, with this session.
_MAY_COME_BACK = ("the service ends", "too slow")
_LOST = (OSError, ConnectionClosed, InvalidHandshake, TimeoutError, EOFError)


class Following:
    """What one who follows a session knows.

    Parameters
    ----------
    caller
        The client.
    id
        The session.
    query
        ``after``, ``life``, ``kinds``, ``max_rate``, as `Client.subscribe` takes them.
    give_up_s
        Without a link for this long, `UnreachableError` is raised.

    Attributes
    ----------
    clock
        The service's LSL clock.
    connected
        Whether there is a link now.
    """

    def __init__(
        self, caller: Caller[Any], id: str, query: Mapping[str, Any], give_up_s: float
    ) -> None:
        self.clock = ServiceClock()
        self.connected = False
        self._caller, self._id = caller, id
        self._query = {key: value for key, value in query.items() if value is not None}
        self._give_up_s = give_up_s
        self._newest: Intent | None = None
        self._is_neutral = True  # whether the newest intent was given as neutral already
        self._t_lost = time.monotonic()
        self._t_heard = self._t_pinged = 0.0
        self._pause_s = _FIRST_PAUSE_S
        self._ended = False

    # -- for whoever follows ------------------------------------------------------------------

    def fresh(self, intent: Intent) -> bool:
        """Whether an intent may still be acted on."""
        now = self.clock.lsl_time()
        return now is not None and now < intent.t_sample + intent.expires_s

    @property
    def current(self) -> Intent | None:
        """The newest intent, or a neutral one once it has expired; None before the first."""
        newest = self._newest
        return newest if newest is None or self.fresh(newest) else neutral(newest)

    # -- for the two ways to wait -------------------------------------------------------------

    def _url(self) -> str:
        return socket_url(self._caller, self._id, self._query)

    def _opened(self, t_asked: float) -> None:
        self._t_heard = self._t_pinged = self._t_asked = t_asked
        self.connected, self._pause_s = True, _FIRST_PAUSE_S

    def _take(self, text: str | bytes) -> ServerMessage | None:
        """Read a message; None for what is no business of whoever follows."""
        message = server_message_adapter.validate_json(text)
        now = self._t_heard = time.monotonic()
        if isinstance(message, Pong):
            if message.t_client is not None:
                self.clock.note(message.t_client, now, message.lsl_time)
            return None
        if isinstance(message, Hello):
            self.clock.note(self._t_asked, now, message.lsl_time)
            self._query.setdefault("after", message.last_seq)
            if self._query.get("life") not in (None, message.life):
                self._query["after"] = message.last_seq  # the gap that follows says so
            self._query["life"] = message.life
        elif isinstance(message, IntentBase):
            self._query["after"] = message.seq
            self._newest, self._is_neutral = message, False
        elif isinstance(message, GapMessage):
            self._query["after"] = max(self._query["after"], message.last)
        elif isinstance(message, Bye):
            self._ended = not any(why in message.reason for why in _MAY_COME_BACK)
        return message

    def _expired(self) -> Intent | None:
        """Give a neutral intent when the newest has just expired."""
        if self._newest is None or self._is_neutral or self.fresh(self._newest):
            return None
        self._is_neutral = True
        return neutral(self._newest)

    def _wait_s(self) -> float:
        """Give how long to wait for a message: until the next ping or the next expiry."""
        wait_s = max(0.0, self._t_pinged + _PING_EVERY_S - time.monotonic())
        now = self.clock.lsl_time()
        if self._newest is not None and not self._is_neutral and now is not None:
            left_s = self._newest.t_sample + self._newest.expires_s - now
            wait_s = min(wait_s, max(0.0, left_s))
        return wait_s + 0.001

    def _ping(self) -> bytes | None:
        """Give a ping where one is due; raise `TimeoutError` where none was answered."""
        now = time.monotonic()
        if now - self._t_heard > _SILENT_S:
            raise TimeoutError
        if now - self._t_pinged < _PING_EVERY_S:
            return None
        self._t_pinged = now
        return pydantic_core.to_json(Ping(t_client=now))

    def _lost(self) -> float:
        """Note that there is no link; give how long to wait before the next try."""
        now = time.monotonic()
        if self.connected:
            self.connected, self._t_lost = False, now
        if now - self._t_lost > self._give_up_s:
            raise UnreachableError(
                f"no service answers at {self._caller.url} for {self._give_up_s:g} s"
            )
        pause_s = self._pause_s
        self._pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        return pause_s


class Follower(Following):
    """A session's messages, one after the other, for a program that waits for each."""

    def __iter__(self) -> Iterator[ServerMessage]:
        while not self._ended:
            t_asked = time.monotonic()
            try:
                with connected(self._url(), socket_options(self._caller)) as socket:
                    self._opened(t_asked)
                    yield from self._received(socket)
            except InvalidStatus as error:
                raise _refusal(error) from None
            except _LOST:
                pass
            if not self._ended:
                yield from self._paused(self._lost())

    def _received(self, socket: BlockingSocket) -> Iterator[ServerMessage]:
        while True:
            if (late := self._expired()) is not None:
                yield late
            if (ping := self._ping()) is not None:
                socket.send(ping.decode())
            try:
                text = socket.recv(timeout=self._wait_s())
            except TimeoutError:
                continue
            message = self._take(text)
            if message is not None:
                yield message

    def _paused(self, pause_s: float) -> Iterator[ServerMessage]:
        until = time.monotonic() + pause_s
        while (left_s := until - time.monotonic()) > 0:
            time.sleep(min(left_s, self._wait_s()))
            if (late := self._expired()) is not None:
                yield late


class AsyncFollower(Following):
    """A session's messages, one after the other, for a program that awaits each."""

    async def __aiter__(self) -> AsyncIterator[ServerMessage]:
        while not self._ended:
            t_asked = time.monotonic()
            try:
                async with connect_async(self._url(), **socket_options(self._caller)) as socket:
                    self._opened(t_asked)
                    async for message in self._received(socket):
                        yield message
            except InvalidStatus as error:
                raise _refusal(error) from None
            except _LOST:
                pass
            if not self._ended:
                async for late in self._paused(self._lost()):
                    yield late

    async def _received(self, socket: AsyncConnection) -> AsyncIterator[ServerMessage]:
        while True:
            if (late := self._expired()) is not None:
                yield late
            if (ping := self._ping()) is not None:
                await socket.send(ping.decode())
            try:
                async with asyncio.timeout(self._wait_s()):
                    text = await socket.recv()
            except TimeoutError:
                continue
            message = self._take(text)
            if message is not None:
                yield message

    async def _paused(self, pause_s: float) -> AsyncIterator[ServerMessage]:
        until = time.monotonic() + pause_s
        while (left_s := until - time.monotonic()) > 0:
            await asyncio.sleep(min(left_s, self._wait_s()))
            if (late := self._expired()) is not None:
                yield late


def neutral(intent: Intent) -> Intent:
    """Give the intent that stands in for one that has expired: nothing moves.

    It has the header of the other, and is told from one of the service by `Following.fresh`.
    """
    header = {name: getattr(intent, name) for name in IntentBase.model_fields}
    if isinstance(intent, CursorIntent):
        still = [0.0] * len(intent.velocity)
        return CursorIntent(velocity=still, position=intent.position, **header)
    return IdleIntent(reason="missing_samples", **header)


def _refusal(error: InvalidStatus) -> ApiError:
    """Give the problem document of a socket that was refused, as a call's refusal."""
    status, body = error.response.status_code, error.response.body or b"{}"
    try:
        problem = pydantic_core.from_json(body)
    except ValueError:
        problem = {}
    detail = problem.get("detail") or f"status {status}"
    return ApiError(str(detail), status=status, problem=problem)
