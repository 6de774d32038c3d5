"""A student project with a hobby amplifier: 4 channels, 200 Hz, one stretch of 21 s per frequency.

OpenBCI Ganglion, a screen of 60 Hz, repository srete/ssvep-bci (2023). Each ``.npz`` holds ``eeg``
of shape (frequencies, 4 channels, samples), ``fs``, ``freq_hz`` and ``ch_names``. The flicker runs
all along, in any phase. A stretch is cut into trials of 4 s, the first of which begins after 1 s;
noisy as it is, the data are there to see what becomes of a poor signal.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from volition.benchmarks.quality.contract.trials import (
    CalibrateOn,
    TrialDataset,
    TrialRecording,
)
from volition.benchmarks.quality.datasets.tsinghua import Layout, block
from volition.errors import RecordingError
from volition.streams.files.npz import archives, read_arrays

TRIAL_S = 4.0
#: A stretch begins this long before its first trial, in seconds.
LEAD_S = 1.0


def load(
    root: Path, *, channels: Sequence[str] | None = None, units: str | None = None
) -> Iterator[TrialRecording]:
    """Read every file in ``root``, in order of name.

    Parameters
    ----------
    root
        Folder of ``.npz`` files.
    channels, units
        As for `volition.streams.files.recording.read_recording`.

    Raises
    ------
    RecordingError
        There are no such files, or one cannot be read.
    """
    paths = archives(root)
    if not paths:
        raise RecordingError(
            f"ssvep_openbci is a folder of .npz files (S01_a.npz, ...); found none in {root}",
            root=str(root),
        )
    for path in paths:
        arrays = read_arrays(path, ("eeg", "fs", "freq_hz", "ch_names"))
        stretches = arrays["eeg"].astype(np.float64)
        rate_hz, freqs_hz = float(arrays["fs"]), arrays["freq_hz"]
        labels = tuple(str(label) for label in arrays["ch_names"])
        if stretches.ndim != 3 or stretches.shape[:2] != (len(freqs_hz), len(labels)):
            raise RecordingError(
                f"{path} should hold an array of shape ({len(freqs_hz)}, {len(labels)}, any); "
                f"found {stretches.shape}",
                path=str(path),
            )
        onsets = np.arange(LEAD_S, stretches.shape[2] / rate_hz - TRIAL_S + 1e-9, TRIAL_S)
        layout = Layout(
            rate_hz, labels, tuple(np.round(onsets * rate_hz).astype(int).tolist()), TRIAL_S
        )
        person = re.match(r"S(\d+)", path.stem)
        yield block(
            path.stem,
            int(person[1]) if person else 0,
            stretches,
            freqs_hz,
            layout,
            channels=channels,
            units=units,
        )


DATASET = TrialDataset(
    name="ssvep_openbci",
    summary="a hobby amplifier: 4 channels, 200 Hz, a stretch of each target",
    load=load,
    calibrate_on=CalibrateOn.NOTHING,
)
