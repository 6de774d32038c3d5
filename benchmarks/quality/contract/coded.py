"""Recordings of people before items that flash by a code, and data sets of them.

A data set cuts them into folds: what a session's decoder may be calibrated on, and what is scored.
The events of both say what was asked for in their data: a calibration reads it, and a decoder that
is scored never sees it. The code is the recording's own, whatever the session's configuration
holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from volition.benchmarks.quality.contract.dataset import Dataset
from volition.streams.files.recording import Recording


@dataclass(frozen=True, slots=True, eq=False)
class CodedFold:
    """What is learned from, and what is scored.

    Attributes
    ----------
    name
        Name of the recording that is scored; folds of one name are scored together.
    person
        Who it is: intervals are drawn over people.
    calibration
        Recordings to learn from.
    test
        The recording that is scored, from ``scored_from`` on (LSL time, seconds).
    decoder
        Settings that the recording dictates: the code book, how it is marked.
    packets
        Samples of each chunk as they came; None where that is not known.
    """

    name: str
    person: str
    calibration: tuple[Recording, ...]
    test: Recording
    decoder: Mapping[str, Any]
    scored_from: float = float("-inf")
    packets: tuple[int, ...] | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class CodedDataset(Dataset):
    """Items that flash by a code.

    Attributes
    ----------
    load
        Gives the folds, from the data set's folder.
    protocol
        What is learned from and what is scored, in a sentence.
    measure
        ``items``: which item was selected, and when. ``flashes``: only whether each flash held what
        was attended is known, so how well single flashes are told apart.
    at_s
        Times at which the best item is asked for, whatever the session's stopping, seconds.
    pause_s
        Between two selections, as the transfer rate counts it, seconds.
    """

    load: Callable[[Path], Iterator[CodedFold]]
    protocol: str
    measure: Literal["items", "flashes"] = "items"
    at_s: tuple[float, ...] = ()
    pause_s: float = 1.0
    settings: Mapping[str, Any] = field(default_factory=dict)
