"""The decoders that are compared in closed loop, each calibrated as its authors do it.

All begin with the participant watching a cursor that moves by itself. The Kalman filter, the
discriminative one and the multiple-kernel one are fitted to that; ReFIT is fitted anew to a closed
loop under the first Kalman filter, with intentions for labels and the cursor's position taken for
known. A filter's answer is smaller than what was meant, by its own prior, so each is given the one
gain that makes its speed right on the bins it learned from.

`guide` begins with nothing instead, as the service does when it guides a cursor.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, Literal, cast

import numpy as np

from volition.chunk import Chunk, Event
from volition.decoders.contract.intent import CursorIntent, Intent
from volition.decoders.contract.trials import HELP
from volition.decoders.fitting.calibration import CalibrationData
from volition.decoders.fitting.decoder import FittedDecoder
from volition.decoders.fitting.fitted import FittedModel
from volition.decoders.kinematics.decoder import KinematicDecoder
from volition.decoders.kinematics.labels import intended_velocities
from volition.errors import DecodeError
from volition.service.calibration.cursor_fit import (
    Calibrated,
    Learned,
    cursor_settings,
    decoder_class,
    fitted,
    made,
    watch,
)
from volition.service.calibration.cursor_guide import TARGET, Pace
from volition.streams.simulated.cursor_participant import (
    CursorParticipant,
    CursorSitting,
    SittingBin,
)
from volition.streams.simulated.cursor_tasks import usual_task

DecoderName = Literal["kalman", "refit", "dkf", "mk-dkf"]

DECODERS: dict[DecoderName, dict[str, Any]] = {
    "kalman": {"kind": "kalman"},
    "refit": {"kind": "kalman", "state": "position-velocity", "sees_cursor": True},
    "dkf": {
        "kind": "dkf",
        "regression": {
            "kind": "gaussian-process",
            "max_points": 1500,
            "likelihood_points": 400,
        },
    },
    "mk-dkf": {
        "kind": "dkf",
        "regression": {"kind": "multiple-kernel"},
        "features": {"saturation_sd": 2},
    },
}
"""Settings of each decoder that is compared; the cursor's come with the calibration."""

#: Seconds of watching, and of closed loop for ReFIT.
CALIBRATION_S = 120.0
#: Sitting of a participant that ReFIT is fitted to; those that are scored have others.
_REFIT_SITTING = 9002


def calibrate(
    name: DecoderName, participant: CursorParticipant, *, seconds: float = CALIBRATION_S
) -> Calibrated:
    """Calibrate a decoder of `DECODERS` for a participant."""
    task = usual_task("radial-8")
    watched = Learned(watch(participant, task, seconds))
    first = DECODERS["kalman" if name == "refit" else name]
    found = fitted(first, watched, watched.velocities)
    if name != "refit":
        return found
    sitting = CursorSitting(participant, task, sitting=_REFIT_SITTING)
    used = Learned(
        list(itertools.islice(play(found.decoder(), sitting), round(seconds / participant.bin_s)))
    )
    intended = intended_velocities(used.velocities, used.positions, used.targets, used.held)
    return fitted(DECODERS[name], used, intended)


def play(decoder: FittedDecoder[Any], sitting: CursorSitting) -> Iterator[SittingBin]:
    """Close the loop in this process: bin by bin, without end, as fast as it goes.

    The decoder is given each bin as soon as it is over, and the participant sees the cursor that
    follows from it in the next.
    """
    decoder.prepare(sitting.participant.spec())
    for number in itertools.count(1):
        one = sitting.bin(number * sitting.participant.bin_s)
        for intent in decoder.decode(
            Chunk(one.features[None, :].copy(), np.array([one.time_s])), []
        ):
            obey(sitting, intent)
        yield one


def play_trials(decoder: FittedDecoder[Any], sitting: CursorSitting, n_trials: int) -> None:
    """Close the loop in this process until ``n_trials`` more trials have ended."""
    wanted = len(sitting.trials) + n_trials
    for _ in play(decoder, sitting):
        if len(sitting.trials) >= wanted:
            return


