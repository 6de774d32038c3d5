"""What a calibration is, to every decoder that can be fitted.

A `CalibrationData` is a stretch of the signal as the decoder sees it, with the events that say what
was asked of the person. `FittedDecoder.calibrate` makes a `Calibrated` of it: the model, the
settings to decode by it, and scores from trials that were left out. What cannot be used is refused
with a `CalibrationError`, whose ``reason`` is a word for programs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from volition.chunk import Event, FloatArray, SignalSpec
from volition.decoders.fitting.fitted import FittedModel
from volition.decoders.fitting.metrics import luck
from volition.errors import ConfigError, DecodeError

Reason = Literal[
    "no-trials",
    "too-few-trials",
    "class-missing",
    "trials-too-short",
    "missing-samples",
    "flat-channel",
    "bad-channel",
    "not-above-chance",
    "cannot-be-calibrated",
    "cannot-be-fitted",
]

Progress = Callable[[float, str], None]
"""Told how far a fit is, 0 to 1, and at what."""

#: A calibration is refused unless chance alone would do as well this rarely.
MOST_CHANCE = 0.01
#: A channel of less than this share of the median spread is flat; of more than this many, bad.
FLAT_SHARE, BAD_TIMES = 1e-4, 30.0


class CalibrationError(DecodeError):
    """A calibration cannot be used; ``fields["reason"]`` says why, as a `Reason`."""

    code = "calibration"

    def __init__(self, reason: Reason, message: str, **fields: Any) -> None:
        super().__init__(message, reason=reason, **fields)


@dataclass(frozen=True, eq=False)
class CalibrationData:
    """A signal and what was asked of the person.

    Attributes
    ----------
    spec
        Specification of the signal behind the stages.
    samples : ndarray, shape (n_samples, n_channels)
        NaN where one is missing.
    times : ndarray, shape (n_samples,)
        LSL times; a step above the sampling interval is a gap.
    events
        In order of time.
    cursor_times : ndarray, shape (n_moves,)
    cursor_positions : ndarray, shape (n_moves, n_dimensions)
        Where the cursor was that the person saw; empty where there was none.
    options
        What a family of decoders wants to know besides (see each).
    starts
        LSL times at which recordings begin that were joined (see `joined`); empty for one.
    names
        Names of those recordings.
    faulty
        Which of them cannot be relied on, and why: by the index.
    """

    spec: SignalSpec
    samples: FloatArray
    times: FloatArray
    events: Sequence[Event]
    cursor_times: FloatArray = field(default_factory=lambda: np.empty(0))
    cursor_positions: FloatArray = field(default_factory=lambda: np.empty((0, 0)))
    options: Mapping[str, Any] = field(default_factory=dict)
    starts: tuple[float, ...] = ()
    names: tuple[str, ...] = ()
    faulty: Mapping[int, str] = field(default_factory=dict)

    def sha256(self) -> str:
        """Give a hash of the samples, times and events."""
        digest = hashlib.sha256(repr(self.spec).encode())
        for array in (self.samples, self.times, self.cursor_times, self.cursor_positions):
            digest.update(np.ascontiguousarray(array).tobytes())
        events = [[event.time, event.name, dict(event.data)] for event in self.events]
        digest.update(json.dumps(events, sort_keys=True).encode())
        return digest.hexdigest()

    @property
    def duration_s(self) -> float:
        """From the first sample to the last."""
        return float(self.times[-1] - self.times[0]) if len(self.times) else 0.0


#: Between two recordings that are joined, so that no window reaches over, in seconds.
APART_S = 60.0


def joined(
    parts: Sequence[CalibrationData], options: Mapping[str, Any] | None = None
) -> CalibrationData:
    """Put signals behind each other in time, well apart, each a part of its own.

    Raises
    ------
    ConfigError
        They differ in their channels or their rate.
    """
    if len({part.spec for part in parts}) > 1:
        raise ConfigError("the recordings differ in their channels or their rate: train on each")
    times, events, start = [], [], 0.0
    starts, names, faulty = [], [], {}
    for number, part in enumerate(parts):
        shift = start - (float(part.times[0]) if len(part.times) else 0.0)
        times.append(part.times + shift)
        events += [Event(one.time + shift, one.name, one.data) for one in part.events]
        starts.append(start)
        name = part.names[0] if part.names else str(number + 1)
        names.append(f"{name} ({number + 1})" if name in names else name)
        if part.faulty:
            faulty[number] = next(iter(part.faulty.values()))
        start = float(times[-1][-1]) + APART_S if len(part.times) else start
    return CalibrationData(
        parts[0].spec,
        np.concatenate([part.samples for part in parts]),
        np.concatenate(times),
        events,
        options=options or {},
        starts=tuple(starts),
        names=tuple(names),
        faulty=faulty,
    )


@dataclass(frozen=True, eq=False)
class Calibrated:
    """What came of a calibration.

    Attributes
    ----------
    model
        The fitted model.
    settings
        Settings of the decoder, with what the calibration suggests.
    scores
        Plain JSON, from trials that were left out of the fit that they score.
    n_trials
        Trials that were used.
    """

    model: FittedModel
    settings: Mapping[str, Any]
    scores: Mapping[str, Any]
    n_trials: int


def check_channels_live(spec: SignalSpec, samples: FloatArray) -> None:
    """Refuse channels that say nothing, or far too much, by name.

    Raises
    ------
    CalibrationError
        A channel is flat, mostly missing, or some thirty times as large as the others.
    """
    if not len(samples):
        raise CalibrationError("no-trials", "there is no signal yet to calibrate on")
    mostly = np.isfinite(samples).mean(axis=0) < 0.5
    if mostly.any():
        raise CalibrationError(
            "bad-channel",
            f"channels {_named(spec, mostly)} are missing for most of the time",
            channels=_named(spec, mostly),
        )
    spread = np.nanstd(np.diff(samples, axis=0), axis=0)
    usual = float(np.median(spread))
    flat = spread <= FLAT_SHARE * (usual or 1.0)
    if flat.any():
        raise CalibrationError(
            "flat-channel",
            f"channels {_named(spec, flat)} are flat: fix their electrodes, or leave them out of "
            "the session",
            channels=_named(spec, flat),
        )
    bad = spread > BAD_TIMES * usual
    if bad.any():
        raise CalibrationError(
            "bad-channel",
            f"channels {_named(spec, bad)} vary more than {BAD_TIMES:g} times as much as the "
            "others: fix their electrodes, or leave them out of the session",
            channels=_named(spec, bad),
        )


def check_enough_to_tell(n_trials: int, chance: float) -> None:
    """Refuse so few trials that guessing might have been right in all of them.

    Raises
    ------
    CalibrationError
        See above.
    """
    all_by_chance = luck(n_trials, n_trials, chance)
    if all_by_chance <= MOST_CHANCE:
        return
    needed = n_trials
    while luck(needed, needed, chance) > MOST_CHANCE:
        needed += 1
    raise CalibrationError(
        "too-few-trials",
        f"{n_trials} trials are too few to tell whether this calibration is better than guessing, "
        f"which is right in all of them in {100 * all_by_chance:.2g} % of cases; at least {needed} "
        "are needed",
        found=n_trials,
        allowed_from=needed,
    )


def _named(spec: SignalSpec, chosen: Any) -> list[str]:
    return [label for label, is_one in zip(spec.labels, chosen, strict=True) if is_one]
