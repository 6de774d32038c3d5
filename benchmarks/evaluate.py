"""Score a session's pipeline on a data set, through the very path that live samples take.

Each recording is cut into chunks and run through an `Engine`. The decoder receives the markers'
times and names and never what the person was asked to look at; only the score reads that.

Two questions are answered apart. Which target: over the trials with a flicker, is the target of
the largest score the right one, whether or not the decoder dared to select it (forced choice; the
accuracy that the literature reports)? And whether at all: how often a minute is something selected
at rest, and which share of the trials with a flicker is still selected?
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import calibrating, evaluate_denoising, evaluate_kinematics, pretraining
from benchmarks.calibrating import Judged
from benchmarks.datasets import jfpm12, ssvep_exo, ssvep_openbci, tsinghua
from benchmarks.datasets.ssvep_exo import Trial, TrialRecording
from decoders.intent import IdleIntent, Intent, SelectionIntent
from decoders.metrics import accuracy_interval, confusion, itr_bits_per_min, per_min
from service.config import SessionConfig
from service.engine import run_offline
from streams.chunk import Chunk, Event
from streams.errors import ConfigError

#: Pause between trials that the information transfer rate counts, as is customary.
GAZE_SHIFT_S = 0.5
#: Chunks of about this length; the score does not hang on it.
CHUNK_S = 0.125

IDLE = "idle"

_DATASETS: dict[str, Callable[..., Iterator[TrialRecording]]] = {
    "ssvep_exo": ssvep_exo.load,
    "benchmark_8": tsinghua.load_benchmark_8,
    "benchmark": tsinghua.load_benchmark,
    "beta": tsinghua.load_beta,
    "jfpm12": jfpm12.load,
    "ssvep_openbci": ssvep_openbci.load,
}


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
        From the trial's onset to the newest sample of the decision; None without one.
    n_selections
        Selections that the trial saw (a sliding decoder makes many).
    """

    wanted: str | None
    best: str | None
    score: float | None
    selected: str | None
    decision_s: float | None
    n_selections: int


def evaluate(dataset: str, root: Path, config: SessionConfig) -> dict[str, Any]:
    """Score ``config`` on every recording of a data set.

    Parameters
    ----------
    dataset
        Name of the data set: ``ssvep_exo``, ``benchmark``, ``benchmark_8``, ``beta``, ``jfpm12``,
        ``ssvep_openbci``, a movement (see `evaluate_kinematics`), or
        ``denoise_mix`` (see `evaluate_denoising`).
    root
        Folder that holds it.
    config
        The pipeline; its decoder must have ``targets`` with ``freq_hz``.

    Returns
    -------
    dict
        ``mean_accuracy``: forced choice, mean over recordings; ``interval``: exact 95 % interval of
        the share of right trials; ``chance``; ``itr_bits_per_min`` with its ``decision_s`` and
        ``gaze_shift_s``; ``even_people`` and ``odd_people``: the accuracy over the recordings of
        people of even and odd number, None where there are none; ``selected_share`` and
        ``selected_accuracy``: of the trials with a flicker that were selected at all;
        ``false_selections_per_min``: at rest, None where no rest was watched; ``confusion``: what
        was decoded (column) for what was wanted (row); ``rest_auc``: how often a trial with a
        flicker has a larger best score than one at rest, None where there are none of either;
        ``mean_itr_bits_per_min``: mean of the recordings' own rates, as papers give it;
        ``protocol``: on whom the decoder was trained; ``refused``: recordings whose calibration was
        refused, with the reason; ``per_recording``: the figures of each of the others.

    Raises
    ------
    ConfigError
        No such data set, or a pipeline that does not select among flickering targets.
    RecordingError
        The folder does not hold the data set.
    """
    if dataset in evaluate_kinematics.DATASETS:
        return evaluate_kinematics.evaluate(dataset, root, config)
    if dataset == evaluate_denoising.DATASET:
        return evaluate_denoising.evaluate_denoising(root, config)
    if dataset not in _DATASETS:
        allowed = sorted([*_DATASETS, *evaluate_kinematics.DATASETS, evaluate_denoising.DATASET])
        raise ConfigError(
            f"no data set is named {dataset!r}; allowed: {', '.join(allowed)}",
            found=dataset,
            allowed=allowed,
        )
    labels = _labels_by_frequency(config)
    outcomes: dict[str, list[Outcome]] = {}
    people: dict[str, int | None] = {}
    refused: dict[str, str] = {}
    watched_s = 0.0
    with _sessions(dataset, root, config) as sessions:
        for judged in sessions:
            one = judged.one
            _check_targets(one, labels)
            if judged.session is None:
                refused[one.name] = judged.refused or ""
                continue
            outcomes[one.name] = _run(one, judged.session, labels)
            people[one.name] = one.person
            watched_s = _rest_watched_s(config, one.trial_s)
    names = list(labels.values())
    per_recording = {name: _score(found, names, watched_s) for name, found in outcomes.items()}
    total = _score([outcome for found in outcomes.values() for outcome in found], names, watched_s)

    def mean_accuracy(parity: int | None = None) -> float | None:
        values = [
            score["accuracy"]
            for name, score in per_recording.items()
            if score["accuracy"] is not None and parity in (None, _parity(people[name]))
        ]
        return float(np.mean(values)) if values else None

    mean = mean_accuracy()
    return {
        "dataset": dataset,
        "n_recordings": len(outcomes),
        "n_trials": total["n_trials"],
        "mean_accuracy": mean,
        "interval": total["interval"],
        "chance": 1 / len(names),
        "itr_bits_per_min": itr_bits_per_min(
            len(names), mean or 0.0, total["decision_s"] or 0.0, gaze_shift_s=GAZE_SHIFT_S
        ),
        "decision_s": total["decision_s"],
        "gaze_shift_s": GAZE_SHIFT_S,
        "mean_itr_bits_per_min": _mean_rate(per_recording.values(), len(names)),
        "protocol": _protocol(dataset, config),
        "refused": refused,
        "rest_auc": total["rest_auc"],
        "even_people": mean_accuracy(0),
        "odd_people": mean_accuracy(1),
        "selected_share": total["selected_share"],
        "selected_accuracy": total["selected_accuracy"],
        "false_selections_per_min": total["false_selections_per_min"],
        "rest_watched_s": total["rest_watched_s"],
        "labels": [*names, IDLE],
        "confusion": total["confusion"],
        "per_recording": per_recording,
    }


