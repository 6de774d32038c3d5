"""The outputs of a session at the worker's end: each is fed, watched, and kept from doing harm.

    loop ──> DirectChannel ──> output that never waits
         └─> QueuedChannel ──queue──> thread ──> output that may wait

The loop hands every channel the same things and never waits for one. An output that raises is
closed, and its channel says why from then on. A queue that is full loses its oldest message. An
emergency stop takes the intents out of the queues at once, so that nothing decided before it leaves
after it. A call that has already begun cannot be taken back: the worker does not say that it obeys
before that has ended, and what moves until it is told otherwise has been told; a worker that does
not say so is killed.
"""

from __future__ import annotations

import contextlib
import re
import threading
import time
import traceback
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from pydantic_core import to_jsonable_python

from volition.chunk import Chunk, Event
from volition.decoders.contract.intent import IdleIntent, Intent
from volition.service.sessions.outputs import Output, OutputContext, OutputSettings, build_output

#: Messages that wait for an output; one more drops the oldest.
MOST_WAITING = 256
#: A call that takes longer is told of as a stall.
STALL_S = 1.0
#: An output for which something waits longer does not keep up.
BEHIND_S = 0.25
_TEND_S = 0.25

State = Literal["opening", "open", "stalled", "failed"]


class Channel(ABC):
    """The way from the worker's loop to one output.

    Attributes
    ----------
    kind
        Kind of the output.
    error
        Why the output was closed; empty while it is open.
    intents
        How many the output has taken.
    dropped
        Messages that it was too slow for.
    withdrawn
        Intents that an emergency stop took out of its queue.
    """

    def __init__(self, output: Output[Any], context: OutputContext) -> None:
        self._output = output
        self._context = context
        self._trouble = ""
        self._detail: dict[str, Any] = {}
        self.kind = output.settings.kind
        self.wants_signal = output.wants_signal
        self.error = ""
        self.intents = self.dropped = self.withdrawn = 0

    @property
    @abstractmethod
    def state(self) -> State:
        """Where the output stands."""

    @abstractmethod
    def intent(self, encoded: bytes, intent: Intent, *, held: bool = False) -> None:
        """Hand over an intent, or what stands in for it while the emergency stop holds."""

    @abstractmethod
    def pass_on(self, method: Callable[..., None], *arguments: Any) -> None:
        """Have a method of the output called."""

    @abstractmethod
    def withdraw_intents(self) -> bool:
        """Take back the intents that the output has not been given yet.

        Give whether none of them is being given to it right now, and nothing moves by the last.
        """

    def has_nothing_to_give(self) -> bool:
        """Whether the output has been given every intent that it is to get."""
        return True

    @abstractmethod
    def tend(self) -> None:
        """Have the output look after what it needs."""

    @abstractmethod
    def close(self, deadline: float) -> None:
        """Close the output, at the latest at ``deadline`` of the monotonic clock."""

    def signal(self, chunk: Chunk) -> None:
        self.pass_on(self._output.signal, chunk)

    def event(self, event: Event) -> None:
        self.pass_on(self._output.event, event)

    def status(self, status: Mapping[str, Any], t: float) -> None:
        self.pass_on(self._output.status, status, t)

    def follow(self, context: OutputContext) -> None:
        self._context = context
        self.pass_on(self._output.follow, context)

    def trouble(self) -> str:
        """Say what keeps the output from doing its work; nothing while all is well."""
        if self.error:
            return f"output {self.kind} failed and is closed: {self.error}"
        return self._trouble

    def report(self) -> dict[str, Any]:
        """Give where the output stands, as the API shows it."""
        return {
            "kind": self.kind,
            "state": self.state,
            "intents": self.intents,
            "dropped": self.dropped,
            "withdrawn": self.withdrawn,
            "error": self.trouble(),
            "detail": self._detail,
        }

    def _is_at_rest(self) -> bool:
        """Whether nothing moves by what the output did last; in doubt it does."""
        try:
            return bool(self.error) or self._output.is_at_rest
        except Exception:  # noqa: BLE001 - another's code may raise anything
            return False

    def _look(self) -> None:
        """Have the output look after itself, and ask it how it stands."""
        output = self._output
        output.tend()
        self._trouble = str(output.trouble())
        # What is no JSON is the output's error, not the heartbeat's.
        self._detail = dict(to_jsonable_python(output.state(), inf_nan_mode="null"))

    def _fail(self, error: Exception) -> None:
        self.error = f"{type(error).__name__}: {error}"
        traceback.print_exception(error)
        with contextlib.suppress(Exception):
            self._output.close(0.0)


