"""Score a session that selects among targets, on trials whose targets are known.

Each recording is cut into chunks and run through an `Engine`. The decoder receives the markers'
times and names and never what the person was asked to look at; only the score reads that.

Two questions are answered apart. Which target: over the trials with a flicker, is the target of
the largest score the right one, whether or not the decoder dared to select it (forced choice; the
accuracy that the literature reports)? And whether at all: how often a minute is something selected
at rest, and which share of the trials with a flicker is still selected?
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from volition.benchmarks.quality.contract.trials import TrialDataset, TrialRecording
from volition.benchmarks.quality.evaluation.idle import idle_curve, sweep
from volition.benchmarks.quality.evaluation.trials import (
    IDLE,
    Outcome,
    labels_by_frequency,
    run_trials,
    score_trials,
)
from volition.benchmarks.quality.learning import calibrating, pretraining
from volition.benchmarks.quality.learning.calibrating import Judged
from volition.decoders.fitting.metrics import itr_bits_per_min
from volition.errors import ConfigError
from volition.service.sessions.config import SessionConfig

#: Pause between trials that the information transfer rate counts, as is customary.
GAZE_SHIFT_S = 0.5


def evaluate_selection(
    dataset: TrialDataset, root: Path, config: SessionConfig, *, idle_sweep: bool = False
) -> dict[str, Any]:
    """Score ``config`` on every recording of a data set.

    Parameters
    ----------
    dataset
        Whose trials they are.
    root
        Folder that holds it.
    config
        The pipeline; its decoder must have ``targets`` with ``freq_hz``.
    idle_sweep
        Score it at other thresholds of idle too; see `volition.benchmarks.quality.evaluation.idle`.

    Returns
    -------
    dict
        With a sweep, ``idle_curve``: the ``setting`` and, in ``points``, for each ``threshold`` of
        it, ``false_selections_per_min``, ``selected_share``, ``selected_accuracy`` and
        ``decision_s`` (mean over the selected trials).
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
        The pipeline does not select among the flickering targets of the data set.
    RecordingError
        The folder does not hold the data set.
    """
    labels = labels_by_frequency(config)
    outcomes: dict[str, list[Outcome]] = {}
    people: dict[str, int | None] = {}
    refused: dict[str, str] = {}
    swept: dict[float, list[Outcome]] = {}
    with _sessions(dataset, root, config) as sessions:
        for judged in sessions:
            one = judged.one
            _check_targets(one, labels)
            if judged.session is None:
                refused[one.name] = judged.refused or ""
                continue
            outcomes[one.name] = run_trials(one, judged.session, labels)
            people[one.name] = one.person
            for threshold, session in sweep(judged.session) if idle_sweep else ():
                swept.setdefault(threshold, []).extend(run_trials(one, session, labels))
    names = list(labels.values())
    per_recording = {name: score_trials(found, names) for name, found in outcomes.items()}
    total = score_trials([one for found in outcomes.values() for one in found], names)

    def mean_accuracy(parity: int | None = None) -> float | None:
        values = [
            score["accuracy"]
            for name, score in per_recording.items()
            if score["accuracy"] is not None and parity in (None, _parity(people[name]))
        ]
        return float(np.mean(values)) if values else None

    mean = mean_accuracy()
    return {
        "dataset": dataset.name,
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
    } | ({"idle_curve": idle_curve(config, swept, names)} if idle_sweep else {})


@contextlib.contextmanager
def _sessions(
    dataset: TrialDataset, root: Path, config: SessionConfig
) -> Iterator[Iterator[Judged]]:
    """Give each recording with the session that may score it, by the decoder's protocol."""
    stream = config.stream
    recordings = dataset.load(root, channels=stream.channels, units=stream.units)
    if calibrating.is_calibrated(config):
        with calibrating.for_each(dataset, recordings, config) as judged:
            yield judged
        return
    with pretraining.for_each(dataset, recordings, config) as sessions:
        yield (Judged(one, session) for one, session in sessions)


def _protocol(dataset: TrialDataset, config: SessionConfig) -> str:
    if calibrating.is_calibrated(config):
        return calibrating.protocol(dataset, config)
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


def _check_targets(one: TrialRecording, labels: dict[float, str]) -> None:
    unknown = sorted({trial.freq_hz for trial in one.trials} - labels.keys() - {0.0})
    if unknown:
        raise ConfigError(
            f"{one.name} has trials at {', '.join(f'{freq:g}' for freq in unknown)} Hz, which no "
            f"target flickers at; found: {', '.join(f'{freq:g}' for freq in labels)}",
            unknown=unknown,
        )