@contextlib.contextmanager
def _sessions(dataset: str, root: Path, config: SessionConfig) -> Iterator[Iterator[Judged]]:
    """Give each recording with the session that may score it, by the decoder's protocol."""
    stream = config.stream
    recordings = _DATASETS[dataset](root, channels=stream.channels, units=stream.units)
    if calibrating.is_calibrated(config):
        with calibrating.for_each(dataset, recordings, config) as judged:
            yield judged
        return
    with pretraining.for_each(dataset, recordings, config) as sessions:
        yield (Judged(one, session) for one, session in sessions)


def _protocol(dataset: str, config: SessionConfig) -> str:
    if calibrating.is_calibrated(config):
        return calibrating.protocol(dataset)
    return pretraining.protocol(dataset, config)


def _mean_rate(scores: Iterable[dict[str, Any]], n_targets: int) -> float | None:
    """Give the mean of the recordings' own transfer rates, as papers do, bits a minute."""
    rates = [
        itr_bits_per_min(
            n_targets, score["accuracy"], score["decision_s"] or 0.0, gaze_shift_s=GAZE_SHIFT_S
        )
        for score in scores
        if score["accuracy"] is not None
    ]
    return float(np.mean(rates)) if rates else None


def _parity(person: int | None) -> int | None:
    return None if person is None else person % 2


def _labels_by_frequency(config: SessionConfig) -> dict[float, str]:
    targets = getattr(config.decoder, "targets", None)
    if targets is None:
        raise ConfigError(
            f"the data set has flickering targets to select from, and decoder "
            f"{config.decoder.kind!r} has no targets",
            found=config.decoder.kind,
        )
    return {target.freq_hz: target.label for target in targets}


def _check_targets(one: TrialRecording, labels: dict[float, str]) -> None:
    unknown = sorted({trial.freq_hz for trial in one.trials} - labels.keys() - {0.0})
    if unknown:
        raise ConfigError(
            f"{one.name} has trials at {', '.join(f'{freq:g}' for freq in unknown)} Hz, which no "
            f"target flickers at; found: {', '.join(f'{freq:g}' for freq in labels)}",
            unknown=unknown,
        )


def _rest_watched_s(config: SessionConfig, trial_s: float) -> float:
    """Give for how long a trial at rest is watched for selections."""
    window_s: float = getattr(config.decoder, "window_s", trial_s)
    if getattr(config.decoder, "trigger", "markers") == "markers":
        return window_s
    return max(0.0, trial_s - window_s)


def _run(one: TrialRecording, config: SessionConfig, labels: dict[float, str]) -> list[Outcome]:
    """Run a recording through the pipeline and put each trial beside what was decoded."""
    n_samples = max(1, round(CHUNK_S * one.recording.spec.rate_hz))
    pieces = _without_answers(one.recording.chunks(n_samples))
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
        outcomes.append(_outcome(trial, within, labels))
    return outcomes


def _without_answers(
    pieces: Iterator[tuple[Chunk, list[Event]]],
) -> Iterator[tuple[Chunk, list[Event]]]:
    """Leave of each event its time and name: what a decoder may know."""
    for chunk, events in pieces:
        yield chunk, [Event(event.time, event.name) for event in events]


def _outcome(trial: Trial, within: Sequence[Intent], labels: dict[float, str]) -> Outcome:
    last = within[-1] if within else None
    evidence = last.evidence if isinstance(last, SelectionIntent | IdleIntent) else {}
    return Outcome(
        wanted=labels.get(trial.freq_hz),
        best=max(evidence, key=evidence.__getitem__) if evidence else None,
        score=max(evidence.values(), default=None),
        selected=last.label if isinstance(last, SelectionIntent) else None,
        decision_s=None if last is None else last.t_sample - trial.onset,
        n_selections=sum(isinstance(intent, SelectionIntent) for intent in within),
    )


def _score(outcomes: Sequence[Outcome], labels: list[str], watched_s: float) -> dict[str, Any]:
    """Sum up trials; a figure without trials to stand on is None."""
    flicker = [outcome for outcome in outcomes if outcome.wanted is not None]
    rest = [outcome for outcome in outcomes if outcome.wanted is None]
    right = sum(outcome.best == outcome.wanted for outcome in flicker)
    selected = [outcome for outcome in flicker if outcome.selected is not None]
    selected_right = sum(outcome.selected == outcome.wanted for outcome in selected)
    times_s = [outcome.decision_s for outcome in flicker if outcome.decision_s is not None]
    rest_s = watched_s * len(rest)
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


def _area(above: Sequence[float], below: Sequence[float]) -> float | None:
    """Give how often one of ``above`` is larger than one of ``below``; None without both."""
    if not above or not below:
        return None
    gap = np.subtract.outer(np.array(above), np.array(below))
    return float((gap > 0).mean() + (gap == 0).mean() / 2)
