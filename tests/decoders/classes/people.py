"""Simulated people for the tests of decoders of classes, and how they are decoded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from volition.decoders.classes.decoder import ClassDecoder
from volition.decoders.contract.intent import ClassIntent, IdleIntent, Intent
from volition.decoders.fitting.calibration import Calibrated, CalibrationData
from volition.decoders.fitting.fitted import FittedModel
from volition.streams.files.recording import Recording
from volition.streams.simulated.imagery_participant import ImageryParticipant

PERSON = ImageryParticipant(seed=3)
#: Nothing that this one imagines shows.
BLANK = ImageryParticipant(seed=3, weakening=0.0)


def shuffled(labels: Sequence[str], turns: int, seed: int = 0) -> list[str]:
    order = np.random.default_rng(seed).permutation(list(labels) * turns)
    return [str(one) for one in order]


def recorded(
    person: ImageryParticipant = PERSON, day: int = 0, turns: int = 12, seed: int = 0
) -> Recording:
    return person.record(shuffled(person.classes, turns, seed), trial_s=4.0, sitting=day)


def data_of(recording: Recording) -> CalibrationData:
    name = str(recording.metadata["file"])
    return CalibrationData(
        recording.spec, recording.samples, recording.times, recording.events, names=(name,)
    )


def calibrated(
    decoder: type[ClassDecoder[Any]], settings: Any, data: CalibrationData
) -> Calibrated:
    return decoder.calibrate(settings, data, lambda *_: None)


def decoded(
    decoder: type[ClassDecoder[Any]], settings: Any, model: FittedModel, recording: Recording
) -> list[Intent]:
    made = decoder(settings, model)
    made.prepare(recording.spec)
    return [one for chunk, events in recording.chunks(32) for one in made.decode(chunk, events)]


def best_of(intent: Intent) -> str:
    """Give the most probable class, commanded or not."""
    assert isinstance(intent, ClassIntent | IdleIntent)
    found = intent.probabilities if isinstance(intent, ClassIntent) else intent.evidence
    return max(found, key=lambda label: found[label])


def share_right(intents: Sequence[Intent], recording: Recording) -> float:
    wanted = {one.time: one.data["class"] for one in recording.events if "class" in one.data}
    right = [best_of(one) == wanted[one.t_trigger] for one in intents if one.t_trigger is not None]
    return float(np.mean(right))