def obey(sitting: CursorSitting, intent: Intent) -> None:
    """Move a sitting's cursor as an intent says; anything but a movement stops it."""
    if not isinstance(intent, CursorIntent):
        sitting.move((0.0, 0.0))
        return
    x, y = intent.velocity
    place = None if intent.position is None else (intent.position[0], intent.position[1])
    sitting.move((x, y), place)


def guide(sitting: CursorSitting, settings: dict[str, Any], pace: Pace | None = None) -> Calibrated:
    """Calibrate from nothing in this process, as `CursorGuide` does over the API.

    Parameters
    ----------
    sitting
        The person's sitting: their speed is supposed to be known, and nothing of their neurons.
    settings
        The decoder's settings, a plain mapping; the cursor's are added.
    pace
        Help and newer models; the usual one when left out.

    Raises
    ------
    DecodeError
        It gave no model.
    """
    pace, settings = pace or Pace(), {**settings, "cursor": cursor_settings(1.0)}
    seen = _Seen(sitting, pace)
    decoder: KinematicDecoder[Any] | None = None
    model, due_s = None, pace.first_s
    while seen.passed_s < pace.seconds:
        chunk, events = seen.bin()
        if decoder is not None:
            for intent in decoder.decode(chunk, events):
                obey(sitting, intent)
        if seen.passed_s < due_s:
            continue
        due_s += pace.refresh_s
        newer = seen.model(settings)
        if newer is None:
            continue
        model = newer
        if decoder is None:
            decoder = cast(KinematicDecoder[Any], made(settings, model))
            decoder.prepare(sitting.participant.spec())
        else:
            decoder.adopt(model)
    if model is None:
        raise DecodeError(f"{pace.seconds:g} s of calibration gave no model")
    return Calibrated(settings, model)


class _Seen:
    """What a guided calibration has seen so far."""

    def __init__(self, sitting: CursorSitting, pace: Pace) -> None:
        self._sitting = sitting
        self._pace = pace
        self._bins: list[SittingBin] = []
        self._targets: list[Event] = []

    @property
    def passed_s(self) -> float:
        return len(self._bins) * self._sitting.participant.bin_s

    def bin(self) -> tuple[Chunk, list[Event]]:
        """Let a bin pass; give it with what is asked of a decoder."""
        sitting = self._sitting
        time_s = self.passed_s + sitting.participant.bin_s
        n_trials = len(sitting.trials)
        one = sitting.bin(time_s)
        self._bins.append(one)
        events = []
        if not self._targets or len(sitting.trials) > n_trials:
            target = sitting.run.target
            assert target is not None
            place = {"position": list(target.position), "radius": target.reach}
            self._targets.append(Event(time_s, TARGET, place))
        if len(self._bins) % 25 == 1 or len(sitting.trials) > n_trials:
            share = self._pace.attenuation(time_s)
            asked = {"position": list(one.target), "attenuation": share, "until": time_s + 1.0}
            events = [Event(time_s, HELP, asked)]
        return Chunk(one.features[None, :].copy(), np.array([time_s])), events

    def model(self, settings: dict[str, Any]) -> FittedModel | None:
        """Fit all so far; None while it says too little, as before all directions came."""
        learned, person = Learned(self._bins), self._sitting.participant
        calibration = CalibrationData(
            person.spec(),
            learned.features,
            learned.times,
            self._targets,
            learned.times,
            learned.positions,
            intention_options(person),
        )
        cls = decoder_class(settings)
        try:
            return cls.refresh(cls.settings_model.model_validate(settings), calibration)
        except DecodeError:
            return None


def intention_options(person: CursorParticipant) -> dict[str, float]:
    """Give the options of a calibration that knows how fast a person means to be."""
    return {
        "speed": person.speed_cm_s,
        "slowing_s": person.slowing_s,
        "reaction_s": person.vision_s + person.reaction_s,
    }
