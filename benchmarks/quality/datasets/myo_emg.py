"""Five movements by a Myo armband, one person (LibEMG, GitHub).

Arrays ``SET_Rx_Cy`` of about 3 s: repetition x of class y, 8 channels at 200 Hz. The repetitions of
a set are learned from together, each with its classes one after the other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from volition.benchmarks.quality.contract.classes import ClassDataset, ClassRecording, trial_events
from volition.chunk import FloatArray
from volition.errors import RecordingError
from volition.streams.files.recording import Recording
from volition.streams.signal.channel_selection import plan_in_microvolts

CLASSES = ("0", "1", "2", "3", "4")
_RATE_HZ, _N_CHANNELS = 200.0, 8
#: Sets with repetitions enough to leave one out.
_SETS = ("demos_testing", "tests")


def load(
    root: Path, *, channels: Sequence[str] | None = None, units: str | None = None
) -> Iterator[ClassRecording]:
    """Give each repetition of each set."""
    path = root / "myo_1person.npz"
    if not path.is_file():
        raise RecordingError(f"{root} holds no file myo_1person.npz of myo_emg")
    with np.load(path, allow_pickle=False) as arrays:
        parts: dict[tuple[str, int], dict[int, FloatArray]] = {}
        for key in arrays.files:
            match = re.fullmatch(r"(\w+)_R(\d)_C(\d)", key)
            if match and match[1] in _SETS:
                of = parts.setdefault((match[1], int(match[2])), {})
                of[int(match[3])] = np.asarray(arrays[key], dtype=np.float64)
    plan = plan_in_microvolts([str(k + 1) for k in range(_N_CHANNELS)], _RATE_HZ, channels, units)
    for (name, repetition), classes in sorted(parts.items()):
        ends = np.cumsum([len(classes[k]) for k in sorted(classes)]) / _RATE_HZ
        onsets = [0.0, *ends[:-1].tolist()]
        samples = np.concatenate([classes[k] for k in sorted(classes)])
        trials = [
            (onset, float(end), str(k))
            for onset, end, k in zip(onsets, ends, sorted(classes), strict=True)
        ]
        recording = Recording(
            plan.spec,
            plan.apply(samples),
            np.arange(len(samples)) / _RATE_HZ,
            trial_events(trials),
            {"file": f"{name}_R{repetition}"},
        )
        yield ClassRecording(f"{name}_R{repetition}", "1", name, recording)


DATASET = ClassDataset(
    name="myo_emg",
    summary="five movements by a Myo armband, one person, 8 channels",
    licence="MIT",
    load=load,
    classes=CLASSES,
)
