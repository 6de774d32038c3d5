"""Flicker of 20 and 30 Hz before a Muse headband: one person, 4 dry electrodes, 256 Hz.

The files ``visual-SSVEP-*.npz`` of `volition.benchmarks.quality.datasets.muse_erp`'s folder:
``eeg`` (samples, channels; microvolts), ``channels``, ``fs``, ``marker``: 1 where a flicker of 30
Hz begins, 2 where one of 20 Hz does. No electrode is over the back of the head; there is no rest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from volition.benchmarks.quality.contract.trials import Trial, TrialDataset, TrialRecording
from volition.chunk import Event
from volition.errors import RecordingError
from volition.streams.files.npz import read_arrays
from volition.streams.files.recording import TRIAL_START, Recording, trial_target
from volition.streams.signal.channel_selection import plan_in_microvolts

#: Flicker of each marker.
_FREQS_HZ = {1: 30.0, 2: 20.0}
#: From one onset to the next it is 3.5 s and more.
TRIAL_S = 3.4
#: The headband's own electrodes; a fifth input lay at POz.
_N_CHANNELS = 4


def load(
    root: Path, *, channels: Sequence[str] | None = None, units: str | None = None
) -> Iterator[TrialRecording]:
    """Read every file in ``root``, in order of name.

    Raises
    ------
    RecordingError
        There are no such files, or one cannot be read.
    """
    paths = sorted(root.glob("visual-SSVEP-*.npz")) if root.is_dir() else []
    if not paths:
        raise RecordingError(
            f"muse_ssvep needs a folder with files visual-SSVEP-*.npz at {root}; found none",
            root=str(root),
        )
    for path in paths:
        yield _read(path, channels, units)


def _read(path: Path, channels: Sequence[str] | None, units: str | None) -> TrialRecording:
    arrays = read_arrays(path, ("eeg", "channels", "fs", "marker"))
    rate_hz = float(arrays["fs"])
    marker = arrays["marker"][:, 0].astype(int)
    plan = plan_in_microvolts(
        tuple(map(str, arrays["channels"][:_N_CHANNELS])), rate_hz, channels, units
    )
    samples = arrays["eeg"][:, :_N_CHANNELS].astype(np.float64)
    shown = np.flatnonzero((marker > 0) & (np.concatenate([[0], marker[:-1]]) == 0))
    trials = tuple(
        Trial(float(start) / rate_hz, _FREQS_HZ[int(marker[start])])
        for start in shown
        if start + TRIAL_S * rate_hz <= len(marker)
    )
    events = tuple(Event(trial.onset, TRIAL_START, trial_target(trial.freq_hz)) for trial in trials)
    times = np.arange(len(samples)) / rate_hz
    recording = Recording(plan.spec, plan.apply(samples), times, events, {"file": path.name})
    return TrialRecording(path.stem, 1, recording, trials, TRIAL_S)


DATASET = TrialDataset(
    name="muse_ssvep",
    summary="flicker of 20 and 30 Hz before a headband: 1 person, 4 dry electrodes, 256 Hz",
    load=load,
)
