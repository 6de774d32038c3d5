"""Where a session's intents go beside the API: the contract of an output, and which there are.

An output is a concrete `Output` whose ``settings_model`` has a literal ``kind``, in a part of the
entry-point group ``volition.outputs``. The union that a configuration's ``outputs`` are read by is
made from them, as it is for stages and decoders.

The worker opens a session's outputs once the signal is known, hands them every intent after it has
gone to the API, and closes them at the end. What an output may rely on:

- Its methods are called one after another, never two at once: on a thread of its own, behind a
  bounded queue, so that it may wait. Only one that is `Output.is_direct` is called by the worker's
  loop itself, and its methods must return at once.
- One that raises is closed and told of in the session's warnings and state; the session goes on.
- One that is too slow misses the oldest of what waits for it; how much is counted.
- From an emergency stop on it is given neutral intents alone: those that still wait for it are
  taken out of its queue. An output that keeps intents back itself has to ask
  `OutputContext.is_held` before it lets one go.
"""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from volition import extension
from volition.chunk import Chunk, Event, SignalSpec
from volition.decoders.contract.intent import Intent
from volition.decoders.contract.settings import Settings


class OutputSettings(Settings):
    """Base of the settings of every output: frozen, told apart by a literal ``kind``."""

    #: What such an output does beyond this service, as the end of a sentence: over the API only an
    #: admin may have it. Nothing for one that any caller who runs sessions may have.
    reaches: ClassVar[str] = ""


S = TypeVar("S", bound=OutputSettings)


@dataclass(frozen=True, slots=True)
class OutputContext:
    """What an output is opened for.

    Attributes
    ----------
    session, generation
        Whose intents these are, and in which generation of its worker.
    spec
        The signal as it comes from the stream.
    stream
        The stream's ``name``, ``type``, ``source_id``, ``host`` and ``created_at``.
    replay_header
        Gives what a file that begins now must hold so that it can be replayed: ``next_seq`` and
        ``config``, as JSON.
    is_held
        Whether the emergency stop holds all outputs now.
    """

    session: str
    generation: int
    spec: SignalSpec
    stream: Mapping[str, Any]
    replay_header: Callable[[], Mapping[str, Any]]
    is_held: Callable[[], bool]


class Output(ABC, Generic[S]):
    """Base of every output. A subclass names its settings in ``settings_model``."""

    settings_model: ClassVar[type[OutputSettings]]

    #: Whether no method ever waits, so that the worker's loop can call them itself.
    is_direct: ClassVar[bool] = False
    #: Whether it is given the signal.
    wants_signal: ClassVar[bool] = False

    def __init__(self, settings: S) -> None:
        self.settings = settings

    @abstractmethod
    def open(self, context: OutputContext) -> None:
        """Make ready; called once, before all else."""

    @abstractmethod
    def intent(self, encoded: bytes, intent: Intent) -> None:
        """Take an intent.

        Parameters
        ----------
        encoded
            The JSON that every client of the API is sent.
        intent
            The same before it was encoded; not to be changed.
        """

    @abstractmethod
    def close(self, timeout_s: float) -> None:
        """Let go of everything, within ``timeout_s``; also called after a method has raised."""

    def signal(self, chunk: Chunk) -> None:
        """Take a chunk as it came, before any stage; only where `wants_signal`.

        It must not be changed.
        """

    def event(self, event: Event) -> None:
        """Take a marker."""

    def status(self, status: Mapping[str, Any], t: float) -> None:
        """Take a change that happened at LSL time ``t``.

        Parameters
        ----------
        status
            One of four forms: of the session's state (``state``, ``reason``); of the emergency
            stop (``hold``, which has ``held``, the number of samples before it as ``sample``, and
            ``t``); of what decodes (``swap``, which has ``decoder`` and ``sample``); or of a stream
            that came back as another signal (``followed``, which has both in words as ``had`` and
            ``now``), told before and behind `follow`.
        """

    def follow(self, context: OutputContext) -> None:
        """Go on with another signal: what comes from here on is of ``context``, and counts anew.

        Numbers of intents go on. Most outputs have nothing to do.
        """

    def tend(self) -> None:
        """Look after what it needs; called about four times a second."""

    @property
    def is_at_rest(self) -> bool:
        """Whether nothing goes on moving by what it did last.

        An intent's JSON says until when it counts. Where a receiver is not told that, or a key is
        down, movement goes on until the output ends it; an emergency stop is not confirmed before.
        It is asked from another thread than the one that calls the methods.
        """
        return True

    def trouble(self) -> str:
        """Say what keeps it from doing its work, as a sentence; nothing while all is well."""
        return ""

    def state(self) -> dict[str, Any]:
        """Say how it stands, as JSON data; most have nothing to say."""
        return {}


@functools.cache
def outputs() -> Mapping[str, type[Output[Any]]]:
    """Give every output by its kind."""
    return extension.classes_by_kind("volition.outputs", Output)


def build_output(settings: OutputSettings) -> Output[Any]:
    """Make the output that ``settings`` configures."""
    return outputs()[settings.kind](settings)
