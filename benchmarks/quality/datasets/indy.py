"""Self-paced reaching of two monkeys, and NeuroBench's protocol for it.

O'Doherty, Cardoso, Makin, Sabes, "Nonhuman primate reaching with multichannel sensorimotor cortex
electrophysiology" (Zenodo 583331): one MATLAB 7.3 file, which is HDF5, a session, with spike times
by unit and channel, and cursor and target at 250 Hz. NeuroBench (Yik et al., Nat. Commun. 16:1545,
2025) takes indy_20160622_01, indy_20160630_01, indy_20170131_02, loco_20170210_03,
loco_20170215_02 and loco_20170301_05: bins of 4 ms in which a channel has spiked or not, whatever
its units; the cursor's velocity; a segment from one change of the target to the next; the first
half of the segments to learn from, a quarter to choose by, the last quarter the test. Its R² is the
mean of the two dimensions', its score the mean over the six files.

The files are not the project's to give, and none was at hand when this was written: it is tested on
files of that shape.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from volition.benchmarks.quality.contract.movement import MovementDataset, MovementRecording
from volition.chunk import FloatArray
from volition.errors import ConfigError, RecordingError

RATE_HZ = 250.0
#: Shares of the segments to learn from and to choose by.
TRAIN_SHARE, VALIDATION_SHARE = 0.5, 0.25
_ARRAYS = ("spikes", "cursor_pos", "target_pos", "t")


def load(root: Path) -> MovementRecording:
    """Read a ``.mat`` file, or the one in a folder.

    Its tests are ``test`` and ``validation``. Velocities are in millimetres a second.

    Raises
    ------
    RecordingError
        There is not exactly one, or it does not hold such a recording.
    ConfigError
        h5py, of the extra ``bench``, is not installed.
    """
    paths = [root] if root.is_file() else sorted(root.glob("*.mat")) if root.is_dir() else []
    if len(paths) != 1:
        raise RecordingError(
            f"indy is one .mat file, or a folder with one; found {len(paths)} in {root}",
            root=str(root),
        )
    times, cursor, targets, spikes = _read(paths[0])
    features = _spiked(spikes, times)
    velocities = np.gradient(cursor, 1 / RATE_HZ, axis=0)
    changes = np.any(targets[1:] != targets[:-1], axis=1)
    segments: np.ndarray[Any, np.dtype[np.int64]] = np.concatenate([[0], np.cumsum(changes)])
    starts = np.concatenate([[0], np.flatnonzero(changes) + 1, [len(times)]])
    n_segments = len(starts) - 1
    if n_segments < 4:
        raise RecordingError(
            f"{paths[0]} has {n_segments} segments between changes of the target; the protocol "
            "divides 4 at least",
            found=n_segments,
        )
    learned = int(starts[round(TRAIN_SHARE * n_segments)])
    chosen = int(starts[round((TRAIN_SHARE + VALIDATION_SHARE) * n_segments)])
    return MovementRecording(
        paths[0].stem,
        features,
        velocities,
        cursor,
        segments,
        1 / RATE_HZ,
        slice(0, learned),
        {"test": slice(chosen, len(times)), "validation": slice(learned, chosen)},
    )


def _read(path: Path) -> tuple[FloatArray, FloatArray, FloatArray, list[list[FloatArray]]]:
    """Give times (n,), cursor and target (n, 2), and the spike times of each channel's units."""
    try:
        import h5py
    except ModuleNotFoundError:
        raise ConfigError("indy is kept as HDF5, and h5py is not installed (extra bench)") from None
    try:
        with h5py.File(path) as file:
            missing = [name for name in _ARRAYS if name not in file]
            if missing:
                raise RecordingError(f"{path} lacks {', '.join(missing)}", missing=missing)
            # MATLAB's arrays lie transposed in HDF5; what was (units, channels) there is so here.
            times = np.asarray(file["t"], dtype=np.float64).reshape(-1)
            cursor, targets = (
                np.asarray(file[name], dtype=np.float64).T for name in ("cursor_pos", "target_pos")
            )
            cells = np.asarray(file["spikes"])
            spikes = [[_cell(file[unit]) for unit in channel] for channel in cells.T]
    except OSError as error:
        raise RecordingError(f"{path} is not an HDF5 file: {error}") from None
    except (KeyError, TypeError, ValueError) as error:
        raise RecordingError(f"{path} is not a recording of reaching: {error}") from None
    if not spikes or not len(times) or not cursor.shape == targets.shape == (len(times), 2):
        raise RecordingError(
            f"{path}: t {times.shape} needs cursor and target of ({len(times)}, 2) and channels; "
            f"found {cursor.shape}, {targets.shape} and {len(spikes)} channels"
        )
    steps = np.diff(times)
    if len(steps) and abs(float(np.median(steps)) * RATE_HZ - 1) > 0.01:
        raise RecordingError(
            f"{path} is sampled every {float(np.median(steps)):g} s, and not every {1 / RATE_HZ:g}"
        )
    return times, cursor, targets, spikes


def _cell(stored: Any) -> FloatArray:
    if stored.attrs.get("MATLAB_empty", 0):  # it then holds the cell's shape
        return np.empty(0)
    return np.asarray(stored, dtype=np.float64).reshape(-1)


def _spiked(spikes: list[list[FloatArray]], times: FloatArray) -> FloatArray:
    """Give 1 where a channel spiked in the 4 ms before a moment, shape (n_bins, n_channels)."""
    edges = times[0] + (np.arange(len(times) + 1) - 1) / RATE_HZ
    features = np.zeros((len(times), len(spikes)))
    for number, units in enumerate(spikes):
        counts, _ = np.histogram(np.concatenate(units), edges)
        features[:, number] = counts > 0
    return features


DATASET = MovementDataset(
    name="indy",
    summary="self-paced reaching of two monkeys: spikes by channel, bins of 4 ms (NeuroBench)",
    load=load,
)
