"""How well a calibration told classes apart, and what that is worth.

An accuracy stands beside what guessing reaches in one of twenty calibrations of that many trials,
the chance bound: with sixty trials of two classes that is 61 %, not 50.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import scipy

from volition.chunk import FloatArray
from volition.decoders.classes.method import IntArray
from volition.decoders.classes.observing import Observed
from volition.decoders.fitting.metrics import accuracy_interval, confusion, luck

#: Parts of the time, for whether the person tires.
N_TIMES = 3
#: Largest difference at which two accuracies on the same trials count as equally good.
AS_WELL = 0.05


@dataclass(frozen=True, eq=False)
class Judged:
    """Trials, judged by what was learned without them, in order of time.

    Attributes
    ----------
    wanted, decoded : ndarray of int, shape (n_trials,)
    folds : ndarray of int, shape (n_trials,)
        Session or block of each.
    log_p : ndarray, shape (n_trials,)
        Log probability of what was asked for.
    by
        What a fold is.
    mode
        Which fit is scored.
    """

    wanted: IntArray
    decoded: IntArray
    folds: IntArray
    log_p: FloatArray
    by: str
    mode: str

    @classmethod
    def of(
        cls, log_probabilities: FloatArray, seen: Observed, folds: IntArray, by: str, mode: str
    ) -> Self:
        """Sum the windows of each trial; a trial that was not judged is left out."""
        wanted, decoded, of_fold, likelihoods = [], [], [], []
        for trial in np.unique(seen.trials):
            rows = np.flatnonzero(seen.trials == trial)
            mean = log_probabilities[rows].mean(axis=0)
            if not np.isfinite(mean).all():
                continue
            place = int(seen.classes[rows[0]])
            wanted.append(place)
            decoded.append(int(mean.argmax()))
            of_fold.append(int(folds[rows[0]]))
            likelihoods.append(float(mean[place]))
        return cls(
            np.array(wanted, np.int64),
            np.array(decoded, np.int64),
            np.array(of_fold, np.int64),
            np.array(likelihoods),
            by,
            mode,
        )

    @property
    def n_right(self) -> int:
        return int((self.wanted == self.decoded).sum())

    @property
    def log_likelihood(self) -> float:
        return float(self.log_p.mean()) if len(self.log_p) else -np.inf

    @property
    def accuracy(self) -> float:
        return self.n_right / len(self.wanted) if len(self.wanted) else 0.0


@functools.cache
def chance_bound(n_trials: int, chance: float) -> float:
    """Give the accuracy that guessing exceeds in one of twenty runs of ``n_trials`` trials."""
    if not n_trials:
        return 1.0
    return float(scipy.stats.binom.ppf(0.95, n_trials, chance)) / n_trials


def counted(wanted: IntArray, decoded: IntArray) -> dict[str, Any]:
    """Give the right ones, the accuracy and its exact interval."""
    right, n = int((wanted == decoded).sum()), len(wanted)
    return {
        "n_trials": n,
        "right": right,
        "accuracy": right / n if n else None,
        "interval": list(accuracy_interval(right, n)),
    }


def report(
    judged: Judged,
    classes: Sequence[str],
    names: Sequence[str],
    *,
    controls: Mapping[str, Mapping[str, Any]],
    tried: Mapping[str, float],
    **facts: Any,
) -> dict[str, Any]:
    """Put the figures of a calibration together, as plain JSON."""
    wanted, decoded, folds = judged.wanted, judged.decoded, judged.folds
    n, chance = len(wanted), 1.0 / len(classes)
    times = (np.arange(n) * N_TIMES) // max(1, n)
    labels = list(classes)
    low = judged.accuracy - AS_WELL
    return {
        **counted(wanted, decoded),
        "chance": chance,
        "chance_bound": chance_bound(n, chance),
        "by_luck": luck(judged.n_right, n, chance),
        "validation": f"each {judged.by} left out in turn",
        "per_class": {
            label: counted(wanted[wanted == k], decoded[wanted == k])
            for k, label in enumerate(labels)
        },
        "by_time": [counted(wanted[times == k], decoded[times == k]) for k in range(N_TIMES)],
        f"per_{judged.by}": {
            _name(judged.by, names, k): counted(wanted[folds == k], decoded[folds == k])
            for k in np.unique(folds).tolist()
        },
        "labels": labels,
        "confusion": confusion(
            [labels[k] for k in wanted], [labels[k] for k in decoded], labels
        ).tolist(),
        "recentring": {"helps": judged.mode == "centred", "log_likelihood": dict(tried)},
        "controls": {
            name: {**one, "as_well": one["accuracy"] is not None and one["accuracy"] >= low}
            for name, one in controls.items()
        },
        **{name: _plain(value) for name, value in facts.items()},
    }


def would_do_alone(
    alone: Judged, edges: tuple[float, float], channels: Sequence[str], *, is_frontal: bool
) -> dict[str, Any]:
    """Give what a control found."""
    return {
        **counted(alone.wanted, alone.decoded),
        "band_hz": list(edges),
        "channels": list(channels),
        "frontal": is_frontal,
    }


def _name(by: str, names: Sequence[str], number: int) -> str:
    return names[number] if by == "session" and number < len(names) else str(number + 1)


def _plain(value: Any) -> Any:
    return (
        [list(one) for one in value]
        if value and isinstance(value, list) and isinstance(value[0], tuple)
        else value
    )
