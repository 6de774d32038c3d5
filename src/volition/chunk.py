"""The words that every room shares: what a signal is, a piece of it, and an event in it.

A sample that is missing or not a number is NaN, here and in every later stage: a stage gives NaN
where its input was NaN and does not let it spread in time, and a decoder whose window holds NaN
answers with idle. Times are LSL times of this host in seconds; samples are in microvolts once they
have passed the inlet. Nothing in this module knows LSL.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from volition.incoming import fault_of_data, fault_of_text, readable

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SignalSpec:
    """What is fixed about a signal.

    Attributes
    ----------
    rate_hz
        Nominal sampling rate; 0 for an irregular stream.
    labels
        Channel labels, in order, each once.
    units
        Unit of each channel, ``"microvolts"`` after the inlet for electrical channels.
    kinds
        Kind of each channel as LSL names it: ``EEG``, ``EOG``, ``AUX``, ...
    passed
        Power that the stages so far let through, at even frequencies from 0 to half the rate; None
        for all of it. Two signals that differ in nothing else are of one spec.
    """

    rate_hz: float
    labels: tuple[str, ...]
    units: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    passed: tuple[float, ...] | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        n = len(self.labels)
        if not self.units:
            object.__setattr__(self, "units", ("microvolts",) * n)
        if not self.kinds:
            object.__setattr__(self, "kinds", ("EEG",) * n)
        if len(self.units) != n or len(self.kinds) != n:
            raise ValueError(
                f"{n} labels need {n} units and kinds, found {len(self.units)} and "
                f"{len(self.kinds)}"
            )

    @property
    def n_channels(self) -> int:
        return len(self.labels)


@dataclass(slots=True, eq=False)
class Chunk:
    """A piece of a signal; it may be empty.

    Attributes
    ----------
    samples : ndarray of float64, shape (n_samples, n_channels)
        May be a view of a buffer that its owner writes again after the call: whoever keeps
        samples copies them. A stage may change it in place.
    times : ndarray of float64, shape (n_samples,)
        LSL time of each sample, seconds.
    """

    samples: FloatArray
    times: FloatArray

    def __len__(self) -> int:
        return len(self.times)


@dataclass(frozen=True, slots=True)
class Event:
    """A marker with its LSL time.

    Attributes
    ----------
    time
        LSL time of this host, seconds.
    name
        What happened: the marker's text, its integer as text, or the ``event`` key of a JSON
        object.
    data
        The other keys of a JSON marker. For a scorer or a calibration; a decoder that runs reads
        ``time`` and ``name`` alone.
    """

    time: float
    name: str
    data: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def parse(cls, time: float, value: str | int) -> Event:
        """Read a marker's value: plain text, an integer, or a JSON object.

        The object is flat, ``{"event": "trial_start", "target": "left"}``, or as the REST API takes
        it, ``{"name": "trial_start", "data": {"target": "left"}}``. What is neither is a text, and
        so is what `volition.incoming` does not take.
        """
        text = str(value)
        if text.startswith("{"):
            try:
                data = json.loads(text)
            except (ValueError, RecursionError):
                return cls(time, readable(text))
            name = data.pop("event", None)
            if name is None and data.keys() <= {"name", "data"}:
                name, data = data.get("name"), data.get("data", {})
            known = isinstance(name, str | int) and isinstance(data, dict)
            if known and not (fault_of_data(data) or fault_of_text(str(name))):
                return cls(time, readable(str(name)), data)
        return cls(time, readable(text))

    def to_marker(self) -> str:
        """Give the marker text that ``parse`` reads back as this event."""
        plain = self.name
        if not self.data and not plain.startswith("{"):
            return plain
        flat = json.dumps({"event": plain, **self.data}, ensure_ascii=False)
        for text in (flat, plain) if self.data else (plain,):
            if Event.parse(self.time, text) == self:
                return text
        return json.dumps({"name": plain, "data": dict(self.data)}, ensure_ascii=False)
