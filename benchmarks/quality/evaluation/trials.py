"""Trials with flicker and at rest: run through the very path that live samples take, and scored.

The decoder receives the markers' times and names and never what the person was asked to look at;
only the score reads that.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from volition.benchmarks.quality.contract.trials import Trial, TrialRecording
from volition.chunk import Chunk, Event
from volition.decoders.contract.intent import IdleIntent, Intent, SelectionIntent
from volition.decoders.fitting.metrics import accuracy_interval, confusion, per_min
from volition.errors import ConfigError
from volition.service.sessions.config import SessionConfig
from volition.service.sessions.engine import run_offline

#: Chunks of about this length; the score does not hang on it.
CHUNK_S = 0.125

IDLE = "idle"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One trial and what was decoded in it.

    Attributes
    ----------
    wanted
        Label of the target that was looked at; None at rest.
    best
        Label of the largest score; None when there was no decision, or none with scores.
    score
        The largest score.
    selected
        Label that was selected; None for idle.
    decision_s
        From the trial's onset to the decision, the stages' look-ahead with it; None without one.
    n_selections
        Selections that the trial saw (a sliding decoder makes many).
    watched_s
        For how long it was watched for selections, from its onset on.
    """

    wanted: str | None
    best: str | None
    score: float | None
    selected: str | None
    decision_s: float | None
    n_selections: int
    watched_s: float


def labels_by_frequency(config: SessionConfig) -> dict[float, str]:
    """Give the label of each target by its flicker; refuse a decoder without targets."""
    targets = getattr(config.decoder, "targets", None)
    if targets is None:
        raise ConfigError(
            f"the data set has flickering targets to select from, and decoder "
            f"{config.decoder.kind!r} has no targets",
            found=config.decoder.kind,
        )
    return {target.freq_hz: target.label for target in targets}


def _watched_s(
    config: SessionConfig, trial_s: float, decision_s: float | None, ahead_s: float
) -> float:
    """Give how much real time a trial is watched for: until the selection that could be made."""
    decoder = config.decoder
    window_s: float = getattr(decoder, "window_s", trial_s)
    if getattr(decoder, "trigger", "markers") != "markers":
        return max(0.0, trial_s - window_s)
    if decision_s is not None:
        return decision_s
    return float(getattr(decoder, "delay_s", 0.0)) + window_s + ahead_s


def run_trials(
    one: TrialRecording, config: SessionConfig, labels: dict[float, str]
) -> list[Outcome]:
    """Run a recording through the pipeline and put each trial beside what was decoded.

    Each answer of a sliding decoder counts, whatever the session's policy makes a selection.
    """
    config = config.model_copy(update={"selections": "every"})
    n_samples = max(1, round(CHUNK_S * one.recording.spec.rate_hz))
    pieces = _without_answers(one.recording.chunks(n_samples))
    ahead_s = config.build_cleaner(one.recording.spec).latency_s
    intents = list(run_offline(config, one.recording.spec, pieces))
    triggered: dict[float, list[Intent]] = {}
    for intent in intents:
        if intent.t_trigger is not None:
            triggered.setdefault(intent.t_trigger, []).append(intent)
    window_s = getattr(config.decoder, "window_s", 0.0)
    outcomes = []
    for trial in one.trials:
        within = triggered.get(trial.onset, [])
        if not triggered:
            # A sliding decoder: the windows that lie wholly within the trial.
            first, last = trial.onset + window_s, trial.onset + one.trial_s
            within = [intent for intent in intents if first <= intent.t_sample <= last]
        outcomes.append(
            _outcome(trial, within, labels, config, trial_s=one.trial_s, ahead_s=ahead_s)
        )
    return outcomes


def _without_answers(
    pieces: Iterator[tuple[Chunk, list[Event]]],
) -> Iterator[tuple[Chunk, list[Event]]]:
    """Leave of each event its time and name: what a decoder may know."""
    for chunk, events in pieces:
        yield chunk, [Event(event.time, event.name) for event in events]


def _outcome(
    trial: Trial,
    within: Sequence[Intent],
    labels: dict[float, str],
    config: SessionConfig,
    *,
    trial_s: float,
    ahead_s: float,
) -> Outcome:
    last = within[-1] if within else None
    decision_s = None if last is None else last.t_sample - trial.onset + ahead_s
    evidence = last.evidence if isinstance(last, SelectionIntent | IdleIntent) else {}
    return Outcome(
        wanted=labels.get(trial.freq_hz),
        best=max(evidence, key=evidence.__getitem__) if evidence else None,
        score=max(evidence.values(), default=None),
        selected=last.label if isinstance(last, SelectionIntent) else None,
        decision_s=decision_s,
        n_selections=sum(isinstance(intent, SelectionIntent) for intent in within),
        watched_s=_watched_s(config, trial_s, decision_s, ahead_s),
    )


def score_trials(outcomes: Sequence[Outcome], labels: list[str]) -> dict[str, Any]:
    """Sum up trials; a figure without trials to stand on is None."""
    flicker = [outcome for outcome in outcomes if outcome.wanted is not None]
    rest = [outcome for outcome in outcomes if outcome.wanted is None]
    right = sum(outcome.best == outcome.wanted for outcome in flicker)
    selected = [outcome for outcome in flicker if outcome.selected is not None]
    selected_right = sum(outcome.selected == outcome.wanted for outcome in selected)
    times_s = [outcome.decision_s for outcome in flicker if outcome.decision_s is not None]
    rest_s = math.fsum(outcome.watched_s for outcome in rest)
    false_selections = sum(outcome.n_selections for outcome in rest)
    return {
        "n_trials": len(flicker),
        "right": right,
        "accuracy": right / len(flicker) if flicker else None,
        "interval": list(accuracy_interval(right, len(flicker))),
        "decision_s": float(np.mean(times_s)) if times_s else None,
        "selected_share": len(selected) / len(flicker) if flicker else None,
        "selected_accuracy": selected_right / len(selected) if selected else None,
        "rest_watched_s": rest_s,
        "false_selections_per_min": per_min(false_selections, rest_s) if rest_s else None,
        "rest_auc": _area(
            [outcome.score for outcome in flicker if outcome.score is not None],
            [outcome.score for outcome in rest if outcome.score is not None],
        ),
        "confusion": confusion(
            [outcome.wanted or IDLE for outcome in outcomes],
            [outcome.selected or IDLE for outcome in outcomes],
            [*labels, IDLE],
        ).tolist(),
    }


def each_right(outcomes: Sequence[Outcome]) -> list[bool]:
    """Say of each trial with a flicker, in order, whether its target has the largest score."""
    return [outcome.best == outcome.wanted for outcome in outcomes if outcome.wanted is not None]


def _area(above: Sequence[float], below: Sequence[float]) -> float | None:
    """Give how often one of ``above`` is larger than one of ``below``; None without both."""
    if not above or not below:
        return None
    gap = np.subtract.outer(np.array(above), np.array(below))
    return float((gap > 0).mean() + (gap == 0).mean() / 2)
