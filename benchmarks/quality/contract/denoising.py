"""Clean EEG and artifacts to mix into it at a chosen ratio, and data sets of them.

The ratio is that of EEGdenoiseNet (Zhang et al., J. Neural Eng. 18:056057, 2021): 10 log10 of a
ratio of root mean squares, so that its -7 dB are -14 dB of power.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from volition.benchmarks.quality.contract.dataset import Dataset
from volition.chunk import FloatArray
from volition.decoders.artifacts.electrodes import find_positions

#: EEGdenoiseNet's ten levels.
SNR_DB = tuple(float(level) for level in range(-7, 3))


@dataclass(frozen=True, slots=True, eq=False)
class Segments:
    """Single-channel segments of 2 s, each part with whom it is from.

    Attributes
    ----------
    eeg, eog, emg : ndarray, shape (n, n_samples)
        Microvolts; the muscle's scale means nothing.
    eeg_person, eog_person, emg_source : ndarray of int, shape (n,)
    eeg_test, eog_test, emg_test : ndarray of bool, shape (n,)
        What only a test may use.
    rate_hz
    """

    eeg: FloatArray
    eog: FloatArray
    emg: FloatArray
    eeg_person: npt.NDArray[np.int64]
    eog_person: npt.NDArray[np.int64]
    emg_source: npt.NDArray[np.int64]
    eeg_test: npt.NDArray[np.bool_]
    eog_test: npt.NDArray[np.bool_]
    emg_test: npt.NDArray[np.bool_]
    rate_hz: float

    def part(self, *, test: bool) -> Segments:
        """Give the segments of the people for testing, or of the others."""
        eeg, eog, emg = (
            is_test == test for is_test in (self.eeg_test, self.eog_test, self.emg_test)
        )
        return Segments(
            self.eeg[eeg],
            self.eog[eog],
            self.emg[emg],
            self.eeg_person[eeg],
            self.eog_person[eog],
            self.emg_source[emg],
            self.eeg_test[eeg],
            self.eog_test[eog],
            self.emg_test[emg],
            self.rate_hz,
        )

    def artifacts(self, kind: str) -> FloatArray:
        """Give the blinks (``eog``) or the muscle (``emg``)."""
        return self.eog if kind == "eog" else self.emg


@dataclass(frozen=True, slots=True, eq=False)
class Continuous:
    """Clean EEG of one person: ``eeg`` (n_samples, n_channels), microvolts."""

    person: int
    eeg: FloatArray
    labels: tuple[str, ...]
    rate_hz: float


@dataclass(frozen=True, slots=True, eq=False)
class Masked:
    """A recording (n_samples, n_channels) and when its blinks last (n_samples,)."""

    eeg: FloatArray
    mask: npt.NDArray[np.bool_]
    labels: tuple[str, ...]
    rate_hz: float


@dataclass(frozen=True, kw_only=True, eq=False)
class DenoisingDataset(Dataset):
    """Clean signals and artifacts of people apart: scored by what a session's stages leave.

    Attributes
    ----------
    load_segments
        Reads clean segments of one channel, blinks and muscle.
    load_continuous
        Reads clean EEG of several channels, a person each.
    load_masked
        Reads whole recordings with a mask of their blinks, by name.
    """

    load_segments: Callable[[Path], Segments]
    load_continuous: Callable[[Path], Sequence[Continuous]]
    load_masked: Callable[[Path], Mapping[str, Masked]]


def scale_to(signal: FloatArray, artifact: FloatArray, snr_db: float) -> float:
    """Give the factor for ``artifact`` that makes the ratio: 10 log10(RMS signal / RMS artifact).

    See Also
    --------
    EEGdenoiseNet's equation 2, which takes 10 and not 20 of the ratio of amplitudes.
    """
    ratio: float = 10 ** (snr_db / 10)
    rms = np.sqrt(np.square(artifact).mean())
    return float(np.sqrt(np.square(signal).mean()) / max(rms * ratio, 1e-12))


#: Where artifacts come from, on the unit sphere (right, nose, up), and how far they reach, radians.
_EYES = (((-0.35, 0.9, -0.25), 0.6), ((0.35, 0.9, -0.25), 0.6))
_MUSCLES = (
    ((-0.95, 0.3, -0.1), 0.35),
    ((0.95, 0.3, -0.1), 0.35),
    ((0.0, 0.95, 0.3), 0.35),
    ((0.0, -0.95, -0.3), 0.35),
)


def topographies(labels: tuple[str, ...], kind: str) -> FloatArray:
    """Give how strongly each source of an artifact reaches each channel: (n_sources, n_channels).

    Blinks are one source that falls off from both eyes, muscle four of their own activity
    (temples, forehead, neck); strength falls by e over the angle given with each.
    """
    places = find_positions(labels)
    sources = _EYES if kind == "eog" else _MUSCLES
    strengths = []
    for place, reach in sources:
        direction = np.array(place) / np.linalg.norm(place)
        angles = np.arccos(np.clip(places @ direction, -1, 1))
        strengths.append(np.exp(-angles / reach))
    found = np.array(strengths)
    return found.sum(axis=0, keepdims=True) if kind == "eog" else found
