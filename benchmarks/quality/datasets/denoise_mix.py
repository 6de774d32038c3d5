"""Real clean EEG, real blinks and real muscle activity, to mix at a chosen ratio.

Three files: ``segments.npz`` (2 s of one channel each: clean EEG of 36 people, blinks, muscle),
``continuous.npz`` (six people, 19 channels, 60 s clean) and ``blink19.npz`` (a recording with a
mask of its blinks). People, and sources of muscle, are for training or for testing, never for both.

The artifacts are mixed in by EEGdenoiseNet's ratio, but figures on this set are not figures on
EEGdenoiseNet and must not be set beside published ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from scipy.signal import butter, sosfiltfilt

from volition.benchmarks.quality.contract.denoising import (
    Continuous,
    DenoisingDataset,
    Masked,
    Segments,
)
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
#: What only a test may use: every fourth of the people with clean EEG, two of the four who blink,
#: and one of three muscle sources (a hand; the others are biceps).
TEST_EVERY = 4
TEST_EOG_PEOPLE = (6, 7)
TEST_EMG_SOURCE = 2


def load_segments(root: Path) -> Segments:
    """Read ``segments.npz``; raise `RecordingError` when it is not there."""
    data = _arrays(root, "segments.npz")
    eeg_person, eog_person, emg_source = (
        data[name].astype(np.int64) for name in ("eeg_subject", "eog_person", "emg_source")
    )
    return Segments(
        data["eeg"] * float(data["eeg_scale_uV"]),
        data["eog"] * float(data["eog_scale_uV"]),
        data["emg"] * float(data["emg_scale"]),
        eeg_person,
        eog_person,
        emg_source,
        eeg_person % TEST_EVERY == 0,
        np.isin(eog_person, TEST_EOG_PEOPLE),
        emg_source == TEST_EMG_SOURCE,
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


def load_masked(root: Path) -> dict[str, Masked]:
    """Read the recordings whose blinks are known: EEGLAB's sample too, where it lies beside."""
    recordings = {"blink19": load_blink19(root)}
    eeglab = root.parent / "eeglab_formats" / "eeglab_data.npz"
    if eeglab.is_file():
        recordings["eeglab_data"] = load_eeglab(eeglab)
    return recordings


def load_eeglab(path: Path) -> Masked:
    """Read EEGLAB's sample recording, high-passed at 1 Hz; blinks are told by FPz.

    The mask is where FPz, between 1 and 10 Hz, passes 60 µV, and 0.2 s around.
    """
    data = read_arrays(path, ("eeg", "scale_uV", "ch_names", "fs"))
    eeg = (data["eeg"] * float(data["scale_uV"])).T.astype(np.float64)
    labels, rate_hz = tuple(str(label) for label in data["ch_names"]), float(data["fs"])
    high = butter(2, 1.0, "highpass", fs=rate_hz, output="sos")
    eeg = sosfiltfilt(high, eeg, axis=0)
    band = butter(2, [1.0, 10.0], "bandpass", fs=rate_hz, output="sos")
    large = np.abs(sosfiltfilt(band, eeg[:, labels.index("FPz")])) > 60
    mask = np.convolve(large, np.ones(round(0.4 * rate_hz)), "same") > 0.5
    return Masked(eeg, mask, labels, rate_hz)


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


DATASET = DenoisingDataset(
    name="denoise_mix",
    summary="clean EEG of 36 people, with real blinks and muscle of others to mix into it",
    load_segments=load_segments,
    load_continuous=load_continuous,
    load_masked=load_masked,
)
