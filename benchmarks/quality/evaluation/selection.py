"""Score a session that selects among targets, on trials whose targets are known.

Each recording is cut into chunks and run through an `Engine`. The decoder receives the markers'
times and names and never what the person was asked to look at; only the score reads that.

Two questions are answered apart. Which target is it: over the trials with a flicker, is the target
of the largest score the right one, whether or not the decoder dared to select it (forced choice;
the accuracy that the literature reports)? Is anything selected at all: how often a minute at rest,
and in which share of the trials with a flicker?

Trials of one person are much alike, so intervals are of people drawn anew
(`volition.benchmarks.quality.evaluation.clustered`), and the worst person stands beside each mean.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from volition.benchmarks.quality.contract.trials import TrialDataset, TrialRecording
from volition.benchmarks.quality.evaluation.clustered import (
    Clusters,
    area_interval,
    interval,
    ratio_interval,
)
from volition.benchmarks.quality.evaluation.idle import idle_curve, sweep
from volition.benchmarks.quality.evaluation.trials import (
    IDLE,
    Outcome,
    each_right,
    labels_by_frequency,
    run_trials,
    score_trials,
)
from volition.benchmarks.quality.learning import calibrating, pretraining
from volition.benchmarks.quality.learning.protocols import Judged, Protocol, protocol_named
from volition.chunk import FloatArray
from volition.decoders.fitting.metrics import itr_bits_per_min
from volition.errors import ConfigError
from volition.service.sessions.config import SessionConfig

#: Pause between trials that the information transfer rate counts, as is customary.
GAZE_SHIFT_S = 0.5

#: What is said of each person, and whether more of it is worse.
_OF_A_PERSON = {
    "accuracy": False,
    "selected_share": False,
    "selected_accuracy": False,
    "rest_auc": False,
    "false_selections_per_min": True,
    "decision_s": True,
}


def evaluate_selection(
    dataset: TrialDataset,
    root: Path,
    config: SessionConfig,
    *,
    idle_sweep: bool = False,
    protocol: str | None = None,
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
    protocol
        By what a decoder that other people trained is scored, a `Protocol`'s value; when left
        out, those people by a model that is learned without them, others by what ships. See
        `volition.benchmarks.quality.learning.protocols`.

    Returns
    -------
    dict
        With a sweep, ``idle_curve``: the ``setting`` and, in ``points``, for each ``threshold`` of
        it, ``false_selections_per_min``, ``selected_share``, ``selected_accuracy`` and
        ``decision_s`` (mean over the selected trials).
        ``mean_accuracy``: forced choice, mean over recordings; ``chance``; ``itr_bits_per_min``
        with its ``decision_s`` (from a trial's onset, look-ahead of the stages included) and
        ``gaze_shift_s``; ``even_people`` and ``odd_people``: the accuracy over the recordings of
        people of even and odd number, None where there are none; ``selected_share`` and
        ``selected_accuracy``: of the trials with a flicker that were selected at all;
        ``false_selections_per_min``: at rest, in real time from the onset to the decision, None
        where no rest was watched; ``confusion``: what was decoded (column) for what was wanted
        (row); ``rest_auc``: how often a trial with a flicker has a larger best score than one at
        rest, None where there are none of either; ``mean_itr_bits_per_min``: mean of the
        recordings' own rates, as papers give it.
        ``interval``: of ``mean_accuracy``; ``intervals``: of each figure, 95 %, None where it has
        none; ``clusters``: what was drawn for them, ``of`` people or, where they are unknown,
        recordings, and how many (``n``); ``by_person``: the figures of each; ``worst``: for each
        figure, ``who`` has the worst and what it is.
        ``protocol``: on whom the decoder was trained, ``protocols``: the same for each person;
        ``refused``: recordings that could not be scored, with the reason; ``per_recording``: the
        figures of each of the others, with the exact interval of its own share of right trials,
        ``each_right``: of each trial with a flicker, in order, whether it was right; and
        ``promised``: the accuracy that the calibration on the person's earlier recordings stated,
        and ``left_out``: recordings or blocks, whichever that calibration had left out to say so.

    Raises
    ------
    ConfigError
        The pipeline does not select among the flickering targets of the data set.
    RecordingError
        The folder does not hold the data set.
    """
    labels, wanted = labels_by_frequency(config), protocol_named(protocol)
    outcomes: dict[str, list[Outcome]] = {}
    scored: dict[str, Judged] = {}
    refused: dict[str, str] = {}
    said: dict[str, str] = {}
    swept: dict[float, list[Outcome]] = {}
    with _sessions(dataset, root, config, wanted) as sessions:
        for judged in sessions:
            one = judged.one
            _check_targets(one, labels)
            if judged.session is None:
                refused[one.name] = judged.refused or ""
                continue
            outcomes[one.name] = run_trials(one, judged.session, labels)
            scored[one.name] = judged
            for threshold, session in sweep(judged.session) if idle_sweep else ():
                swept.setdefault(threshold, []).extend(run_trials(one, session, labels))
    names = list(labels.values())
    clusters = clusters_of(scored)
    for name, who in people_in(scored, clusters).items():
        said[who] = scored[name].protocol
    per_recording = {
        name: {
            **score_trials(found, names),
            "each_right": each_right(found),
            "promised": scored[name].promised,
            "left_out": scored[name].left_out,
        }
        for name, found in outcomes.items()
    }
    total = score_trials([one for found in outcomes.values() for one in found], names)
    accuracies = {
        name: score["accuracy"]
        for name, score in per_recording.items()
        if score["accuracy"] is not None
    }
    mean = _mean(list(accuracies.values()))
    intervals = figure_intervals(clusters, list(outcomes.values()), per_recording, len(names))
    by_person = of_each_person(outcomes, people_in(scored, clusters), names)
    return {
        "dataset": dataset.name,
        "n_recordings": len(outcomes),
        "n_trials": total["n_trials"],
        "mean_accuracy": mean,
        "interval": intervals["mean_accuracy"],
        "intervals": intervals,
        "clusters": clusters.facts(),
        "worst": worst_of(by_person),
        "chance": 1 / len(names),
        "itr_bits_per_min": itr_bits_per_min(
            len(names), mean or 0.0, total["decision_s"] or 0.0, gaze_shift_s=GAZE_SHIFT_S
        ),
        "decision_s": total["decision_s"],
        "gaze_shift_s": GAZE_SHIFT_S,
        "mean_itr_bits_per_min": _mean(
            [_rate(score, len(names)) for score in per_recording.values() if score["n_trials"]]
        ),
        "protocol": summary(list(said.values())),
        "protocols": said,
        "refused": refused,
        "rest_auc": total["rest_auc"],
        "even_people": _mean([a for n, a in accuracies.items() if _parity(scored[n]) == 0]),
        "odd_people": _mean([a for n, a in accuracies.items() if _parity(scored[n]) == 1]),
        "selected_share": total["selected_share"],
        "selected_accuracy": total["selected_accuracy"],
        "false_selections_per_min": total["false_selections_per_min"],
        "rest_watched_s": total["rest_watched_s"],
        "labels": [*names, IDLE],
        "confusion": total["confusion"],
        "by_person": by_person,
        "per_recording": per_recording,
    } | ({"idle_curve": idle_curve(config, swept, names)} if idle_sweep else {})


