"""Which markers of somebody's recordings begin which trials: a mapping, written once as YAML.

    trial_s: 4                 # seconds; until the next marker when left out
    targets:                   # what a marker says: the target that was looked at, or rest
      "1": left
      "2": right
      "stim/none": rest

A marker is known by its text: that of an XDF or EDF+ annotation, the description of a BrainVision
marker or of an MNE annotation, the value of a trigger channel. A number is the same however it is
written, so that ``"2"`` names ``2.000000000000000`` too. Where a text holds its own target,
``<label>`` stands for it: ``"switch,3,<label>,2": <label>``. What the mapping does not name begins
no trial. Without a mapping, trials are the events that name a ``target`` or a ``position``
themselves, as Volition's own recordings do.

For a cursor the mapping says where each target was, in place of ``targets``:

    positions:
      "1": [10, 0]
      "2": [-10, 0]
    radius: 1                  # of a target; 0 when left out
    cursor: [0, 0]             # where the cursor stood, where no event named cursor tells of it
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from volition.chunk import Event
from volition.errors import ConfigError, RecordingError
from volition.streams.files.recording import REST, TRIAL_START, Recording

_MOST_SHOWN = 20
TRIAL_END = "trial_end"
"""Name of the event at which a trial ends."""

CURSOR = "cursor"
"""Name of the event that says where the cursor is shown."""

CHOICES, PLACES = frozenset({"target", "freq_hz"}), frozenset({"position"})
"""What the data of an event hold that begins a trial: of choices, and of a cursor."""
#: In a marker's text: the target that the text holds itself.
_LABEL = "<label>"


def _number(text: str) -> float | None:
    """Give the number that a text is; None for one that is none."""
    try:
        return float(text)
    except ValueError:
        return None


@functools.cache
def _pattern(text: str) -> re.Pattern[str]:
    """Give what finds the target in a marker of this form."""
    return re.compile(re.escape(text).replace(re.escape(_LABEL), "([^,;/ ]+)"))


class TrialMapping(BaseModel):
    """Which markers begin which trials."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    trial_s: float | None = Field(default=None, gt=0)
    targets: dict[str, str] = Field(default_factory=dict)
    positions: dict[str, list[float]] = Field(default_factory=dict)
    radius: float = Field(default=0.0, ge=0)
    cursor: list[float] | None = None

    @field_validator("targets", "positions", mode="before")
    @classmethod
    def _markers_are_texts(cls, given: Any) -> Any:
        """Take numbers for texts, as YAML reads what is not quoted; a truth value says nothing."""
        if not isinstance(given, dict):
            return given
        for key in given:
            if isinstance(key, bool):
                raise ValueError(f"a marker was read as {key}: quote it, as in 'yes' or 'on'")
        return {str(key) if isinstance(key, int | float) else key: v for key, v in given.items()}

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        if bool(self.targets) == bool(self.positions):
            raise ValueError("give either targets (labels) or positions (of a cursor's targets)")
        places = [*self.positions.values(), *([] if self.cursor is None else [self.cursor])]
        if places and not self.targets and len({len(place) for place in places} | {0}) != 2:
            raise ValueError("positions, and the cursor's, need equally many numbers, at least one")
        return self

    @classmethod
    def read(cls, path: Path) -> TrialMapping:
        """Read a mapping from a YAML file.

        Raises
        ------
        ConfigError
            It cannot be read, or is no mapping.
        """
        try:
            return cls.model_validate(yaml.safe_load(path.read_text("utf-8")))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise ConfigError(f"{path} cannot be read: {error}") from None
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(map(str, first["loc"])) or "(whole)"
            allowed = ", ".join(cls.model_fields)
            what = f"; allowed: {allowed}" if first["type"] == "extra_forbidden" else ""
            raise ConfigError(f"{path}: {where}: {first['msg']}{what}") from None

    def target_of(self, name: str) -> str | None:
        """Give the target of the trial that a marker begins; None where it begins none."""
        if name in self.targets:
            return self.targets[name]
        value = _number(name)
        for text, target in self.targets.items():
            if value is not None and _number(text) == value:
                return target
            if _LABEL in text and (match := _pattern(text).fullmatch(name)):
                return target.replace(_LABEL, match[1])
        return None

    def named(self, events: Iterable[Event]) -> list[Event]:
        """Give all events, those that begin a trial as `trials` does, and each trial's end.

        The others keep their name: what comes between is not lost, and ends a trial as ever.
        """
        found = []
        for event in events:
            what = self._told_by(event.name)
            if not what:
                found.append(event)
                continue
            found.append(Event(event.time, TRIAL_START, {**event.data, **what}))
            if self.trial_s is not None:
                found.append(Event(event.time + self.trial_s, TRIAL_END))
        return sorted(found, key=lambda event: event.time)

    def trials(self, events: Iterable[Event]) -> tuple[Event, ...]:
        """Give the events that begin a trial, each naming its target or where it is."""
        told = ((event, self._told_by(event.name)) for event in events)
        return tuple(
            Event(event.time, TRIAL_START, {**event.data, **what}) for event, what in told if what
        )

    def _told_by(self, name: str) -> dict[str, Any]:
        """Give what a marker says of its trial; nothing where it begins none."""
        for text, place in self.positions.items():
            if text == name or ((value := _number(name)) is not None and _number(text) == value):
                return {"position": place, "radius": self.radius}
        target = self.target_of(name)
        return {} if target is None else {"target": target}

    def apply(self, recording: Recording) -> Recording:
        """Give a recording whose events are its trials: ``trial_start``, naming the target.

        For a cursor they name its position, and events named `CURSOR` say where the cursor was.

        Raises
        ------
        RecordingError
            No marker begins a trial; the message names those that there are.
        """
        events = self.trials(recording.events)
        if not events:
            found = Counter(event.name for event in recording.events)
            shown = ", ".join(f"{name} ({n})" for name, n in found.most_common(_MOST_SHOWN))
            wanted = ", ".join([*self.targets, *self.positions])
            raise RecordingError(
                f"{recording.metadata.get('file', 'the recording')} has no marker that begins a "
                f"trial: looked for {wanted}; found: {shown or 'none'}"
            )
        if self.positions:
            events = tuple(sorted((*events, *self._cursor_in(recording)), key=lambda e: e.time))
        return replace(recording, events=events)

    def _cursor_in(self, recording: Recording) -> list[Event]:
        """Give the events that say where the cursor was, or that it stood in its place."""
        told = [e for e in recording.events if e.name == CURSOR and "position" in e.data]
        if told or self.cursor is None or not len(recording):
            return told
        ends = float(recording.times[0]), float(recording.times[-1])
        return [Event(time, CURSOR, {"position": self.cursor}) for time in ends]


def trials_in(
    recording: Recording,
    mapping: TrialMapping | None,
    named_by: frozenset[str] = CHOICES | PLACES,
) -> Recording:
    """Give a recording whose events are its trials, by a mapping or by what its events say.

    Parameters
    ----------
    named_by
        Without a mapping: keys of which an event's data must hold one.

    Raises
    ------
    RecordingError
        There are none.
    """
    if mapping is not None:
        return mapping.apply(recording)
    events = tuple(event for event in recording.events if named_by & set(event.data))
    if not events:
        found = ", ".join(sorted({event.name for event in recording.events})[:_MOST_SHOWN])
        raise RecordingError(
            f"{recording.metadata.get('file', 'the recording')} has no event that names a target; "
            f"give a mapping of its markers (--trials). Found: {found or 'no markers'}"
        )
    return replace(recording, events=events)


def target_of(event: Event) -> str | None:
    """Give the label of a trial's target; None at rest."""
    target = event.data.get("target")
    return None if target in (None, REST) else str(target)
