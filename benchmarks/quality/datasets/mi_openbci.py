"""Motor imagery of two people over many days, by LabRecorder (AssafUni, bci4als-online, GitHub).

An OpenBCI headset of sixteen channels at 125 Hz, of which eleven to thirteen are alive; idle, left
and right hand. Markers are numbers as text: the class as a trial begins, 9 as it ends.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from volition.benchmarks.quality.contract.classes import ClassDataset, ClassRecording, trial_events
from volition.errors import RecordingError
from volition.streams.files.recording import read_recording
from volition.streams.files.trial_mapping import TrialMapping

#: People with enough sessions to leave one out.
_PEOPLE = ("A", "T")
MAPPING = TrialMapping(targets={"1": "idle", "2": "left", "3": "right"})
_TRIAL_S = 5.5


def load(
    root: Path, *, channels: Sequence[str] | None = None, units: str | None = None
) -> Iterator[ClassRecording]:
    """Give each session, a person's in order of time."""
    paths = [path for person in _PEOPLE for path in sorted(root.glob(f"{person}_s*.xdf"))]
    if not paths:
        raise RecordingError(f"{root} holds no file A_s*.xdf or T_s*.xdf of mi_openbci")
    for path in paths:
        read = MAPPING.apply(read_recording(path, channels=channels, units=units))
        trials = [
            (event.time, event.time + _TRIAL_S, str(event.data["target"])) for event in read.events
        ]
        recording = replace(read, events=trial_events(trials))
        person = path.stem.partition("_")[0]
        yield ClassRecording(path.stem, person, person, recording)


DATASET = ClassDataset(
    name="mi_openbci",
    summary="imagined left and right hand, two people, 23 sessions over many days",
    load=load,
    classes=("idle", "left", "right"),
    rest="idle",
)
