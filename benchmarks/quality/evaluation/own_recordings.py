"""Score a session on a folder of one's own recordings, cross-validated by recording.

Each recording is scored; a decoder that is calibrated on its user is fitted to all the others, or,
where there is only one, to its first trials. The answer is that of `evaluate_selection`.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from volition.benchmarks.quality.contract.classes import (
    ClassDataset,
    ClassRecording,
    trial_events,
)
from volition.benchmarks.quality.contract.trials import (
    CalibrateOn,
    Trial,
    TrialDataset,
    TrialRecording,
)
from volition.benchmarks.quality.evaluation.classes import evaluate_classes
from volition.benchmarks.quality.evaluation.selection import evaluate_selection
from volition.benchmarks.quality.evaluation.trials import labels_by_frequency
from volition.chunk import Event
from volition.decoders.classes.observing import class_of
from volition.decoders.classes.settings import ClassSettings
from volition.errors import RecordingError
from volition.service.sessions.config import SessionConfig
from volition.streams.files.recording import (
    TRIAL_START,
    Recording,
    read_recording,
    recordings_in,
)
from volition.streams.files.trial_mapping import CHOICES, TrialMapping, target_of, trials_in


def evaluate_own(
    folder: Path,
    config: SessionConfig,
    mapping: TrialMapping | None,
    *,
    idle_sweep: bool = False,
    protocol: str | None = None,
) -> dict[str, Any]:
    """Score a session that selects among targets, or tells classes, on the recordings of a folder.

    Parameters
    ----------
    folder
        Folder of recordings in any format that `read_recording` reads, or one of them.
    config
        The session; its decoder must have ``targets`` or ``classes``.
    mapping
        Which markers begin which trials; None where the events name their targets.
    idle_sweep, protocol
        As for `evaluate_selection`.

    Raises
    ------
    ConfigError
        The session's decoder has no targets.
    RecordingError
        There are no recordings, or their trials name targets that the session has not.
    """
    if isinstance(config.decoder, ClassSettings):
        return evaluate_classes(
            _classes_of(folder, config.decoder, mapping), folder, config, protocol=protocol
        )
    frequencies = {label: freq_hz for freq_hz, label in labels_by_frequency(config).items()}
    alone = len(recordings_in(folder)) == 1
    dataset = TrialDataset(
        name=folder.name,
        summary="own recordings",
        load=functools.partial(_load, frequencies=frequencies, mapping=mapping),
        calibrate_on=CalibrateOn.EARLIER_RECORDINGS if alone else CalibrateOn.OTHER_BLOCKS,
    )
    return evaluate_selection(dataset, folder, config, idle_sweep=idle_sweep, protocol=protocol)


def _classes_of(
    folder: Path, settings: ClassSettings, mapping: TrialMapping | None
) -> ClassDataset:
    """Give recordings whose trials ask for classes, all of one person."""

    def load(
        root: Path, *, channels: Sequence[str] | None = None, units: str | None = None
    ) -> Iterator[ClassRecording]:
        for path in recordings_in(root):
            read = read_recording(path, channels=channels, units=units)
            found = mapping.apply(read) if mapping is not None else read
            events = [one for one in found.events if class_of(one, settings.classes) is not None]
            trial_s = None if mapping is None else mapping.trial_s
            ends = [*(one.time for one in events[1:]), float(read.times[-1])]
            trials = [
                (
                    one.time,
                    end if trial_s is None else min(end, one.time + trial_s),
                    settings.classes[class_of(one, settings.classes) or 0],
                )
                for one, end in zip(events, ends, strict=True)
            ]
            recording = replace(read, events=trial_events(trials))
            yield ClassRecording(path.stem, folder.name, folder.name, recording)

    return ClassDataset(
        name=folder.name,
        summary="own recordings",
        load=load,
        classes=tuple(settings.classes),
        rest=settings.rest,
    )


def _load(
    root: Path,
    *,
    frequencies: dict[str, float],
    mapping: TrialMapping | None,
    channels: Sequence[str] | None = None,
    units: str | None = None,
) -> Iterator[TrialRecording]:
    for path in recordings_in(root):
        recording = trials_in(
            read_recording(path, channels=channels, units=units), mapping, CHOICES
        )
        trials = tuple(Trial(e.time, _frequency(e, frequencies, path)) for e in recording.events)
        events = tuple(Event(trial.onset, TRIAL_START) for trial in trials)
        yield TrialRecording(
            path.stem, None, replace(recording, events=events), trials, _trial_s(recording, mapping)
        )


def _frequency(event: Event, frequencies: dict[str, float], path: Path) -> float:
    """Give the flicker of a trial's target: by its label, or as the event says; 0 at rest."""
    label = target_of(event)
    if label is None or label in frequencies:
        return 0.0 if label is None else frequencies[label]
    told = event.data.get("freq_hz")
    if isinstance(told, int | float) and told in frequencies.values():
        return float(told)
    raise RecordingError(
        f"{path.name} has a trial of the target {label!r}, which the session has not; it has: "
        f"{', '.join(frequencies)}",
        path=str(path),
    )


def _trial_s(recording: Recording, mapping: TrialMapping | None) -> float:
    """Give how long a trial lasts: as the mapping says, or to the soonest next marker."""
    if mapping is not None and mapping.trial_s is not None:
        return mapping.trial_s
    onsets = [event.time for event in recording.events]
    ends = [*onsets[1:], float(recording.times[-1])]
    return min(end - onset for onset, end in zip(onsets, ends, strict=True))
