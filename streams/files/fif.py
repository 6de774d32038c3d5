"""FIF, the format of MNE-Python, read by it: install the package mne to read such files."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np

from volition.chunk import Event
from volition.errors import RecordingError
from volition.streams.files.brainvision import BrainVisionContents

_VOLT_UV = 1e6
#: What mne raises of a file that was cut short or damaged: it checks little before it goes on.
_OF_A_DAMAGED_FILE = (AttributeError, LookupError, OSError, RuntimeError, TypeError, ValueError)


def read_fif(path: Path) -> BrainVisionContents:
    """Read the EEG channels of a raw FIF file, with its annotations or its trigger channel.

    Raises
    ------
    RecordingError
        mne is not installed, or cannot read the file.
    """
    try:
        mne: Any = importlib.import_module("mne")
    except ModuleNotFoundError:
        raise RecordingError(
            f"{path.name}: FIF files are read by MNE-Python, which is not installed: pip install "
            "mne, or save the recording as EDF or BrainVision"
        ) from None
    try:
        raw = mne.io.read_raw_fif(path, verbose="error")
        rate_hz, first_s = float(raw.info["sfreq"]), float(raw.first_time)
        events = [
            Event.parse(float(onset) - first_s, str(text))
            for onset, text in zip(raw.annotations.onset, raw.annotations.description, strict=True)
        ]
        if not events and "stim" in raw:
            found = mne.find_events(raw, verbose="error")
            events = [
                Event.parse((int(sample) - raw.first_samp) / rate_hz, int(value))
                for sample, _, value in found
            ]
        picked = raw.copy().pick("eeg", verbose="error")
        samples = np.ascontiguousarray(picked.get_data().T * _VOLT_UV)
    except _OF_A_DAMAGED_FILE as error:
        raise RecordingError(
            f"{path.name} cannot be read as FIF: {error}", path=str(path)
        ) from None
    labels = tuple(picked.ch_names)
    return BrainVisionContents(samples, labels, ("µV",) * len(labels), rate_hz, tuple(events))
