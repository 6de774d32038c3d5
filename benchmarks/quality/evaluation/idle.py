"""The curve of false selections a minute at rest against the share of trials that are selected.

One setting of each decoder says how readily it is idle; the sweep scores the session at several
values of it, through the same path.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from volition.benchmarks.quality.evaluation.trials import Outcome, score_trials
from volition.service.sessions.config import SessionConfig

#: For each decoder, the setting that says when it is idle, and the values that a sweep gives it. A
#: stopping rule but ``confidence`` has a threshold of its own, which is swept in its place.
SWEPT: dict[str, tuple[str, tuple[float, ...]]] = {
    "cca": ("idle_ratio", (1.4, 1.7, 2.0, 2.3, 2.6, 3.0, 3.5, 4.0, 5.0)),
    "fbcca": ("idle_ratio", (0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4, 1.6, 1.9)),
    "ssvep_pretrained": ("idle_log_odds", (-1.0, 0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0)),
}
_CONFIDENCES = (0.35, 0.45, 0.55, 0.65, 0.75, 0.85, 0.9, 0.95, 0.99)


def _swept(config: SessionConfig) -> tuple[str, tuple[float, ...]]:
    decoder = config.decoder
    known = SWEPT.get(decoder.kind, ("min_confidence", _CONFIDENCES))
    stopping = getattr(decoder, "stopping", None)
    if stopping is None or stopping.rule == "confidence":
        return known
    around = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)
    values = _CONFIDENCES if stopping.rule == "bayes" else (stopping.threshold * x for x in around)
    return "stopping.threshold", tuple(values)


def sweep(config: SessionConfig) -> Iterator[tuple[float, SessionConfig]]:
    """Give the session at each value of the setting that says when it is idle."""
    name, values = _swept(config)
    for value in values:
        update: dict[str, Any] = {name: value}
        if name == "stopping.threshold":
            stopping = getattr(config.decoder, "stopping")  # noqa: B009 - not every decoder has it
            update = {"stopping": stopping.model_copy(update={"threshold": value})}
        decoder = config.decoder.model_copy(update=update)
        yield value, config.model_copy(update={"decoder": decoder})


def idle_curve(
    config: SessionConfig, swept: dict[float, list[Outcome]], labels: list[str]
) -> dict[str, Any]:
    """Give the curve of a sweep's outcomes, by threshold; see `evaluate`."""
    points = []
    for threshold, outcomes in sorted(swept.items()):
        score = score_trials(outcomes, labels)
        times_s = [
            one.decision_s
            for one in outcomes
            if one.wanted is not None and one.selected is not None and one.decision_s is not None
        ]
        kept = ("false_selections_per_min", "selected_share", "selected_accuracy")
        points.append(
            {"threshold": threshold}
            | {name: score[name] for name in kept}
            | {"decision_s": float(np.mean(times_s)) if times_s else None}
        )
    return {"setting": _swept(config)[0], "points": points}
