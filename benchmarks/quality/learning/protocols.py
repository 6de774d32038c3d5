"""Whom a shipped model may be scored on, and by what: never by what they have taught it.

A model that other people trained ships with the ids of their recordings, in
``fitted/NAME.people.json`` beside it. A recording is known by what is in it and not by what its
file is called: a user's S01 is nobody's S01 but theirs, and a person who taught the model is found
under any name.

Those who taught it are scored by a model learned anew without them, from the others of them who are
at hand; everybody else by what ships. `Protocol` asks for one of the two for everybody.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
from collections.abc import Mapping, Sequence
from enum import StrEnum

import numpy as np

from volition.benchmarks.quality.contract.trials import TrialRecording
from volition.decoders.fitting.shipped import shipped_files
from volition.errors import ConfigError
from volition.service.sessions.config import SessionConfig
from volition.streams.files.recording import Recording

#: Least number of people from whom one can be left out.
LEAST_PEOPLE = 3

#: Added to the number of a person who bears that of another who taught the model.
OTHERS_FROM = 1000

REFITTED = "refitted without the person who is scored, all their recordings left out together"
STRANGER = "the shipped model, which the person who is scored has not taught"
TAUGHT = "the shipped model, which the person who is scored has taught: no test of it"


class Protocol(StrEnum):
    """How everybody is scored, whoever taught the model."""

    SHIPPED = "shipped"
    LEAVE_PERSON_OUT = "leave-person-out"


def protocol_named(name: str | None) -> Protocol | None:
    """Give the protocol of a name; raise `ConfigError` where there is none of it."""
    allowed = [one.value for one in Protocol]
    if name is not None and name not in allowed:
        raise ConfigError(
            f"trials with targets are scored by no protocol {name!r}; allowed: "
            f"{', '.join(allowed)}",
            found=name,
            allowed=allowed,
        )
    return None if name is None else Protocol(name)


@dataclasses.dataclass(frozen=True, slots=True)
class Judged:
    """A recording, the trials of it that are scored, and the session that does it.

    Attributes
    ----------
    session
        None where it cannot be scored.
    protocol
        What the decoder was fitted to, as an answer says it.
    refused
        Why it cannot be scored.
    promised
        Accuracy that a calibration on the person's earlier recordings stated; None where there was
        none, or it was on this recording's own first turns.
    left_out
        What that calibration had left out in turn to state it: ``recordings``, or ``blocks``.
    """

    one: TrialRecording
    session: SessionConfig | None
    protocol: str = "no training"
    refused: str | None = None
    promised: float | None = None
    left_out: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Assigned:
    """How one recording is to be scored.

    Attributes
    ----------
    one
        Its person is that of the model's training where it is one of those.
    refit
        Whether by a model that is learned without its person.
    protocol
        In words.
    refused
        Why it cannot be scored; None where it can.
    """

    one: TrialRecording
    refit: bool
    protocol: str
    refused: str | None = None


def assigned(
    recordings: Sequence[TrialRecording], model: str, wanted: Protocol | None
) -> tuple[list[Assigned], list[TrialRecording]]:
    """Say how each recording is scored by a model that ships, and from which one is learned anew.

    Raises
    ------
    ConfigError
        A person is to be left out of fewer than `LEAST_PEOPLE`.
    """
    people = people_of(model)
    teachers = [taught_by(one.recording, people) for one in recordings]
    known = [
        _named(one, teacher, set(teachers))
        for one, teacher in zip(recordings, teachers, strict=True)
    ]
    if wanted is Protocol.SHIPPED:
        said = [STRANGER if teacher is None else TAUGHT for teacher in teachers]
        return [Assigned(one, False, text) for one, text in zip(known, said, strict=True)], []
    if wanted is Protocol.LEAVE_PERSON_OUT:
        check_enough(known)
        return [Assigned(one, True, REFITTED) for one in known], known
    learned = [one for one, teacher in zip(known, teachers, strict=True) if teacher is not None]
    n_people = len({one.person for one in learned})
    refused = None
    if n_people < LEAST_PEOPLE:
        refused = (
            f"this person has taught {model}, and to learn it anew without them takes recordings "
            f"of at least {LEAST_PEOPLE - 1} others who have; found {max(n_people - 1, 0)}. "
            f"--protocol {Protocol.SHIPPED} scores them by the very model that they taught"
        )
    return [
        Assigned(one, False, STRANGER)
        if teacher is None
        else Assigned(one, True, REFITTED, refused)
        for one, teacher in zip(known, teachers, strict=True)
    ], ([] if refused else learned)


def _named(one: TrialRecording, teacher: int | None, teachers: set[int | None]) -> TrialRecording:
    """Number a recording's person as the model's training does, and others unlike those."""
    if teacher is not None:
        return dataclasses.replace(one, person=teacher)
    if one.person in teachers and one.person is not None:
        return dataclasses.replace(one, person=one.person + OTHERS_FROM)
    return one


def check_enough(recordings: Sequence[TrialRecording]) -> None:
    """Raise `ConfigError` unless there are people enough to leave one out."""
    people = {one.person for one in recordings if one.person is not None}
    if len(people) < LEAST_PEOPLE or any(one.person is None for one in recordings):
        raise ConfigError(
            "to judge what people have trained on people it has not seen needs recordings of at "
            f"least three, named S01_..., S02_...; found {len(people)}",
            found=len(people),
        )


# -- who is known ------------------------------------------------------------------------------


@functools.cache
def people_of(model: str) -> Mapping[str, int]:
    """Give whose each channel is that a shipped model was learned from, by the channel's id."""
    shipped = shipped_files("fitted", ".people.json").get(model)
    if shipped is None:
        return {}
    people = json.loads(shipped.file.read_text("utf-8"))
    return {one: int(person) for person, ids in people.items() for one in ids}


def taught_by(recording: Recording, people: Mapping[str, int]) -> int | None:
    """Give the person whose recording this is; None where it is nobody's in ``people``."""
    if not people:
        return None
    return next((people[one] for one in channel_ids(recording) if one in people), None)


def channel_ids(recording: Recording) -> list[str]:
    """Give each channel's id: a hash of where its samples rise.

    Gain, offset, the unit and the file's format leave it as it is; so do the other channels.
    """
    rises = np.packbits(np.diff(recording.samples, axis=0) > 0, axis=0)
    return [hashlib.sha256(column.tobytes()).hexdigest()[:16] for column in rises.T]


def people_file(recordings: Sequence[TrialRecording]) -> str:
    """Give the content of the file that ships beside a model that these recordings taught."""
    people: dict[str, list[str]] = {}
    for one in recordings:
        people.setdefault(str(one.person), []).extend(channel_ids(one.recording))
    return json.dumps(people, indent=1) + "\n"
