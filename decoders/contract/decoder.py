"""A decoder: from a cleaned signal and its events to intents.

The contract, which one battery of tests holds every decoder to:

- ``prepare(spec)`` makes all state. It raises `ConfigError` when the settings do not suit the spec
  (a frequency above half the rate, say) and `NotFittedError` when a model is needed and missing.
- ``decode(chunk, events)`` is causal, and cutting the signal into other chunks changes no intent.
  Events carry LSL times; one may come before or after the samples of its time.
- A window that holds a missing sample (NaN) yields idle, never a guess.
- An intent's ``t_sample`` is the time of the newest sample that the decision used, whatever else
  the chunk held.
- ``state()`` is plain data (JSON) that says what the decoder thinks now.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar

from volition.chunk import Chunk, Event, SignalSpec
from volition.decoders.contract.intent import Intent
from volition.decoders.contract.settings import Settings
from volition.decoders.contract.trials import Trials

S = TypeVar("S", bound=Settings)


class Decoder(ABC, Generic[S]):
    """Base of every decoder. A subclass names its settings in ``settings_model``."""

    settings_model: ClassVar[type[Settings]]

    #: Whether a calibration trains the decoder's network further, instead of fitting a model.
    trained_further: ClassVar[bool] = False
    #: Most events of a second of signal that it is shown: each may ask for a decision.
    most_events_per_s: ClassVar[int] = 100
    #: Version of the fitted model in use; None for a decoder that needs none.
    model_version: str | None = None
    #: Whether outputs are held: what is sent now moves nothing, so that a cursor stays where it is.
    still: bool = False

    def __init__(self, settings: S) -> None:
        self.settings = settings

    @classmethod
    def trials(cls, settings: S) -> Trials | None:  # noqa: ARG003 - of the contract
        """Say what a person is asked to do while a decoder of these settings learns.

        None where nobody can be asked: no guide knows what to ask for.
        """
        return None

    @classmethod
    def example_model(cls, settings: S, spec: SignalSpec) -> Any:  # noqa: ARG003 - of the contract
        """Make a model of random data for the examples of a decoder that cannot run without one.

        Returns
        -------
        FittedModel or Network
            What the decoder's ``use`` takes. None where the settings suffice.
        """
        return None

    @abstractmethod
    def prepare(self, spec: SignalSpec) -> None:
        """Make state for a signal of ``spec``."""

    @abstractmethod
    def decode(self, chunk: Chunk, events: Sequence[Event]) -> list[Intent]:
        """Take the next chunk and the events that came with it; give the intents that follow."""

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """Say what the decoder thinks now, as JSON data."""

    def warnings(self) -> Mapping[str, str]:
        """Say what keeps it from deciding well, for the session's status: a sentence by its key."""
        return {}

    @property
    def memory_s(self) -> float:
        """How far back a decision looks, seconds; one that takes over is shown that much first."""
        return 0.0

    def take_over(self, other: Decoder[Any]) -> bool:
        """Go on from where another decoder of this kind is; False where that cannot be.

        Called when prepared. It is False for a decoder whose state is its signal: what `memory_s`
        says of that is enough.
        """
        return False

    @abstractmethod
    def reset(self) -> None:
        """Forget the signal and the events so far; settings, spec and model stay."""
