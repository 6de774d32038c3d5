"""EEG Motor Movement/Imagery (Schalk et al., IEEE Trans. Biomed. Eng. 51:1034, 2004), PhysioNet.

EDF+ files ``SxxxRyy.edf`` with annotations T0 (rest), T1 and T2. In runs 4, 8 and 12 the left or
right fist is imagined, in runs 6, 10 and 14 both fists or both feet; a session's classes choose.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from volition.benchmarks.quality.contract.classes import ClassDataset, ClassRecording, trial_events
from volition.errors import RecordingError
from volition.streams.files.recording import read_recording

_FISTS, _BOTH = {"T1": "left", "T2": "right"}, {"T1": "fists", "T2": "feet"}
RUNS = {4: _FISTS, 8: _FISTS, 12: _FISTS, 6: _BOTH, 10: _BOTH, 14: _BOTH}
_REST = "rest"


def load(
    root: Path, *, channels: Sequence[str] | None = None, units: str | None = None
) -> Iterator[ClassRecording]:
    """Give each run of imagery, a person's of one task in order of time."""
    paths = sorted(root.rglob("S???R??.edf"))
    known = [path for path in paths if int(path.stem[5:]) in RUNS]
    if not known:
        raise RecordingError(f"{root} holds no run of imagery SxxxRyy.edf of eegmmi")
    for path in known:
        task = {**RUNS[int(path.stem[5:])], "T0": _REST}
        read = read_recording(path, channels=channels, units=units)
        marks = [event for event in read.events if event.name in task]
        ends = [*(event.time for event in marks[1:]), float(read.times[-1])]
        trials = [
            (event.time, end, task[event.name]) for event, end in zip(marks, ends, strict=True)
        ]
        person = path.stem[:4]
        kind = "fists" if "left" in task.values() else "both"
        recording = replace(read, events=trial_events(trials))
        yield ClassRecording(path.stem, person, f"{person}_{kind}", recording)


DATASET = ClassDataset(
    name="eegmmi",
    summary="EEG Motor Movement/Imagery of PhysioNet: fists, or fists and feet, 64 channels",
    licence="ODC-BY 1.0",
    load=load,
    classes=("left", "right", "fists", "feet", _REST),
    rest=_REST,
)
