"""Flint et al. 2012, run 1: motor cortex of a monkey that reaches, in bins of 100 ms.

``x.csv`` holds ten principal components of the binned spike counts, each z-scored by those who
published them; ``z.csv`` the hand's velocity. Rows are paired already. The protocol is that of the
discriminative Kalman filter's authors: rows 1 to 5000 are for learning, 5001 to 6000 the test.
Rows 6001 to 7792, which they leave aside, are a second test here.

R. D. Flint, E. W. Lindberg, L. R. Jordan, L. E. Miller, M. W. Slutzky, "Accurate decoding of
reaching movements from field potentials in the absence of spikes", J. Neural Eng. 9:046006, 2012;
files from the repository burkh4rt/DKF-implementations (MIT).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from volition.benchmarks.quality.contract.movement import MovementDataset, MovementRecording
from volition.chunk import FloatArray
from volition.errors import RecordingError

N_TRAIN, N_TEST = 5000, 1000
BIN_S = 0.1


def load(root: Path) -> MovementRecording:
    """Read ``x.csv`` and ``z.csv`` in ``root``.

    Raises
    ------
    RecordingError
        They are not there, or not what they should be.
    """
    features, velocities = _read(root / "x.csv", 10), _read(root / "z.csv", 2)
    if len(features) != len(velocities) or len(features) < N_TRAIN + N_TEST:
        raise RecordingError(
            f"flint_run1 has as many rows in x.csv as in z.csv, at least {N_TRAIN + N_TEST}; "
            f"found {len(features)} and {len(velocities)}"
        )
    tests = {"test": slice(N_TRAIN, N_TRAIN + N_TEST)}
    if len(features) > N_TRAIN + N_TEST:
        tests["second_test"] = slice(N_TRAIN + N_TEST, len(features))
    return MovementRecording(
        "flint_run1", features, velocities, None, None, BIN_S, slice(0, N_TRAIN), tests
    )


def _read(path: Path, n_columns: int) -> FloatArray:
    if not path.is_file():
        raise RecordingError(
            f"flint_run1 is a folder with x.csv and z.csv; there is no {path}", path=str(path)
        )
    try:
        values = np.loadtxt(path, delimiter=",", ndmin=2, dtype=np.float64)
    except ValueError as error:
        raise RecordingError(f"{path} is not a table of numbers: {error}") from None
    if values.shape[1] != n_columns or not np.isfinite(values).all():
        raise RecordingError(
            f"{path} should hold {n_columns} columns of finite numbers; found {values.shape[1]}"
        )
    return values


DATASET = MovementDataset(
    name="flint_run1",
    summary="motor cortex of a monkey that reaches: ten components of spike counts, bins of 100 ms",
    licence="MIT (data: burkh4rt/DKF-implementations)",
    load=load,
)
