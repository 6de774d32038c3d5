"""Score a session that moves a cursor on a folder of one's own recordings, by recording.

A recording's events say where the targets were and where the cursor was that the person saw (see
`volition.streams.files.trial_mapping`); what was meant in each bin follows from them, as in a
calibration. Each recording is run through an `Engine`, the path that live samples take, by a
decoder that was fitted to all the others; of one alone the first three quarters of the trials are
learnt from, and the rest is scored. A session that names a model is scored with that. In a
recording that Volition made the cursor is where the session's intents put it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pydantic_core

from volition.chunk import Event, FloatArray
from volition.decoders import registry
from volition.decoders.contract.intent import CursorIntent
from volition.decoders.fitting.calibration import CalibrationData, CalibrationError, joined
from volition.decoders.fitting.metrics import accuracy_interval
from volition.decoders.kinematics import metrics
from volition.decoders.kinematics.calibrating import (
    CURSOR,
    Labelled,
    direction_scores,
    labelled_bins,
)
from volition.decoders.kinematics.decoder import KinematicDecoder
from volition.errors import RecordingError
from volition.service.calibration.fitter import cleaned_recording
from volition.service.sessions.config import SessionConfig, read_for
from volition.service.sessions.engine import run_offline
from volition.service.worker.recorder import INTENTS
from volition.streams.files.recording import Recording, recordings_in
from volition.streams.files.trial_mapping import PLACES, TrialMapping, trials_in

#: Share of the trials that is learned from where there is one recording alone.
LEARN_SHARE = 0.75
_CHUNK_S = 0.125


class _Own(NamedTuple):
    """A recording, what the session's stages leave of it, and what was meant in its bins."""

    name: str
    recording: Recording
    cleaned: CalibrationData
    labelled: Labelled


def moves_cursor(config: SessionConfig) -> bool:
    """Whether the session's decoder is one that is scored here."""
    return issubclass(registry.decoders_by_kind()[config.decoder.kind], KinematicDecoder)


def evaluate_own_cursor(
    folder: Path, config: SessionConfig, mapping: TrialMapping | None
) -> dict[str, Any]:
    """Score a session on the recordings of a folder.

    Parameters
    ----------
    folder
        Folder of recordings in any format that `read_recording` reads, or one of them.
    config
        The session; `moves_cursor` says whether its decoder can be scored.
    mapping
        Which markers show which targets; None where the events name positions themselves.

    Returns
    -------
    dict
        ``accuracy``: share of the trials in which the decoded direction was less than a right angle
        off, with its exact 95 % ``interval`` and ``chance``; ``n_trials``; ``correlation`` (a value
        a dimension) and ``nrmse`` of the velocity that was meant; ``idle_bins`` of ``n_bins``;
        ``protocol``; and the same for each recording under ``per_recording``.

    Raises
    ------
    RecordingError
        There are no recordings, or they do not say what was meant.
    """
    own = [_read(path, config, mapping) for path in recordings_in(folder)]
    scores = {}
    for one in own:
        others = [other.cleaned for other in own if other is not one]
        learnt_to = -np.inf if others else _end_of_learning(one)
        learn_from = others or [_until(one.cleaned, learnt_to)]
        scores[one.name] = _scored(one, config, learn_from, learnt_to)
    n_trials = sum(score["n_trials"] for score in scores.values())
    n_right = sum(score["n_right"] for score in scores.values())
    n_bins = sum(score["n_bins"] for score in scores.values())
    weights = np.array([score["n_bins"] for score in scores.values()]) / max(1, n_bins)
    return {
        "dataset": folder.name,
        "decoder": config.decoder.kind,
        "protocol": _protocol(config, alone=len(own) == 1),
        "accuracy": n_right / n_trials if n_trials else 0.0,
        "interval": list(accuracy_interval(n_right, n_trials)),
        "chance": 0.5,
        "n_trials": n_trials,
        "correlation": [
            float(weights @ column)
            for column in np.array([score["correlation"] for score in scores.values()]).T
        ],
        "nrmse": float(weights @ [score["nrmse"] for score in scores.values()]),
        "n_bins": n_bins,
        "idle_bins": sum(score["idle_bins"] for score in scores.values()),
        "per_recording": scores,
    }


