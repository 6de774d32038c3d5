"""Recordings of people who imagine or make one of several movements, and data sets of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from volition.benchmarks.quality.contract.dataset import Dataset, Load
from volition.chunk import Event
from volition.streams.files.recording import TRIAL_START, Recording

TRIAL_END = "trial_end"
"""Name of the event at which a trial ends."""


@dataclass(frozen=True, slots=True, eq=False)
class ClassRecording:
    """A recording whose trials are known.

    Attributes
    ----------
    name
        Name of the file, without suffix.
    person
        Who it is.
    group
        Recordings of one name are learned from together: a person, or a person's runs of a kind.
    recording
        The signal, with an event ``trial_start`` that names the ``class`` where each trial begins,
        and ``trial_end`` where it ends.
    """

    name: str
    person: str
    group: str
    recording: Recording


@dataclass(frozen=True, kw_only=True, eq=False)
class ClassDataset(Dataset):
    """Trials whose class is known, scored by decoders that are calibrated on the same person.

    Attributes
    ----------
    load
        Reads the recordings.
    classes
        Labels that its trials name.
    rest
        Which of them means that nothing is wanted; None without one.
    """

    load: Load[ClassRecording]
    classes: tuple[str, ...]
    rest: str | None = None


def trial_events(trials: Sequence[tuple[float, float, str]]) -> tuple[Event, ...]:
    """Give the events of trials (onset, end, class), in order of time."""
    events = []
    for onset, end, label in trials:
        events += [Event(onset, TRIAL_START, {"class": label}), Event(end, TRIAL_END)]
    return tuple(sorted(events, key=lambda event: event.time))
