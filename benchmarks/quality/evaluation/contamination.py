"""What artifacts cost an SSVEP decoder, and what a session's stages win back.

Each recording is decoded as it is and with artifacts mixed in, each time by the session as it is
and by the same session without its cleaning stages, all of it through the path of live samples. The
plain filters stay in both, as they clean nothing that the decoder's own would not. A decoder that
these people trained is refitted without the person who is scored, on untouched recordings behind
the plain filters: nothing is ever learned from what was mixed in, but for what a stage learns live
in its calibration.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from volition.benchmarks.quality.contract.contamination import ContaminatedDataset
from volition.benchmarks.quality.contract.trials import TrialRecording
from volition.benchmarks.quality.evaluation.clustered import Clusters, ratio_interval
from volition.benchmarks.quality.evaluation.selection import (
    clusters_of,
    figure_intervals,
    of_each_person,
    people_in,
    summary,
    worst_of,
)
from volition.benchmarks.quality.evaluation.trials import (
    labels_by_frequency,
    run_trials,
    score_trials,
)
from volition.benchmarks.quality.learning import pretraining
from volition.benchmarks.quality.learning.protocols import Judged
from volition.chunk import FloatArray
from volition.decoders import registry
from volition.decoders.stages.iir import IirStage
from volition.errors import ConfigError
from volition.service.sessions.config import SessionConfig

UNTOUCHED = "untouched"


def evaluate_contamination(
    dataset: ContaminatedDataset,
    root: Path,
    config: SessionConfig,
    conditions: Sequence[str] | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Score ``config`` on untouched and on contaminated recordings, with and without its stages.

    Parameters
    ----------
    dataset
        The recordings, and what is mixed in.
    root
        Folder that holds the recordings.
    config
        A session whose decoder selects among flickering targets, with stages that clean.
    conditions
        Which of the data set's; all when left out.
    seed
        Seed of the artifacts.

    Returns
    -------
    dict
        ``rows``: for each condition, ``untouched`` first, and for ``stages`` false and true:
        ``accuracy`` (forced choice, mean over recordings; a trial that was not decided counts as
        wrong), ``accuracy_even`` and ``accuracy_odd`` (of the people with even and odd numbers),
        ``interval`` of it, the ``worst`` person, ``selected_share``, ``selected_accuracy``,
        ``false_selections_per_min`` and their ``intervals``; ``clusters``: what these are of;
        ``levels_uv``: of each kind, at each level; ``cost``: for each condition, what the artifacts
        take from the accuracy; ``won_back``: the share of it that the stages bring back, None where
        artifacts cost nothing; ``stages_cost_untouched``: what the stages take from the accuracy on
        untouched recordings; ``intervals`` of the last three, and the three again for ``even`` and
        ``odd``.

    Raises
    ------
    ConfigError
        The session has no stage that cleans, or its decoder has no flickering targets.
    RecordingError
        A folder does not hold its data set.
    """
    plain = [one for one in config.stages if issubclass(registry.stages()[one.kind], IirStage)]
    if len(plain) == len(config.stages):
        raise ConfigError(
            f"{dataset.name} scores what a session's stages clean, and this one has none"
        )
    without = config.model_copy(update={"stages": plain})
    stream = config.stream
    recordings = list(dataset.trials.load(root, channels=stream.channels, units=stream.units))
    segments = dataset.load_segments(root)
    rows, by_recording = [], {}
    with pretraining.for_each(recordings, without) as given:
        judged = {one.one.name: one for one in given}
        _check_all_judged(judged)
        for name in (UNTOUCHED, *(dataset.conditions if conditions is None else conditions)):
            mixed = recordings
            if name != UNTOUCHED:
                levels_uv = dataset.conditions[name]
                mixed = [dataset.mix(one, segments, levels_uv, seed) for one in recordings]
            for session, has_stages in ((without, False), (config, True)):
                found, accuracies = _score(mixed, session, judged)
                rows.append({"artifacts": name, "stages": has_stages, **found})
                by_recording[name, has_stages] = accuracies
    return {
        "dataset": dataset.name,
        "stages": [stage.kind for stage in config.stages],
        "decoder": config.decoder.kind,
        "protocol": summary([one.protocol for one in judged.values()]),
        "levels_uv": dataset.levels_uv,
        "n_recordings": len(recordings),
        "clusters": clusters_of(judged).facts(),
        **_balance(rows, "accuracy"),
        "intervals": _balance_intervals(clusters_of(judged), by_recording),
        **{part: _balance(rows, f"accuracy_{part}") for part in ("even", "odd")},
        "rows": rows,
    }