def _protocol(config: SessionConfig, *, alone: bool) -> str:
    if _has_model(config):
        return "by the model that the session names"
    if alone:
        return f"fitted to the first {100 * LEARN_SHARE:.0f} % of the trials, scored on the others"
    return "each recording by a decoder that was fitted to all the others"


def _has_model(config: SessionConfig) -> bool:
    decoder = config.decoder
    return any(getattr(decoder, name, None) for name in ("model", "network", "matrices"))


def _read(path: Path, config: SessionConfig, mapping: TrialMapping | None) -> _Own:
    whole = read_for(path, config.stream, config.markers)
    recording = trials_in(replace(whole, events=_with_cursor(whole)), mapping, PLACES)
    cleaned = cleaned_recording(config, recording)
    settings: Any = config.decoder
    try:
        return _Own(path.stem, recording, cleaned, labelled_bins(settings, cleaned))
    except CalibrationError as error:
        raise RecordingError(f"{path.name}: {error.message}", path=str(path)) from None


def _with_cursor(recording: Recording) -> tuple[Event, ...]:
    """Give the events, and where a session of ours put the cursor, unless events tell of it."""
    if any(event.name == CURSOR for event in recording.events):
        return recording.events
    shown = []
    for time, text in recording.metadata.get("texts", {}).get(INTENTS, []):
        intent = pydantic_core.from_json(text)
        if intent.get("kind") == CURSOR and intent.get("position") is not None:
            shown.append(Event(float(time), CURSOR, {"position": intent["position"]}))
    return tuple(sorted((*recording.events, *shown), key=lambda event: event.time))


def _end_of_learning(one: _Own) -> float:
    """Give the time up to which a recording alone is learnt from."""
    trials = np.unique(one.labelled.trials)
    n_learn = round(LEARN_SHARE * len(trials))
    if not 0 < n_learn < len(trials):
        raise RecordingError(f"{one.name} has {len(trials)} trials, too few to learn and to score")
    first_scored = one.labelled.trials == trials[n_learn]
    return float(one.labelled.times[first_scored][0])


def _until(cleaned: CalibrationData, end: float) -> CalibrationData:
    """Give the part before ``end``; where the cursor was stays known as it is."""
    inside = cleaned.times < end
    return CalibrationData(
        cleaned.spec,
        cleaned.samples[inside],
        cleaned.times[inside],
        [one for one in cleaned.events if one.time < end or one.name == CURSOR],
        options=cleaned.options,
    )


def _scored(
    one: _Own, config: SessionConfig, learn_from: Sequence[CalibrationData], start: float
) -> dict[str, Any]:
    """Fit to what is learnt from, unless there is a model, and score the bins from ``start`` on."""
    if _has_model(config):
        return _score(one, config, -np.inf)
    cls: Any = registry.decoders_by_kind()[config.decoder.kind]
    model = cls.refresh(config.decoder, joined(learn_from))
    with tempfile.TemporaryDirectory() as folder:
        path = str(model.save(Path(folder) / "model"))
        decoder = config.decoder.model_copy(update={"model": path})
        return _score(one, config.model_copy(update={"decoder": decoder}), start)


def _score(one: _Own, config: SessionConfig, start: float) -> dict[str, Any]:
    labelled = one.labelled.where(one.labelled.times >= start)
    spec = one.recording.spec
    # A decoder knows when something happened, and not where the target was.
    events = tuple(Event(event.time, event.name) for event in one.recording.events)
    heard = replace(one.recording, events=tuple(e for e in events if e.name != CURSOR))
    pieces = heard.chunks(max(1, round(_CHUNK_S * spec.rate_hz)))
    decoded: FloatArray = np.zeros_like(labelled.velocities)
    idle = np.ones(len(decoded), dtype=np.bool_)
    for intent in run_offline(config, spec, pieces):
        row = int(np.searchsorted(labelled.times, intent.t_sample - 1e-6))
        is_here = row < len(idle) and abs(labelled.times[row] - intent.t_sample) < 1e-6
        if is_here and isinstance(intent, CursorIntent):
            decoded[row], idle[row] = intent.velocity, False
    return {
        **direction_scores(labelled, decoded),
        "nrmse": metrics.nrmse(labelled.velocities, decoded),
        "idle_bins": int(idle.sum()),
    }