@contextlib.contextmanager
def _sessions(
    dataset: TrialDataset, root: Path, config: SessionConfig, wanted: Protocol | None
) -> Iterator[Iterator[Judged]]:
    """Give each recording with the session that may score it, by the decoder's protocol."""
    stream = config.stream
    recordings = dataset.load(root, channels=stream.channels, units=stream.units)
    if calibrating.is_calibrated(config):
        with calibrating.for_each(dataset, recordings, config, wanted) as judged:
            yield judged
        return
    with pretraining.for_each(recordings, config, wanted) as judged:
        yield judged


def _check_targets(one: TrialRecording, labels: dict[float, str]) -> None:
    unknown = sorted({trial.freq_hz for trial in one.trials} - labels.keys() - {0.0})
    if unknown:
        raise ConfigError(
            f"{one.name} has trials at {', '.join(f'{freq:g}' for freq in unknown)} Hz, which no "
            f"target flickers at; found: {', '.join(f'{freq:g}' for freq in labels)}",
            unknown=unknown,
        )


# -- people ------------------------------------------------------------------------------------


def clusters_of(scored: Mapping[str, Judged]) -> Clusters:
    """Give the recordings' clusters: people, or each recording where somebody is unknown."""
    people = [judged.one.person for judged in scored.values()]
    if any(person is None for person in people):
        return Clusters.by_name("recordings", list(scored))
    return Clusters.by_name("people", [str(person) for person in people])


def people_in(scored: Mapping[str, Judged], clusters: Clusters) -> dict[str, str]:
    """Give the name of each recording's cluster."""
    return {
        name: clusters.names[place] for name, place in zip(scored, clusters.places, strict=True)
    }


