"""Motor imagery of two people who cannot be decoded (AdiRavid, BCI4ALS-python, GitHub).

Three cues in four sessions each, at chance by every method: a calibration that is accepted here is
wrong. What the cues asked for is not said.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from volition.benchmarks.quality.contract.classes import ClassDataset, ClassRecording, trial_events
from volition.errors import RecordingError
from volition.streams.files.npz import read_arrays
from volition.streams.files.recording import Recording
from volition.streams.signal.channel_selection import plan_in_microvolts

CLASSES = ("1", "2", "3")
_TRIAL_S = 4.5


def load(
    root: Path, *, channels: Sequence[str] | None = None, units: str | None = None
) -> Iterator[ClassRecording]:
    """Give each session, a person's in order of time."""
    paths = sorted(root.glob("Q*_s*.npz"))
    if not paths:
        raise RecordingError(f"{root} holds no file Q*_s*.npz of mi_control")
    for path in paths:
        arrays = read_arrays(path, ("eeg", "fs", "channels", "cue_sample", "cue"))
        labels, rate_hz = [str(one) for one in arrays["channels"]], float(arrays["fs"])
        plan = plan_in_microvolts(labels, rate_hz, channels, units)
        samples = np.ascontiguousarray(arrays["eeg"], dtype=np.float64)
        cues = zip(arrays["cue_sample"].tolist(), arrays["cue"].tolist(), strict=True)
        trials = [(at / rate_hz, at / rate_hz + _TRIAL_S, str(cue)) for at, cue in cues]
        times = np.arange(len(samples)) / rate_hz
        recording = Recording(
            plan.spec, plan.apply(samples), times, trial_events(trials), {"file": path.name}
        )
        person = path.stem.partition("_")[0]
        yield ClassRecording(path.stem, person, person, recording)


DATASET = ClassDataset(
    name="mi_control",
    summary="motor imagery of two people who cannot be decoded: every calibration must be refused",
    load=load,
    classes=CLASSES,
)
