"""What a calibration leaves out in turn, to judge what it learns from the rest.

Where there are several recordings, each is left out whole, since what holds within one, as how the
cap sits, says nothing of the next. Where there is one, or the others hold too few trials to learn
from, each block is left out: every target's n-th trial.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from volition.decoders.ssvep.estimator import REST, IntArray


class Folds(NamedTuple):
    """What is left out in turn: ``of`` says what, each part what is learned from and what tested.

    What is learned from holds as many trials of each target, (n_targets, n); what is tested holds
    trials at rest too.
    """

    of: Literal["blocks", "recordings"]
    parts: list[tuple[IntArray, IntArray]]


def folds_of(
    targets: IntArray, recordings: IntArray | None, n_targets: int, least_trials: int
) -> Folds:
    """Leave out recordings where the others have trials enough, else blocks.

    Parameters
    ----------
    targets : ndarray of int, shape (n_trials,)
        Index of each trial's target; `REST` for none.
    recordings : ndarray of int, shape (n_trials,)
        Number of each trial's recording; None where all are of one.
    n_targets
        Number of targets.
    least_trials
        Least number of trials of each target in what is left of the recordings.
    """
    of_recordings = None if recordings is None else _recordings(targets, recordings, n_targets)
    if of_recordings and min(learn.shape[1] for learn, _ in of_recordings) >= least_trials:
        return Folds("recordings", of_recordings)
    return Folds("blocks", _blocks(targets, n_targets))


def _recordings(
    targets: IntArray, recordings: IntArray, n_targets: int
) -> list[tuple[IntArray, IntArray]] | None:
    """Leave out each recording; None where there is one alone."""
    numbers = np.unique(recordings)
    if len(numbers) < 2:
        return None
    return [
        (
            _first_of_each(np.where(recordings == number, REST, targets), n_targets),
            np.flatnonzero(recordings == number),
        )
        for number in numbers
    ]


def _blocks(targets: IntArray, n_targets: int) -> list[tuple[IntArray, IntArray]]:
    flickers = _first_of_each(targets, n_targets)
    resting = np.flatnonzero(targets == REST)
    n_blocks = flickers.shape[1]
    return [
        (
            np.delete(flickers, block, axis=1),
            np.concatenate([flickers[:, block], resting[block::n_blocks]]),
        )
        for block in range(n_blocks)
    ]


def _first_of_each(targets: IntArray, n_targets: int) -> IntArray:
    """Give the places of each target's first trials, as many of each, (n_targets, n)."""
    places = [np.flatnonzero(targets == target) for target in range(n_targets)]
    n_trials = min(len(one) for one in places)
    first: IntArray = np.stack([one[:n_trials] for one in places]).astype(np.int64)
    return first
