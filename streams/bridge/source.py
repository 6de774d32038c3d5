"""What a bridge reads from: the protocol of a source.

A source is opened, read until it is lost or at its end, and closed; then it may be opened again.
Whatever goes wrong is a `StreamError` whose message says what was found and what to do; the bridge
waits and opens the source again, unless it is a `ConfigError`, which no waiting mends.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Protocol

from volition.chunk import FloatArray, SignalSpec
from volition.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Came:
    """What came from a source since it was read last.

    Attributes
    ----------
    samples : ndarray of float64, shape (n_samples, n_channels)
        In the units of the source's spec; the newest came just now.
    lost
        How many samples before these did not arrive, as far as the source can tell.
    ended
        Whether nothing comes any more because the source is at its end.
    """

    samples: FloatArray
    lost: int = 0
    ended: bool = False


class Source(Protocol):
    """Something that samples a signal at an even rate."""

    @property
    def name(self) -> str:
        """What it is, for people: the name of its stream unless another is given."""

    @property
    def source_id(self) -> str:
        """The same for the same device, however often its program is started."""

    def open(self) -> SignalSpec:
        """Begin; give rate, labels, units and kinds.

        Raises
        ------
        StreamError
            It is not there, or not now.
        ConfigError
            It can never be opened as it is configured.
        """

    def read(self) -> Came:
        """Give what came since the last call, after a wait of at most some 50 ms.

        Raises
        ------
        StreamError
            It is lost.
        """

    def close(self) -> None:
        """Let go of it, whatever state it is in."""


def needed_module(name: str, *, extra: str) -> ModuleType:
    """Import what only one kind of source needs.

    Raises
    ------
    ConfigError
        It is not installed.
    """
    try:
        return import_module(name)
    except ImportError:
        raise ConfigError(
            f"this source needs the package {name.partition('.')[0]}, which is not installed: "
            f"pip install 'volition[{extra}]'"
        ) from None
