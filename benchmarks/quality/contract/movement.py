"""Recordings of movements, features and true velocities bin by bin, and data sets of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from volition.benchmarks.quality.contract.dataset import Dataset
from volition.chunk import Event, FloatArray, SignalSpec
from volition.streams.files.recording import TRIAL_START, Recording


@dataclass(frozen=True, slots=True, eq=False)
class MovementRecording:
    """A recording of features whose movement is known, and how its protocol divides it.

    Attributes
    ----------
    name
        The recording's name.
    features : ndarray, shape (n_bins, n_features)
    velocities : ndarray, shape (n_bins, n_dimensions)
    positions : ndarray, shape (n_bins, n_dimensions)
        None where they are not known.
    trials : ndarray of int, shape (n_bins,)
        Number of each bin's trial, where bins of different trials do not follow each other.
    bin_s
        Length of a bin.
    train, tests
        Bins to learn from, and bins to be scored on, by the name of the test. One is ``test``.
    """

    name: str
    features: FloatArray
    velocities: FloatArray
    positions: FloatArray | None
    trials: npt.NDArray[np.int64] | None
    bin_s: float
    train: slice
    tests: dict[str, slice]

    def recording(self, bins: slice) -> Recording:
        """Give the features of ``bins`` as a recording, with an event where each trial begins."""
        samples = self.features[bins]
        times: FloatArray = self.bin_s * np.arange(1.0, len(samples) + 1)
        starts = np.zeros(len(samples), dtype=np.bool_)
        starts[:1] = True
        if self.trials is not None:
            trials = self.trials[bins]
            starts[1:] = trials[1:] != trials[:-1]
        n_features = samples.shape[1]
        spec = SignalSpec(
            1 / self.bin_s,
            tuple(f"feature{number}" for number in range(1, n_features + 1)),
            ("none",) * n_features,
            ("FEATURE",) * n_features,
        )
        events = tuple(Event(float(time), TRIAL_START) for time in times[starts])
        return Recording(spec, samples, times, events)


@dataclass(frozen=True, kw_only=True, eq=False)
class MovementDataset(Dataset):
    """A movement that is known: scored by how near the decoded velocity comes.

    Attributes
    ----------
    load
        Reads the recording from the data set's folder.
    """

    load: Callable[[Path], MovementRecording]
