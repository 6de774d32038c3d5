"""Nakanishi et al. 2015 (12JFPM): twelve targets, ten people, fifteen blocks; 8 channels, 256 Hz.

Files ``s1.mat`` to ``s10.mat`` with ``eeg`` of shape (12 targets, 8 channels, 1114 samples, 15
blocks); the flicker begins with the 39th sample and lasts 4 s, with frequency and phase of its own
for each target. As in `tsinghua`, a block becomes one recording.

M. Nakanishi, Y. Wang, Y.-T. Wang, T.-P. Jung, "A comparison study of canonical correlation analysis
based methods for detecting steady-state visual evoked potentials", PLoS ONE 10:e0140703, 2015.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from volition.benchmarks.quality.contract.trials import (
    CalibrateOn,
    TrialDataset,
    TrialRecording,
)
from volition.benchmarks.quality.datasets.tsinghua import (
    Layout,
    blocks,
    check_shape,
    mat_array,
    mat_files,
)
from volition.chunk import FloatArray

LAYOUT = Layout(256.0, ("PO7", "PO3", "POz", "PO4", "PO8", "O1", "Oz", "O2"), (38,), 4.0)


def freqs_hz() -> FloatArray:
    """Give the frequencies in the files' order: 9.25, 11.25, 13.25, 9.75, ..."""
    number = np.arange(12)
    return 9.25 + 2.0 * (number % 3) + 0.5 * (number // 3)


def load(
    root: Path, *, channels: Sequence[str] | None = None, units: str | None = None
) -> Iterator[TrialRecording]:
    """Read the data set, a recording for each person and block.

    Parameters
    ----------
    root
        Folder of ``s1.mat``, ``s2.mat``, ...
    channels, units
        As for `volition.streams.files.recording.read_recording`.

    Raises
    ------
    RecordingError
        There are no such files, or one is not of the data set's shape.
    """
    for path, person in mat_files(root, "jfpm12"):
        data = mat_array(path, "eeg")
        check_shape(path, data, (12, 8, None, None))
        of_blocks = data.transpose(3, 0, 1, 2)
        yield from blocks(
            f"S{person}", person, of_blocks, freqs_hz(), LAYOUT, channels=channels, units=units
        )


DATASET = TrialDataset(
    name="jfpm12",
    summary="twelve targets: 10 people, 15 blocks, 8 channels, 256 Hz",
    load=load,
    calibrate_on=CalibrateOn.OTHER_BLOCKS,
)
