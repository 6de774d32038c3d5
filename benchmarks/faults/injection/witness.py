"""A client that writes down what it is sent and when, and acts as a client should.

It acts on an intent that asks for something while the session is ``running`` and not held, from
its receipt until the next intent, the next status that is not ``running``, or ``expires_s`` after
its ``t_sample``, whichever is first. What it acted on is judged afterwards against what was really
sent, and when.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from pydantic import ValidationError
from websockets.exceptions import WebSocketException

from volition.decoders.contract.intent import CursorIntent, IdleIntent, IntentBase
from volition.errors import VolitionError
from volition.service.client import Client, UnreachableError
from volition.service.wire.messages import Bye, GapMessage, Hello, ServerMessage, Status
from volition.streams.lsl.clock import local_clock


class BrokenError(VolitionError):
    """Something that must always hold did not."""

    code = "broken"


class Received(NamedTuple):
    """A message and the LSL time at which it came."""

    t: float
    message: ServerMessage


@dataclass(frozen=True, slots=True)
class Act:
    """An intent that was acted on, from one moment to another, LSL time."""

    intent: IntentBase
    since: float
    until: float


class Witness:
    """A WebSocket client in a thread of its own.

    Parameters
    ----------
    client
        Whom to ask for the socket.
    session
        Whose intents.
    """

    def __init__(self, client: Client, session: str) -> None:
        self.session = session
        self.received: list[Received] = []
        self.not_understood = ""
        self._client = client
        self._changed = threading.Condition()
        self._ended = False
        self._thread = threading.Thread(target=self._listen, name="witness", daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        try:
            with self._client.subscribe(self.session, after=0) as messages:
                for message in messages:
                    now = local_clock()
                    with self._changed:
                        self.received.append(Received(now, message))
                        self._changed.notify_all()
        except (OSError, UnreachableError, WebSocketException):
            pass  # a service that was ended ends its sockets
        except ValidationError as error:
            self.not_understood = str(error)
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def mark(self) -> int:
        """Give a place in what came: all after it is new."""
        return len(self.received)

    def wait(
        self,
        wanted: Callable[[ServerMessage], bool],
        what: str,
        *,
        after: int = 0,
        timeout_s: float = 20.0,
    ) -> Received:
        """Wait for the first message behind ``after`` that is wanted.

        Raises
        ------
        BrokenError
            It did not come in time.
        """
        deadline = local_clock() + timeout_s
        place = after
        with self._changed:
            while True:
                while place < len(self.received):
                    if wanted(self.received[place].message):
                        return self.received[place]
                    place += 1
                left_s = deadline - local_clock()
                if self._ended:
                    raise BrokenError(f"{what} did not come before the end; {self.not_understood}")
                if left_s <= 0:
                    raise BrokenError(f"{what} did not come within {timeout_s:g} s")
                self._changed.wait(left_s)

    def wait_for_state(self, *states: str, after: int = 0, timeout_s: float = 20.0) -> Received:
        """Wait until the session says that it is in one of these states."""
        return self.wait(
            lambda m: isinstance(m, Hello | Status) and m.state in states,
            f"the state {' or '.join(states)}",
            after=after,
            timeout_s=timeout_s,
        )

    def wait_for_order(self, *, after: int = 0, timeout_s: float = 20.0) -> Received:
        """Wait for an intent that asks for something."""
        return self.wait(asks, "an intent that is not idle", after=after, timeout_s=timeout_s)

    def states(self, after: int = 0) -> list[str]:
        """Give the states said since ``after``."""
        told = [r.message for r in self.received[after:]]
        return [str(m.state) for m in told if isinstance(m, Status)]

    def reasons(self) -> list[str]:
        """Give the reasons of the states said so far."""
        return [r.message.reason for r in tuple(self.received) if isinstance(r.message, Status)]

    def intents(self) -> list[Received]:
        """Give the intents that came so far."""
        return [r for r in tuple(self.received) if isinstance(r.message, IntentBase)]

    def gaps(self) -> int:
        """Give how many intents it was told that it will not get."""
        told = [r.message for r in tuple(self.received)]
        return sum(m.last - m.first + 1 for m in told if isinstance(m, GapMessage))

    def acts(self) -> Iterator[Act]:
        """Give what a client acts on."""
        running, held = False, False
        current: tuple[IntentBase, float] | None = None
        for t, message in tuple(self.received):
            if isinstance(message, IntentBase | Hello | Status | Bye) and current is not None:
                yield _act(*current, t)
                current = None
            if isinstance(message, Hello | Status):
                running, held = message.state == "running", message.held
            elif isinstance(message, IntentBase):
                fresh = t < min(message.t_sample, message.t_decoded) + message.expires_s
                if fresh and running and not held and asks(message):
                    current = message, t
        if current is not None:
            yield _act(*current, local_clock())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._thread.join(5.0)


def asks(message: Any) -> bool:
    """Say whether a message is an intent that asks for something."""
    if isinstance(message, CursorIntent):
        return any(message.velocity)
    return isinstance(message, IntentBase) and not isinstance(message, IdleIntent)


def _act(intent: IntentBase, since: float, ended: float) -> Act:
    until = min(intent.t_sample, intent.t_decoded) + intent.expires_s
    return Act(intent, since, min(ended, until))
