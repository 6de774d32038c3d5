"""Two classes of motor imagery, two people (kyliehoyt, BCI_Motor_Imagery, GitHub).

Thirteen gel electrodes over the motor strip; runs without feedback (offline) and with it (online).
Events are GDF codes: imagery of class 1 from 7691 to 7692 or 7693, of class 2 from 7701 to 7702 or
7703. Which limb each class is, is not said. Runs of one kind are learned from together.
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

_STARTS = {7691: "1", 7701: "2"}
_ENDS = {7692, 7693, 7702, 7703}


def load(
    root: Path, *, channels: Sequence[str] | None = None, units: str | None = None
) -> Iterator[ClassRecording]:
    """Give each run, a person's of one kind in order of time."""
    paths = sorted(root.glob("S*_*_r*.npz"))
    if not paths:
        raise RecordingError(f"{root} holds no file S*_*_r*.npz of mi_arms")
    names = ("eeg", "scale_uV", "fs", "ch_names", "event_code", "event_sample")
    for path in paths:
        arrays = read_arrays(path, names)
        labels, rate_hz = [str(one) for one in arrays["ch_names"]], float(arrays["fs"])
        plan = plan_in_microvolts(labels, rate_hz, channels, units)
        samples = np.ascontiguousarray(arrays["eeg"].T * float(arrays["scale_uV"]))
        times = np.arange(len(samples)) / rate_hz
        codes = zip(arrays["event_code"].tolist(), arrays["event_sample"].tolist(), strict=True)
        recording = Recording(
            plan.spec,
            plan.apply(samples),
            times,
            trial_events(_trials(list(codes), rate_hz)),
            {"file": path.name},
        )
        person, kind, _ = path.stem.split("_")
        yield ClassRecording(path.stem, person, f"{person}_{kind}", recording)


def _trials(codes: list[tuple[int, int]], rate_hz: float) -> list[tuple[float, float, str]]:
    found = []
    for number, (code, sample) in enumerate(codes):
        if code not in _STARTS:
            continue
        end = next(at for later, at in codes[number + 1 :] if later in _ENDS)
        found.append((sample / rate_hz, end / rate_hz, _STARTS[code]))
    return found


DATASET = ClassDataset(
    name="mi_arms",
    summary="two classes of motor imagery, two people, runs with and without feedback",
    load=load,
    classes=("1", "2"),
)