class DirectChannel(Channel):
    """To an output whose methods return at once: the loop calls them itself."""

    def __init__(self, output: Output[Any], context: OutputContext) -> None:
        super().__init__(output, context)
        self.pass_on(output.open, context)
        self.tend()

    @property
    def state(self) -> State:
        return "failed" if self.error else "open"

    def intent(self, encoded: bytes, intent: Intent, *, held: bool = False) -> None:
        self.pass_on(self._output.intent, encoded, intent)
        if not self.error:
            self.intents += 1

    def pass_on(self, method: Callable[..., None], *arguments: Any) -> None:
        if self.error:
            return
        try:
            method(*arguments)
        except Exception as error:  # noqa: BLE001 - another's code may raise anything
            self._fail(error)

    def withdraw_intents(self) -> bool:
        return self._is_at_rest()  # whatever was handed over has been taken

    def tend(self) -> None:
        self.pass_on(self._look)

    def close(self, deadline: float) -> None:
        self.pass_on(self._output.close, max(0.0, deadline - time.monotonic()))


class _Message(NamedTuple):
    """A call of one of the output's methods that waits for its turn."""

    method: Callable[..., None]
    arguments: tuple[Any, ...]
    is_intent: bool = False
    #: Whether it is an intent that may not leave while the emergency stop holds.
    may_move: bool = False
    #: Since when it waits, on the monotonic clock.
    since: float = 0.0


class QueuedChannel(Channel):
    """To an output that may wait: a thread of its own calls it, and the loop only fills a queue."""

    def __init__(self, output: Output[Any], context: OutputContext) -> None:
        super().__init__(output, context)
        self._waiting: deque[_Message] = deque()
        self._changed = threading.Condition()
        self._is_open = False
        self._deadline: float | None = None
        self._busy_since: float | None = None
        self._gives_what_may_move = False
        self._thread = threading.Thread(
            target=self._run, name=f"volition-output-{self.kind}", daemon=True
        )
        self._thread.start()

    # -- on the loop's thread -----------------------------------------------------------------

    @property
    def state(self) -> State:
        if self.error:
            return "failed"
        busy_since = self._busy_since
        if busy_since is not None and time.monotonic() - busy_since > STALL_S:
            return "stalled"
        return "open" if self._is_open else "opening"

    def intent(self, encoded: bytes, intent: Intent, *, held: bool = False) -> None:
        may_move = not held and not isinstance(intent, IdleIntent)
        now = time.monotonic()
        self._put(_Message(self._output.intent, (encoded, intent), True, may_move, now))

    def pass_on(self, method: Callable[..., None], *arguments: Any) -> None:
        self._put(_Message(method, arguments, since=time.monotonic()))

    def _put(self, message: _Message) -> None:
        with self._changed:
            if self.error or self._deadline is not None:
                return
            if len(self._waiting) >= MOST_WAITING:
                self._waiting.popleft()
                self.dropped += 1
            self._waiting.append(message)
            self._changed.notify()

    def withdraw_intents(self) -> bool:
        with self._changed:
            kept = deque(message for message in self._waiting if not message.may_move)
            self.withdrawn += len(self._waiting) - len(kept)
            self._waiting = kept
            return not self._gives_what_may_move and self._is_at_rest()

    def has_nothing_to_give(self) -> bool:
        with self._changed:
            waits = any(message.may_move for message in self._waiting)
            return not waits and not self._gives_what_may_move

    def tend(self) -> None:
        """Do nothing: the output's thread sees to it."""

    def trouble(self) -> str:
        told = super().trouble()
        if not told and self.state == "stalled":
            told = f"output {self.kind} stalls"
        elif not told and self.dropped:
            told = f"output {self.kind} is too slow"
        elif not told and self._is_open and self._is_behind():
            told = f"output {self.kind} does not keep up"
        return f"{told}; {self.dropped} messages dropped" if told and self.dropped else told

    def _is_behind(self) -> bool:
        with self._changed:
            return bool(self._waiting) and time.monotonic() - self._waiting[0].since > BEHIND_S

    def close(self, deadline: float) -> None:
        with self._changed:
            self._deadline = deadline
            self._changed.notify()
        self._thread.join(max(0.0, deadline - time.monotonic()))

    # -- on the output's thread ---------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._call(self._output.open, self._context)
            self._is_open = True
            self._call(self._look)
            self._feed_output()
        except Exception as error:  # noqa: BLE001 - another's code may raise anything
            self._fail(error)
            self._gives_what_may_move = False

    def _feed_output(self) -> None:
        """Give the output what comes, until it is to close and nothing waits any more."""
        tended_at = time.monotonic()
        while True:
            with self._changed:
                if not self._waiting and self._deadline is None:
                    self._changed.wait(_TEND_S)
                message = self._next_message()
            if message is not None:
                self._call(message.method, *message.arguments)
                self.intents += message.is_intent
                self._gives_what_may_move = False
            elif self._deadline is not None:
                self._call(self._output.close, max(0.0, self._deadline - time.monotonic()))
                return
            if time.monotonic() - tended_at >= _TEND_S:
                tended_at = time.monotonic()
                self._call(self._look)

    def _next_message(self) -> _Message | None:
        """Take the next message, but for intents that the emergency stop has overtaken."""
        while self._waiting:
            message = self._waiting.popleft()
            if not (message.may_move and self._context.is_held()):
                self._gives_what_may_move = message.may_move
                return message
            self.withdrawn += 1
        return None

    def _call(self, method: Callable[..., None], *arguments: Any) -> None:
        self._busy_since = time.monotonic()
        method(*arguments)
        self._busy_since = None