def of_each_person(
    outcomes: Mapping[str, list[Outcome]], people: Mapping[str, str], names: list[str]
) -> dict[str, Any]:
    """Give each person's figures; the accuracy, too, is a mean over their recordings."""
    found = {}
    for who in dict.fromkeys(people.values()):
        own = [outcomes[name] for name, whose in people.items() if whose == who]
        accuracies = [score_trials(one, names)["accuracy"] for one in own]
        total = score_trials([one for recording in own for one in recording], names)
        found[who] = {
            "n_recordings": len(own),
            "n_trials": total["n_trials"],
            **{name: total[name] for name in _OF_A_PERSON},
            "accuracy": _mean([one for one in accuracies if one is not None]),
        }
    return found


def worst_of(by_person: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Say for each figure who has the worst, and what it is; None where nobody has it."""
    found: dict[str, Any] = {}
    for figure, more_is_worse in _OF_A_PERSON.items():
        values = {who: one[figure] for who, one in by_person.items() if one[figure] is not None}
        chosen = max if more_is_worse else min
        who = chosen(values, key=values.__getitem__) if values else None
        found[figure] = None if who is None else {"who": who, "value": values[who]}
    return found


def summary(said: Sequence[str]) -> str:
    """Say in one sentence on whom the decoder was trained, of what is said of each person."""
    different = sorted(set(said))
    if len(different) <= 1:
        return different[0] if different else "nobody was scored"
    counts = [f"{said.count(text)} by {text}" for text in different]
    return f"not the same for everybody: {'; '.join(counts)}"


def _parity(judged: Judged) -> int | None:
    person = judged.one.person
    return None if person is None else person % 2


# -- figures -----------------------------------------------------------------------------------


def figure_intervals(
    clusters: Clusters,
    outcomes: Sequence[Sequence[Outcome]],
    per_recording: Mapping[str, Mapping[str, Any]],
    n_targets: int,
) -> dict[str, list[float] | None]:
    """Give the interval of every figure that is stated."""
    scores = list(per_recording.values())
    has = np.array([score["n_trials"] > 0 for score in scores], dtype=np.float64)
    accuracy = np.array([score["accuracy"] or 0.0 for score in scores])
    flicker = [[one for one in found if one.wanted is not None] for found in outcomes]
    rest = [[one for one in found if one.wanted is None] for found in outcomes]
    selected = [[one for one in found if one.selected is not None] for found in flicker]
    times = [[one.decision_s for one in found if one.decision_s is not None] for found in flicker]
    n_selected = [len(found) for found in selected]
    decided = np.array([[math.fsum(found), len(found)] for found in times]).reshape(-1, 2)
    right = [sum(one.selected == one.wanted for one in found) for found in selected]
    false = [60.0 * sum(one.n_selections for one in found) for found in rest]
    rates = np.array([_rate(score, n_targets) if score["n_trials"] else 0.0 for score in scores])
    sums = [clusters.sums(one) for one in (accuracy, has, decided)]

    def transfer(counts: FloatArray) -> FloatArray:
        with np.errstate(invalid="ignore", divide="ignore"):
            means = (counts @ sums[0]) / (counts @ sums[1])
            seconds, n = (counts @ sums[2]).T
            decision_s = seconds / n
        return np.array(
            [
                itr_bits_per_min(n_targets, one, time, gaze_shift_s=GAZE_SHIFT_S)
                if np.isfinite(one) and np.isfinite(time)
                else np.nan
                for one, time in zip(means.tolist(), decision_s.tolist(), strict=True)
            ]
        )

    return {
        "mean_accuracy": ratio_interval(clusters, accuracy, has),
        "itr_bits_per_min": interval(clusters, transfer),
        "mean_itr_bits_per_min": ratio_interval(clusters, rates * has, has),
        "decision_s": ratio_interval(clusters, decided[:, 0], decided[:, 1]),
        "rest_auc": area_interval(clusters, *(_scores(found) for found in (flicker, rest))),
        "selected_share": ratio_interval(clusters, n_selected, [len(found) for found in flicker]),
        "selected_accuracy": ratio_interval(clusters, right, n_selected),
        "false_selections_per_min": ratio_interval(
            clusters, false, [math.fsum(one.watched_s for one in found) for found in rest]
        ),
    }


def _scores(trials: Sequence[Sequence[Outcome]]) -> list[FloatArray]:
    return [np.array([one.score for one in found if one.score is not None]) for found in trials]


def _rate(score: Mapping[str, Any], n_targets: int) -> float:
    """Give a recording's own transfer rate, bits a minute."""
    return itr_bits_per_min(
        n_targets, score["accuracy"], score["decision_s"] or 0.0, gaze_shift_s=GAZE_SHIFT_S
    )


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None
