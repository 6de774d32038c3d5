"""Gestures of the fingers by the muscles of the forearm (smichalka, MagicBlinkEMG, GitHub).

Eight channels at 250 Hz by LabRecorder. A marker ``Ns`` begins a gesture and ``Ne`` ends it: snap,
squeeze, tap, nothing, always in this order, so that a recording is cut into blocks of time.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from volition.benchmarks.quality.contract.classes import ClassDataset, ClassRecording, trial_events
from volition.errors import RecordingError
from volition.streams.files.recording import read_recording

GESTURES = ("snap", "squeeze", "tap", "nothing")


def load(
    root: Path, *, channels: Sequence[str] | None = None, units: str | None = None
) -> Iterator[ClassRecording]:
    """Give each recording of four gestures."""
    paths = sorted(root.glob("E*.xdf"))
    if not paths:
        raise RecordingError(f"{root} holds no file E*.xdf of emg_gestures")
    for path in paths:
        read = read_recording(path, channels=channels, units=units)
        marks = [event for event in read.events if len(event.name) == 2]
        trials = [
            (start.time, end.time, GESTURES[int(start.name[0])])
            for start, end in itertools.pairwise(marks)
            if start.name[1] == "s" and end.name == f"{start.name[0]}e"
        ]
        recording = replace(read, events=trial_events(trials))
        yield ClassRecording(path.stem, path.stem[:2], path.stem, recording)


DATASET = ClassDataset(
    name="emg_gestures",
    summary="four gestures of the fingers by forearm muscle, 8 channels",
    licence="MIT",
    load=load,
    classes=GESTURES,
    rest="nothing",
)
