"""The decoders that are compared in closed loop, each calibrated as its authors do it.

All begin with the participant watching a cursor that moves by itself. The Kalman filter, the
discriminative one and the multiple-kernel one are fitted to that; ReFIT is fitted anew to a closed
loop under the first Kalman filter, with intentions for labels and the cursor's position taken for
known. A filter's answer is smaller than what was meant, by its own prior, so each is given the one
gain that makes its speed right on the bins it learned from.

A `Guide` begins with nothing instead: it labels what the participant does by where they must have
aimed, gives a new model every few seconds, and helps less and less (Brandman et al., J. Neural
Eng. 15:026007, 2018).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np

from decoders.fitted import FittedModel
from decoders.intent import CursorIntent, Intent
from decoders.kinematics.adaptation import aimed_velocities
from decoders.kinematics.decoder import KinematicDecoder
from decoders.kinematics.kalman import intended_velocities
from service.cursor_fit import (
    Calibrated,
    Learned,
    cursor_settings,
    fitted,
    made,
    model_of,
    watch,
)
from streams.chunk import Chunk
from streams.cursor_participant import (
    CursorParticipant,
    CursorSitting,
    SittingBin,
)
from streams.cursor_tasks import usual_task
from streams.errors import DecodeError

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


def play(decoder: KinematicDecoder[Any], sitting: CursorSitting) -> Iterator[SittingBin]:
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


def play_trials(decoder: KinematicDecoder[Any], sitting: CursorSitting, n_trials: int) -> None:
    """Close the loop in this process until so many more trials have ended."""
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


class Guide:
    """A calibration from nothing: learns from what a participant does, and helps less and less.

    Parameters
    ----------
    participant
        Of whom their speed is supposed to be known, and nothing of their neurons.
    settings
        Of the decoder, a plain mapping.
    first_s, refresh_s
        The first model comes after so many seconds, when targets have lain in several directions,
        and from then on a new one once in so many.
    helped_s
        By then the help has faded to nothing.
    seconds
        By then the calibration is over.
    """

    def __init__(
        self,
        participant: CursorParticipant,
        settings: dict[str, Any],
        *,
        first_s: float = 12.0,
        refresh_s: float = 3.0,
        helped_s: float = 115.0,
        seconds: float = 180.0,
    ) -> None:
        self.settings = {**settings, "cursor": cursor_settings(1.0)}
        self.seconds = seconds
        self._participant = participant
        self._first = round(first_s / participant.bin_s)
        self._every = round(refresh_s / participant.bin_s)
        self._helped_s = helped_s
        self._bins: list[SittingBin] = []
        self._told = 0
        self._start_s: float | None = None

    def follow(self, sitting: CursorSitting, one: SittingBin) -> bool:
        """Take a bin, and set the help that is given; say whether a new model is due."""
        if self._start_s is None:
            self._start_s = one.time_s
            sitting.sums_up = True
        passed_s = one.time_s - self._start_s
        sitting.attenuation = max(0.0, 1.0 - passed_s / self._helped_s)
        if passed_s > self.seconds:
            return False
        self._bins.append(one)
        later = len(self._bins) - self._first
        return later >= 0 and later % self._every == 0

    def newest(self) -> list[SittingBin]:
        """Give the bins that it took since this was last asked, for another guide to learn from."""
        told, self._told = self._told, len(self._bins)
        return self._bins[told:]

    def learn(self, bins: Sequence[SittingBin]) -> None:
        """Take bins that another guide, beside the participant, has taken."""
        self._bins.extend(bins)

    def model(self) -> FittedModel | None:
        """Fit all bins so far; None while they say too little, as before all directions came."""
        learned, person = Learned(self._bins), self._participant
        aimed = aimed_velocities(
            learned.positions,
            learned.targets,
            learned.held,
            speed=person.speed_cm_s,
            slowing_s=person.slowing_s,
        )
        try:
            return model_of(self.settings, learned, aimed)
        except DecodeError:
            return None


def guide(sitting: CursorSitting, guide: Guide) -> Calibrated:
    """Calibrate from nothing in this process; a decoder takes each model up as it comes."""
    decoder: KinematicDecoder[Any] | None = None
    person, model = sitting.participant, None
    for number in itertools.count(1):
        one = sitting.bin(number * person.bin_s)
        due = guide.follow(sitting, one)
        if one.time_s > guide.seconds:
            break
        if decoder is not None:
            chunk = Chunk(one.features[None, :].copy(), np.array([one.time_s]))
            for intent in decoder.decode(chunk, []):
                obey(sitting, intent)
        if due and (newer := guide.model()) is not None:
            model = newer
            if decoder is None:
                decoder = made(guide.settings, model)
                decoder.prepare(person.spec())
            else:
                decoder.adopt(model)
    if model is None:
        raise DecodeError(f"{guide.seconds:g} s of calibration gave no model")
    return Calibrated(guide.settings, model)
