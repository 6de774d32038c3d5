"""A stage: a causal step from signal to signal.

The contract, which one battery of tests holds every stage to:

- ``prepare(spec)`` makes all state and buffers, and returns the spec of the output.
- ``process(chunk)`` is causal and chunk-invariant: a signal cut anywhere gives the same output as
  the signal whole (to 1e-9 relative). It may change the chunk in place and return it.
- An empty chunk gives an empty chunk. A chunk with another channel count raises `SpecError`.
- NaN means missing. The output is NaN where the input was, and NaN never spreads in time.
- ``reset()`` forgets the signal so far; settings and spec stay.
- ``state()`` is plain data (JSON) that says what the stage did and by how much; most have nothing
  to say.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Generic, TypeVar

from volition.chunk import Chunk, SignalSpec
from volition.decoders.contract.settings import Settings
from volition.errors import SpecError

S = TypeVar("S", bound=Settings)


class Stage(ABC, Generic[S]):
    """Base of every stage. A subclass names its settings in ``settings_model``."""

    settings_model: ClassVar[type[Settings]]

    def __init__(self, settings: S) -> None:
        self.settings = settings

    @abstractmethod
    def prepare(self, spec: SignalSpec) -> SignalSpec:
        """Make state for a signal of ``spec``; return the spec of what ``process`` gives."""

    @abstractmethod
    def process(self, chunk: Chunk) -> Chunk:
        """Take the next chunk of the signal; give what can be said of it now."""

    @abstractmethod
    def reset(self) -> None:
        """Forget the signal so far."""

    @property
    def latency_s(self) -> float:
        """Longest time that ``process`` holds a sample back, seconds; known once prepared."""
        return 0.0

    def state(self) -> dict[str, Any]:
        """Say what the stage did to the signal so far, as JSON data."""
        return {}


def check_channels(chunk: Chunk, n_channels: int, who: str) -> None:
    """Raise `SpecError` unless the chunk has the channels that ``who`` was prepared for."""
    found = chunk.samples.shape[1]
    if found != n_channels:
        raise SpecError(
            f"{who} was prepared for {n_channels} channels and was given a chunk of {found}",
            expected=n_channels,
            found=found,
        )