def _check_all_judged(judged: Mapping[str, Judged]) -> None:
    refused = [one for one in judged.values() if one.session is None]
    if refused:
        raise ConfigError(f"{refused[0].one.name}: {refused[0].refused}", found=len(refused))


def _score(
    recordings: Sequence[TrialRecording], config: SessionConfig, judged: Mapping[str, Judged]
) -> tuple[dict[str, Any], dict[str, float]]:
    """Give a row's figures, and the accuracy of each recording that has one."""
    labels = labels_by_frequency(config)
    outcomes = {}
    for one in recordings:
        session = judged[one.name].session
        assert session is not None
        own = config.model_copy(update={"decoder": session.decoder})
        outcomes[one.name] = run_trials(one, own, labels)
    names = list(labels.values())
    total = score_trials([one for found in outcomes.values() for one in found], names)
    wanted = ("selected_share", "selected_accuracy", "false_selections_per_min")
    scores: dict[str, list[float]] = {"": [], "_even": [], "_odd": []}
    per_recording = {name: score_trials(found, names) for name, found in outcomes.items()}
    accuracies = {
        name: score["accuracy"]
        for name, score in per_recording.items()
        if score["accuracy"] is not None
    }
    for one in recordings:
        if one.name in accuracies:
            scores[""].append(accuracies[one.name])
            if one.person is not None:
                scores["_odd" if one.person % 2 else "_even"].append(accuracies[one.name])
    clusters = clusters_of(judged)
    by_person = of_each_person(outcomes, people_in(judged, clusters), names)
    found = figure_intervals(clusters, list(outcomes.values()), per_recording, len(names))
    means = {f"accuracy{part}": float(np.mean(each)) for part, each in scores.items() if each}
    return {
        **means,
        "interval": found["mean_accuracy"],
        "worst": worst_of(by_person)["accuracy"],
        **{name: total[name] for name in wanted},
        "intervals": {name: found[name] for name in wanted},
    }, accuracies


def _balance(rows: Sequence[Mapping[str, Any]], field: str) -> dict[str, Any]:
    if any(field not in row for row in rows):  # nobody of this part
        return {}
    accuracy = {(row["artifacts"], row["stages"]): row[field] for row in rows}
    names = [name for name, has_stages in accuracy if has_stages and name != UNTOUCHED]
    reference = accuracy[UNTOUCHED, False]
    cost = {name: reference - accuracy[name, False] for name in names}
    gain = {name: accuracy[name, True] - accuracy[name, False] for name in names}
    return {
        "cost": cost,
        "won_back": {name: gain[name] / cost[name] if cost[name] > 0 else None for name in names},
        "stages_cost_untouched": reference - accuracy[UNTOUCHED, True],
    }


def _balance_intervals(
    clusters: Clusters, accuracies: Mapping[tuple[str, bool], Mapping[str, float]]
) -> dict[str, Any]:
    """Give the intervals of what `_balance` says, of the differences within each recording."""
    names = [name for name, has_stages in accuracies if has_stages and name != UNTOUCHED]
    plain = accuracies[UNTOUCHED, False]
    if any(one.keys() != plain.keys() for one in accuracies.values()):
        return {}

    def gap(more: tuple[str, bool], less: tuple[str, bool]) -> FloatArray:
        return np.array([accuracies[more][one] - accuracies[less][one] for one in plain])

    ones = np.ones(len(plain))
    cost = {name: gap((UNTOUCHED, False), (name, False)) for name in names}
    gain = {name: gap((name, True), (name, False)) for name in names}
    return {
        "cost": {name: ratio_interval(clusters, cost[name], ones) for name in names},
        "won_back": {name: ratio_interval(clusters, gain[name], cost[name]) for name in names},
        "stages_cost_untouched": ratio_interval(
            clusters, gap((UNTOUCHED, False), (UNTOUCHED, True)), ones
        ),
    }
