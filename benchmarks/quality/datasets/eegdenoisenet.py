"""EEGdenoiseNet's own files, by its own protocol, for whoever has them.

Zhang et al., J. Neural Eng. 18:056057, 2021. ``EEG_all_epochs.npy`` and ``EOG_all_epochs.npy`` are
2 s of one channel at 256 Hz each; against muscle the benchmark takes ``EEG_all_epochs_512hz.npy``
and ``EMG_all_epochs_512hz.npy``, at 512 Hz. Segments are shuffled and paired; where there are
fewer of clean EEG, the first ones come twice, where more, the rest is left out. The first 80 % of
the pairs are for training, half of what remains for choosing, half for testing. Nothing in it
holds people apart. The ratio is 10 log10(RMS clean / RMS artifact); both sides of a pair are
divided by the standard deviation of the mixed one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.signal import resample_poly

from volition.benchmarks.quality.contract.denoising import SNR_DB, scale_to
from volition.chunk import FloatArray
from volition.errors import RecordingError

#: Files of clean segments and of artifacts, and their rate, by what is to be removed.
FILES = {
    "eog": ("EEG_all_epochs.npy", "EOG_all_epochs.npy", 256.0),
    "emg": ("EEG_all_epochs_512hz.npy", "EMG_all_epochs_512hz.npy", 512.0),
}
SEGMENT_S = 2.0
TRAINING_SHARE = 0.8


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Clean segments and the artifacts that they are paired with, each (n, n_samples)."""

    eeg: FloatArray
    artifact: FloatArray

    def at(self, snr_db: float) -> tuple[FloatArray, FloatArray]:
        """Mix the pairs at a level; give noisy and clean, both divided as the protocol says."""
        pairs = zip(self.eeg, self.artifact, strict=True)
        scales = np.array([scale_to(eeg, artifact, snr_db) for eeg, artifact in pairs])
        noisy = self.eeg + scales[:, None] * self.artifact
        deviations = noisy.std(axis=1, keepdims=True)
        return noisy / deviations, self.eeg / deviations

    def levels(self) -> Iterator[tuple[float, FloatArray, FloatArray]]:
        """Give each of the ten levels with its pairs, noisy and clean."""
        for snr_db in SNR_DB:
            yield snr_db, *self.at(snr_db)


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """The protocol's three parts."""

    training: Pairs
    choosing: Pairs
    testing: Pairs
    rate_hz: float


def load(root: Path, kind: str, *, seed: int = 0, rate_hz: float | None = None) -> Split:
    """Read the files and split them.

    Parameters
    ----------
    root
        Folder of the files.
    kind
        ``eog`` or ``emg``.
    seed
        Seed of the shuffling.
    rate_hz
        To resample to, for networks of another rate than the files'; figures are then not the
        benchmark's.

    Raises
    ------
    RecordingError
        A file is not there, or is not what it should be.
    """
    eeg_name, artifact_name, found_hz = FILES[kind]
    wanted_hz = rate_hz or found_hz
    eeg = _read(root, eeg_name, found_hz, wanted_hz)
    artifact = _read(root, artifact_name, found_hz, wanted_hz)
    rng = np.random.default_rng(seed)
    eeg, artifact = rng.permutation(eeg), rng.permutation(artifact)
    if len(artifact) > 2 * len(eeg):
        raise RecordingError(f"{eeg_name} has too few segments for {artifact_name}: {len(eeg)}")
    eeg = np.concatenate([eeg[: max(0, len(artifact) - len(eeg))], eeg])[: len(artifact)]
    first = round(TRAINING_SHARE * len(eeg))
    second = first + round((len(eeg) - first) / 2)
    parts = [slice(first), slice(first, second), slice(second, None)]
    training, choosing, testing = (Pairs(eeg[part], artifact[part]) for part in parts)
    return Split(training, choosing, testing, wanted_hz)


def _read(root: Path, name: str, found_hz: float, wanted_hz: float) -> FloatArray:
    path = root / name
    try:
        segments: FloatArray = np.load(path, allow_pickle=False).astype(np.float64)
    except (OSError, ValueError) as error:
        raise RecordingError(
            f"EEGdenoiseNet's {name} cannot be read from {root}: {error}"
        ) from None
    n_samples = round(SEGMENT_S * found_hz)
    if segments.ndim != 2 or segments.shape[1] != n_samples:
        raise RecordingError(
            f"{name} must hold segments of {n_samples} samples; found {segments.shape}",
            found=list(segments.shape),
        )
    if wanted_hz == found_hz:
        return segments
    resampled: FloatArray = resample_poly(segments, round(wanted_hz), round(found_hz), axis=1)
    return resampled
