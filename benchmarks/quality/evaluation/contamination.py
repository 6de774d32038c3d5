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
from volition.benchmarks.quality.evaluation.trials import (
    labels_by_frequency,
    run_trials,
    score_trials,
)
from volition.benchmarks.quality.learning import pretraining
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
        Of the artifacts.

    Returns
    -------
    dict
        ``rows``: for each condition, ``untouched`` first, and for ``stages`` false and true:
        ``accuracy`` (forced choice, mean over recordings; a trial that was not decided counts as
        wrong), ``accuracy_even`` and ``accuracy_odd`` (of the people with even and odd numbers),
        ``interval``, ``selected_share``, ``selected_accuracy``, ``false_selections_per_min``;
        ``levels_uv``: of each kind, at each level; ``cost``: for each condition, what the artifacts
        take from the accuracy; ``won_back``: the share of it that the stages bring back, None where
        artifacts cost nothing; ``stages_cost_untouched``: what the stages take from the accuracy on
        untouched recordings; the last three again for ``even`` and ``odd``.

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
    rows = []
    with pretraining.for_each(dataset.trials, recordings, without) as given:
        decoders = {one.name: session.decoder for one, session in given}
        for name in (UNTOUCHED, *(dataset.conditions if conditions is None else conditions)):
            mixed = recordings
            if name != UNTOUCHED:
                levels_uv = dataset.conditions[name]
                mixed = [dataset.mix(one, segments, levels_uv, seed) for one in recordings]
            for session, has_stages in ((without, False), (config, True)):
                found = _score(mixed, session, decoders)
                rows.append({"artifacts": name, "stages": has_stages, **found})
    return {
        "dataset": dataset.name,
        "stages": [stage.kind for stage in config.stages],
        "decoder": config.decoder.kind,
        "protocol": pretraining.protocol(dataset.trials, config),
        "levels_uv": dataset.levels_uv,
        "n_recordings": len(recordings),
        **_balance(rows, "accuracy"),
        **{part: _balance(rows, f"accuracy_{part}") for part in ("even", "odd")},
        "rows": rows,
    }


def _score(
    recordings: Sequence[TrialRecording], config: SessionConfig, decoders: Mapping[str, Any]
) -> dict[str, Any]:
    labels = labels_by_frequency(config)
    outcomes = {
        one.name: run_trials(one, config.model_copy(update={"decoder": decoders[one.name]}), labels)
        for one in recordings
    }
    names = list(labels.values())
    total = score_trials([one for found in outcomes.values() for one in found], names)
    wanted = ("interval", "selected_share", "selected_accuracy", "false_selections_per_min")
    scores: dict[str, list[float]] = {"": [], "_even": [], "_odd": []}
    for one in recordings:
        accuracy = score_trials(outcomes[one.name], names)["accuracy"]
        if accuracy is not None:
            scores[""].append(accuracy)
            if one.person is not None:
                scores["_odd" if one.person % 2 else "_even"].append(accuracy)
    means = {f"accuracy{part}": float(np.mean(each)) for part, each in scores.items() if each}
    return {**means, **{name: total[name] for name in wanted}}


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