class OutputChannels:
    """All outputs of a session; none until they are opened."""

    def __init__(self) -> None:
        self._channels: list[Channel] = []
        self._told = ""
        #: Whether any of them is given the signal.
        self.want_signal = False

    def open(self, settings: Sequence[OutputSettings], context: OutputContext) -> None:
        """Open the outputs that a configuration names."""
        self._channels = [_channel_to(one, context) for one in settings]
        self.want_signal = any(channel.wants_signal for channel in self._channels)

    def follow(self, context: OutputContext) -> None:
        """Have them go on with another signal."""
        for channel in self._channels:
            channel.follow(context)

    def intent(self, encoded: bytes, intent: Intent, *, held: bool = False) -> None:
        for channel in self._channels:
            channel.intent(encoded, intent, held=held)

    def signal(self, chunk: Chunk) -> None:
        """Hand over a chunk that nobody changes any more."""
        for channel in self._channels:
            if channel.wants_signal:
                channel.signal(chunk)

    def events(self, events: Sequence[Event]) -> None:
        for event in events:
            for channel in self._channels:
                channel.event(event)

    def status(self, status: Mapping[str, Any], t: float) -> None:
        for channel in self._channels:
            channel.status(status, t)

    def withdraw_intents(self) -> bool:
        """Take back all intents that no output has been given yet.

        Give whether none is being given to an output right now, and nothing moves by the last.
        """
        settled = [channel.withdraw_intents() for channel in self._channels]
        return all(settled)

    def have_nothing_to_give(self) -> bool:
        """Whether every output has been given every intent that it is to get."""
        return all(channel.has_nothing_to_give() for channel in self._channels)

    def tend(self) -> str | None:
        """Have them look after themselves; give what is to be said of them when that changed.

        A change of numbers alone is no change.
        """
        for channel in self._channels:
            channel.tend()
        troubles = "; ".join(self.troubles())
        told, self._told = self._told, re.sub(r"\d+", "", troubles)
        if told == self._told:
            return None
        return troubles or "all outputs work again"

    def troubles(self) -> list[str]:
        """Say of each output that is in trouble what it is."""
        return [trouble for channel in self._channels if (trouble := channel.trouble())]

    def report(self) -> list[dict[str, Any]]:
        """Give where each output stands."""
        return [channel.report() for channel in self._channels]

    def close(self, timeout_s: float) -> None:
        """Close all, within ``timeout_s``; what takes longer is left to itself."""
        deadline = time.monotonic() + timeout_s
        # Those that return at once go first: what is left of the time is for those that may not.
        for channel in sorted(self._channels, key=lambda one: isinstance(one, QueuedChannel)):
            channel.close(deadline)


class _Unbuildable(Output[OutputSettings]):
    """Stands in for an output that could not even be made: it says why when it is opened."""

    is_direct = True

    def __init__(self, settings: OutputSettings, error: Exception) -> None:
        super().__init__(settings)
        self._error = error

    def open(self, context: OutputContext) -> None:
        raise self._error

    def intent(self, encoded: bytes, intent: Intent) -> None:
        """Do nothing."""

    def close(self, timeout_s: float) -> None:
        """Do nothing."""


def _channel_to(settings: OutputSettings, context: OutputContext) -> Channel:
    try:
        output = build_output(settings)
    except Exception as error:  # noqa: BLE001 - another's code may raise anything
        output = _Unbuildable(settings, error)
    return (DirectChannel if output.is_direct else QueuedChannel)(output, context)
