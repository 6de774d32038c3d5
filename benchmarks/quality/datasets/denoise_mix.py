"""Real clean EEG, real blinks and real muscle activity, to mix at a chosen ratio.

Three files: ``segments.npz`` (2 s of one channel each: clean EEG of 36 people, blinks, muscle),
``continuous.npz`` (six people, 19 channels, 60 s clean) and ``blink19.npz`` (a recording with a
mask of its blinks). `Segments.part` holds people, and sources of muscle, apart.

The ratio is that of EEGdenoiseNet (Zhang et al., J. Neural Eng. 18:056057, 2021): 10 log10 of a
ratio of root mean squares, so that its -7 dB are -14 dB of power. Figures on this set are not
figures on EEGdenoiseNet and must not be set beside published ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from volition.chunk import FloatArray
from volition.decoders.artifacts.electrodes import find_positions
from volition.errors import RecordingError
from volition.streams.files.npz import read_arrays

#: The files, and the arrays in each.
FILES: Mapping[str, tuple[str, ...]] = {
    "segments.npz": (
        *("eeg", "eeg_scale_uV", "eeg_subject", "eog", "eog_scale_uV", "eog_person"),
        *("emg", "emg_scale", "emg_source", "fs"),
    ),
    "continuous.npz": ("eeg", "scale_uV", "subject", "ch_names", "fs"),
    "blink19.npz": ("eeg", "blink", "fs"),
}
#: EEGdenoiseNet's ten levels.
SNR_DB = tuple(float(level) for level in range(-7, 3))
#: What only a test may use: every fourth of the people with clean EEG, two of the four who blink,
#: and one of three muscle sources (a hand; the others are biceps).
TEST_EVERY = 4
TEST_EOG_PEOPLE = (6, 7)
TEST_EMG_SOURCE = 2


@dataclass(frozen=True, slots=True, eq=False)
class Segments:
    """Single-channel segments of 2 s, each part with whom it is from.

    Attributes
    ----------
    eeg, eog, emg : ndarray, shape (n, 512)
        Microvolts; the muscle's scale means nothing.
    eeg_person, eog_person, emg_source : ndarray of int, shape (n,)
    rate_hz
    """

    eeg: FloatArray
    eog: FloatArray
    emg: FloatArray
    eeg_person: npt.NDArray[np.int64]
    eog_person: npt.NDArray[np.int64]
    emg_source: npt.NDArray[np.int64]
    rate_hz: float

    def part(self, *, test: bool) -> Segments:
        """Give the segments of the people for testing, or of the others."""
        eeg = (self.eeg_person % TEST_EVERY == 0) == test
        eog = np.isin(self.eog_person, TEST_EOG_PEOPLE) == test
        emg = (self.emg_source == TEST_EMG_SOURCE) == test
        return Segments(
            self.eeg[eeg],
            self.eog[eog],
            self.emg[emg],
            self.eeg_person[eeg],
            self.eog_person[eog],
            self.emg_source[emg],
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


def load_segments(root: Path) -> Segments:
    """Read ``segments.npz``; raise `RecordingError` when it is not there."""
    data = _arrays(root, "segments.npz")
    return Segments(
        data["eeg"] * float(data["eeg_scale_uV"]),
        data["eog"] * float(data["eog_scale_uV"]),
        data["emg"] * float(data["emg_scale"]),
        data["eeg_subject"].astype(np.int64),
        data["eog_person"].astype(np.int64),
        data["emg_source"].astype(np.int64),
        float(data["fs"]),
    )


def load_continuous(root: Path) -> list[Continuous]:
    """Read ``continuous.npz``; raise `RecordingError` when it is not there."""
    data = _arrays(root, "continuous.npz")
    scale, rate_hz = float(data["scale_uV"]), float(data["fs"])
    labels = tuple(str(label) for label in data["ch_names"])
    return [
        Continuous(int(person), eeg.T * scale, labels, rate_hz)
        for person, eeg in zip(data["subject"], data["eeg"], strict=True)
    ]


def load_blink19(root: Path) -> Masked:
    """Read ``blink19.npz``; raise `RecordingError` when it is not there.

    The file names no channels. The two with the largest blinks are called Fp1 and Fp2 here, so that
    methods which look for the electrodes next to the eyes find some.
    """
    data = _arrays(root, "blink19.npz")
    eeg, mask = data["eeg"].T.astype(np.float64), data["blink"].astype(bool)
    labels = [f"channel {i + 1}" for i in range(eeg.shape[1])]
    largest = np.argsort(np.square(eeg[mask]).mean(axis=0))[-2:]
    for index, name in zip(sorted(largest.tolist()), ("Fp1", "Fp2"), strict=True):
        labels[index] = name
    return Masked(eeg, mask, tuple(labels), float(data["fs"]))


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


def _arrays(root: Path, name: str) -> dict[str, Any]:
    path = root / name
    if not path.is_file():
        found = sorted(item.name for item in root.iterdir()) if root.is_dir() else []
        raise RecordingError(
            f"denoise_mix needs {', '.join(FILES)} in {root}; "
            f"found {', '.join(found) or 'nothing'}",
            root=str(root),
            found=found,
        )
    return read_arrays(path, FILES[name])
