"""A data set's name and protocol, and which data sets are installed.

Whoever adds a data set names, in the entry-point group ``volition.datasets``, an instance of
`Dataset` or a module or package that holds such instances; Volition's own are the package
`volition.benchmarks.quality.datasets`. What kind of `Dataset` it is says how a session is scored on
it. An instance whose name is taken already is left out and told (`extension.broken`).
"""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from volition import extension
from volition.errors import ConfigError
from volition.extension import Broken, Group
from volition.service.sessions.config import SessionConfig

_GROUP: Group = "volition.datasets"


@dataclass(frozen=True, kw_only=True, eq=False)
class Dataset:
    """What every data set says of itself.

    Attributes
    ----------
    name
        By which `evaluate` is asked for it.
    summary
        One line: what was recorded, from whom.
    licence
        The data's licence, as the card of a model that is trained on them states it.
    """

    name: str
    summary: str
    licence: str = "not stated by the source of the data"


Read_co = TypeVar("Read_co", covariant=True)


class Load(Protocol[Read_co]):
    """Reads a data set's recordings from its folder."""

    def __call__(
        self, root: Path, *, channels: Sequence[str] | None = None, units: str | None = None
    ) -> Iterator[Read_co]:
        """Give each recording; those of one person or group in order of time.

        Parameters
        ----------
        root
            Folder that holds the data set.
        channels, units
            As for `volition.streams.files.recording.read_recording`.

        Raises
        ------
        RecordingError
            The folder does not hold the data set.
        """
        ...


class SelfScored(Dataset, ABC):
    """A data set with a protocol of its own: it scores a session itself."""

    @abstractmethod
    def evaluate(self, root: Path, config: SessionConfig, **options: Any) -> dict[str, Any]:
        """Score a session.

        Parameters
        ----------
        root
            Folder that holds the data set.
        config
            The session's configuration.
        options
            What the command line offers besides (``idle_sweep``, ``protocol``); heed what you can.

        Returns
        -------
        dict
            Figures that JSON can hold.

        Raises
        ------
        ConfigError
            The session cannot be scored on these data.
        RecordingError
            The folder does not hold the data set.
        """


@dataclass(frozen=True, slots=True)
class Installed:
    """A data set, and the name of the installed package that brings it."""

    dataset: Dataset
    distribution: str


@functools.cache
def installed() -> Mapping[str, Installed]:
    """Give every data set that is installed, by its name."""
    found: dict[str, Installed] = {}
    for part, one in extension.instances(_GROUP, Dataset):
        if one.name in found:
            error = f"{one.name!r} is taken: {found[one.name].distribution} brings it already"
            extension.leave_out(_GROUP, part.name, part.distribution, error)
            continue
        found[one.name] = Installed(one, part.distribution)
    return found


def named(name: str) -> Dataset:
    """Give a data set by its name.

    Raises
    ------
    ConfigError
        No such data set is installed; it names those that are, and plugins that fail.
    """
    known = installed()
    if name not in known:
        allowed = sorted(known)
        failing = "".join(f". {one}" for one in broken())
        raise ConfigError(
            f"no data set is named {name!r}; allowed: {', '.join(allowed)}{failing}",
            found=name,
            allowed=allowed,
        )
    return known[name].dataset


def broken() -> tuple[Broken, ...]:
    """Give the data sets that are installed but cannot be used, and why."""
    installed()
    return tuple(one for one in extension.broken() if one.group == _GROUP)
