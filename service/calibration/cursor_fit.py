"""Fit a cursor's decoder to a simulated person who watches a cursor that moves by itself.

A filter's answer is smaller than what was meant, by its own prior, so each is given the one gain
that makes its speed right on the bins it learned from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from volition.chunk import Chunk, FloatArray
from volition.decoders import registry
from volition.decoders.contract.intent import CursorIntent
from volition.decoders.contract.trials import PositionTrials
from volition.decoders.fitting.decoder import FittedDecoder
from volition.decoders.fitting.fitted import FittedModel
from volition.errors import ConfigError
from volition.streams.simulated.cursor_participant import (
    WORKSPACE_CM,
    CursorParticipant,
    CursorSitting,
    SittingBin,
)
from volition.streams.simulated.cursor_tasks import CursorTask, usual_task

SPEED_LIMIT_CM_S = 40.0
#: Sitting of a participant that decoders are fitted to; those that are scored have others.
WATCHED_SITTING = 9001


@dataclass(frozen=True, eq=False)
class Calibrated:
    """A decoder's settings, as a session has them but for the model, and the model."""

    settings: dict[str, Any]
    model: FittedModel

    def decoder(self) -> FittedDecoder[Any]:
        """Make the decoder, for use without a service."""
        return made(self.settings, self.model)


def made(settings: dict[str, Any], model: FittedModel) -> FittedDecoder[Any]:
    """Make a decoder of plain settings and a model."""
    cls = decoder_class(settings)
    decoder: FittedDecoder[Any] = cls(cls.settings_model.model_validate(settings))
    decoder.use(model)
    return decoder


def cursor_settings(gain: float) -> dict[str, Any]:
    """Give the cursor's settings: the screen's edges, and how fast at most."""
    edge = WORKSPACE_CM
    return {
        "gain": gain,
        "workspace": [[-edge, edge], [-edge, edge]],
        "speed_limit": SPEED_LIMIT_CM_S,
    }


def watched(participant: CursorParticipant, seconds: float) -> tuple[Learned, FloatArray]:
    """Have a participant watch; give what `fitted` takes of it: the bins and their velocities."""
    learned = Learned(watch(participant, usual_task("radial-8"), seconds))
    return learned, learned.velocities


def watch(participant: CursorParticipant, task: CursorTask, seconds: float) -> list[SittingBin]:
    """Let the participant watch a cursor that moves by itself; give what they felt and saw."""
    sitting = CursorSitting(participant, task, sitting=WATCHED_SITTING)
    sitting.watching = True
    n_bins = round(seconds / participant.bin_s)
    return [sitting.bin((number + 1) * participant.bin_s) for number in range(n_bins)]


class Learned:
    """Bins side by side, as fits take them."""

    def __init__(self, bins: Sequence[SittingBin]) -> None:
        self.features: FloatArray = np.array([one.features for one in bins])
        self.velocities: FloatArray = np.array([one.velocity for one in bins])
        self.positions: FloatArray = np.array([one.position for one in bins])
        self.targets: FloatArray = np.array([one.target for one in bins])
        self.held = np.array([one.held for one in bins])
        self.times: FloatArray = np.array([one.time_s for one in bins])


def decoder_class(settings: dict[str, Any]) -> type[FittedDecoder[Any]]:
    """Give the decoder that settings, a plain mapping, are of: one whose trials name positions.

    Raises
    ------
    ConfigError
        Its trials name no positions, or it is not fitted.
    """
    cls = registry.decoders_by_kind()[settings["kind"]]
    trials = cls.trials(cls.settings_model.model_validate(settings))
    if not (issubclass(cls, FittedDecoder) and isinstance(trials, PositionTrials)):
        raise ConfigError(f"a decoder of kind {settings['kind']} is fitted to no cursor")
    return cls


def model_of(settings: dict[str, Any], learned: Learned, labels: FloatArray) -> FittedModel:
    """Fit a model to what was learned, with these velocities for labels."""
    cls: Any = decoder_class(settings)
    checked = cls.settings_model.model_validate(settings)
    model: FittedModel = cls.fit(checked, learned.features, labels, positions=learned.positions)
    return model


def fitted(base: dict[str, Any], learned: Learned, labels: FloatArray) -> Calibrated:
    """Fit, and set the gain that makes the speed right on the bins of the fit."""
    settings = {**base, "cursor": cursor_settings(1.0)}
    model = model_of(settings, learned, labels)
    decoder = made({**base, "cursor": {}}, model)
    bin_s = float(learned.times[1] - learned.times[0])
    decoder.prepare(CursorParticipant(n_units=learned.features.shape[1], bin_s=bin_s).spec())
    intents = decoder.decode(Chunk(learned.features.copy(), learned.times), [])
    decoded = np.array([one.velocity for one in intents if isinstance(one, CursorIntent)])
    gain = float((labels * labels).sum() / (labels * decoded).sum())
    return Calibrated({**base, "cursor": cursor_settings(gain)}, model)
