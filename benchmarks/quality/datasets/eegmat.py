"""Rest with closed eyes, then counting (Zyma et al., Data 4(1):14, 2019; PhysioNet EEGMAT).

Two minutes of rest and one of counting, of each person, without artifacts (the authors removed
them). They are cut into windows of four seconds. Rest always comes first, so that what drifts tells
the two apart as well: it is rest against arithmetic, not workload. All people are one group: each
is told by what was learned from the others.
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

CLASSES = ("rest", "arithmetic")
WINDOW_S = 4.0


def load(
    root: Path, *, channels: Sequence[str] | None = None, units: str | None = None
) -> Iterator[ClassRecording]:
    """Give each person's rest, and the counting behind it."""
    paths = sorted(root.glob("P*.npz"))
    if not paths:
        raise RecordingError(f"{root} holds no file P*.npz of eegmat")
    for path in paths:
        arrays = read_arrays(path, ("rest", "task", "scale_uV", "fs", "ch_names"))
        rate_hz = float(arrays["fs"])
        plan = plan_in_microvolts(
            [str(one) for one in arrays["ch_names"]], rate_hz, channels, units
        )
        parts = [arrays["rest"], arrays["task"]]
        samples = np.concatenate(parts, axis=1).T * float(arrays["scale_uV"])
        trials, begin = [], 0
        for label, part in zip(CLASSES, parts, strict=True):
            for number in range(int(part.shape[1] / rate_hz / WINDOW_S)):
                onset = begin / rate_hz + WINDOW_S * number
                trials.append((onset, onset + WINDOW_S, label))
            begin += part.shape[1]
        times = np.arange(len(samples)) / rate_hz
        recording = Recording(
            plan.spec, plan.apply(samples), times, trial_events(trials), {"file": path.name}
        )
        yield ClassRecording(path.stem, path.stem, "people", recording)


DATASET = ClassDataset(
    name="eegmat",
    summary="rest with closed eyes against counting, 24 people, each told by the others",
    licence="ODC-BY-1.0",
    load=load,
    classes=CLASSES,
)
