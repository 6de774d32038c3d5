"""Centre-out reaching: threshold crossings of 95 channels and the hand, in bins of 50 ms.

One ``.npz`` with ``counts`` (n_bins, 95), ``kin`` (n_bins, 4: x, y and their velocities), ``trial``
(n_bins,) and ``bin_s``. Trials are pieces joined end to end: the hand jumps where one begins. The
first 80 % of the bins are for learning, the rest is the test, as in the figures that came with
the data. Counts are z-scored by the part that is for learning. The source states no unit of
length, and its velocities are either in other units or of bins of 100 ms; scores do not mind.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from volition.benchmarks.quality.contract.movement import MovementDataset, MovementRecording
from volition.errors import RecordingError
from volition.streams.files.npz import only_archive, read_arrays

TRAIN_SHARE = 0.8
_ARRAYS = ("counts", "kin", "trial", "bin_s")


def load(root: Path) -> MovementRecording:
    """Read the one ``.npz`` file in ``root``.

    Raises
    ------
    RecordingError
        There is not exactly one, or it does not hold these arrays.
    """
    path = only_archive(root, "m1_reach")
    counts, kinematics, trials, bin_s = read_arrays(path, _ARRAYS).values()
    if kinematics.shape != (len(counts), 4) or trials.shape != (len(counts),):
        raise RecordingError(
            f"{path}: counts {counts.shape} need kin ({len(counts)}, 4) and trial "
            f"({len(counts)},); found {kinematics.shape} and {trials.shape}"
        )
    n_train = round(TRAIN_SHARE * len(counts))
    features = counts.astype(np.float64)
    spread = features[:n_train].std(axis=0)
    features -= features[:n_train].mean(axis=0)
    features /= np.where(spread > 0, spread, 1.0)
    kinematics = kinematics.astype(np.float64)
    return MovementRecording(
        "m1_reach",
        features,
        kinematics[:, 2:],
        kinematics[:, :2],
        trials.astype(np.int64),
        float(bin_s),
        slice(0, n_train),
        {"test": slice(n_train, len(counts))},
    )


DATASET = MovementDataset(
    name="m1_reach",
    summary="centre-out reaching: threshold crossings of 95 channels, bins of 50 ms",
    load=load,
)
