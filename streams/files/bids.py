"""Writes recordings as a BIDS data set of EEG, which other laboratories' programs read.

A recording becomes a run of a participant's task: the samples as BrainVision, and beside them what
BIDS asks for: channels, events, and what is known of the recording. Samples that are missing are
NaN and stand in the events as ``gap``; times of events are told by the samples, so a device's clock
that drifts moves nothing. No date is written: it could tell who somebody is.

References
----------
Pernet et al., "EEG-BIDS, an extension to the brain imaging data structure for
electroencephalography", Scientific Data 6:103, 2019. The Brain Imaging Data Structure 1.10.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from volition.chunk import Event, FloatArray
from volition.errors import ConfigError, RecordingError
from volition.streams.files.brainvision_writer import write_brainvision
from volition.streams.files.recording import Recording

BIDS_VERSION = "1.10.0"

_LABEL = re.compile(r"[A-Za-z0-9]+")
#: Kinds of channels as LSL names them, and as BIDS does; of the others nothing is known.
_TYPES = {"EEG": "EEG", "EOG": "EOG", "ECG": "ECG", "EMG": "EMG", "TRIG": "TRIG"}
_COUNTED = ("EEG", "EOG", "ECG", "EMG", "MISC", "TRIG")
_UNITS = {"microvolts": "uV", "millivolts": "mV", "volts": "V"}
#: A step between two samples that is longer than this many intervals, and than 0.1 s, is a gap.
_GAP_INTERVALS, _GAP_S = 5.0, 0.1

_COLUMNS = {
    "onset": "",
    "duration": "",
    "trial_type": "Name of the marker, kind of the intent with its label, or gap.",
    "value": "What the marker or intent says besides, as JSON.",
    "sample": "Index of the sample, from 0.",
}


@dataclass(frozen=True, slots=True)
class BidsRun:
    """Whose a recording is, and what was done.

    Attributes
    ----------
    participant, task, sitting
        Letters and digits alone: BIDS' ``sub``, ``task`` and ``ses``. A pseudonym, never a name.
    power_line_hz
        Frequency of the mains where it was recorded; None where that is not known.
    reference
        Where the reference electrode was.
    """

    participant: str
    task: str
    sitting: str | None = None
    power_line_hz: float | None = None
    reference: str = "n/a"

    def __post_init__(self) -> None:
        for name in ("participant", "task", "sitting"):
            value = getattr(self, name)
            if value is not None and not _LABEL.fullmatch(value):
                raise ConfigError(f"{name} in BIDS is letters and digits alone, found {value!r}")


def write_bids(
    root: Path, recording: Recording, run: BidsRun, decided: Sequence[Event] = ()
) -> Path:
    """Add a recording to a data set, which is made where there is none; give the run's header.

    Parameters
    ----------
    root
        Folder of the data set.
    recording
        Its signal and markers.
    run
        Whose it is and what was done; the number of the run is the next that is free.
    decided
        What was decided meanwhile, to stand among the events.

    Raises
    ------
    RecordingError
        It has no samples, or no even rate.
    """
    rate_hz = recording.spec.rate_hz
    if not rate_hz or not len(recording):
        raise RecordingError("BIDS holds signals of an even rate, with at least one sample")
    samples, at, gaps = _evenly(recording)
    folder = root / f"sub-{run.participant}"
    stem = f"sub-{run.participant}_"
    if run.sitting is not None:
        folder, stem = folder / f"ses-{run.sitting}", f"{stem}ses-{run.sitting}_"
    folder /= "eeg"
    folder.mkdir(parents=True, exist_ok=True)
    stem = _with_free_number(folder, f"{stem}task-{run.task}")
    events = _event_rows([*recording.events, *decided], recording.times, at, gaps, rate_hz)
    labels = recording.spec.labels
    units = [_UNITS.get(unit, unit or "n/a") for unit in recording.spec.units]
    types = [_TYPES.get(kind.upper(), "MISC") for kind in recording.spec.kinds]
    header = folder / f"{stem}_eeg.vhdr"
    write_brainvision(
        header,
        samples,
        rate_hz=rate_hz,
        labels=labels,
        units=["µV" if unit == "uV" else unit for unit in units],
        markers=[
            (row["sample"], row["trial_type"])
            for row in events
            if 0 <= row["sample"] < len(samples)
        ],
    )
    _write_json(header.with_suffix(".json"), _about(run, rate_hz, types, len(samples), bool(gaps)))
    channels = [
        {"name": label, "type": type_, "units": unit, "sampling_frequency": f"{rate_hz:g}"}
        for label, type_, unit in zip(labels, types, units, strict=True)
    ]
    _write_table(folder / f"{stem}_channels.tsv", list(channels[0]), channels)
    _write_table(folder / f"{stem}_events.tsv", list(_COLUMNS), events)
    # BIDS says itself what onset and duration are.
    described = {name: {"Description": text} for name, text in _COLUMNS.items() if text}
    _write_json(folder / f"{stem}_events.json", described)
    _write_data_set(root, run)
    return header


def _evenly(recording: Recording) -> tuple[FloatArray, FloatArray, list[tuple[int, int]]]:
    """Lay samples out evenly; give them, the place of each, and where gaps begin and end."""
    rate_hz = recording.spec.rate_hz
    steps = np.diff(recording.times)
    is_gap = steps > max(_GAP_S, _GAP_INTERVALS / rate_hz)
    places = np.ones(len(recording))
    places[1:][is_gap] = np.maximum(1, np.round(steps[is_gap] * rate_hz))
    places[0] = 0
    at = np.cumsum(places)
    even = np.full((int(at[-1]) + 1, recording.spec.n_channels), np.nan)
    even[at.astype(int)] = recording.samples
    before = at[:-1][is_gap]
    gaps = [(int(begin) + 1, int(end)) for begin, end in zip(before, at[1:][is_gap], strict=True)]
    return even, at, gaps


def _event_rows(
    events: Iterable[Event],
    times: FloatArray,
    at: FloatArray,
    gaps: Iterable[tuple[int, int]],
    rate_hz: float,
) -> list[dict[str, Any]]:
    rows = []
    for event in events:
        sample = _place(event.time, times, at, rate_hz)
        value = json.dumps(dict(event.data), ensure_ascii=False) if event.data else "n/a"
        rows.append(_row(sample / rate_hz, "n/a", event.name, value, sample))
    for begin, end in gaps:
        length = f"{(end - begin) / rate_hz:.6f}"
        rows.append(_row(begin / rate_hz, length, "gap", "n/a", begin))
    return sorted(rows, key=lambda row: float(row["onset"]))


def _row(
    onset_s: float, duration: str, trial_type: str, value: str, sample: float
) -> dict[str, Any]:
    return {
        "onset": f"{onset_s:.6f}",
        "duration": duration,
        "trial_type": trial_type,
        "value": value,
        "sample": round(sample),
    }


def _place(time: float, times: FloatArray, at: FloatArray, rate_hz: float) -> float:
    """Give where among the samples a time lies; before and behind them by the rate."""
    if time < times[0]:
        return float((time - times[0]) * rate_hz)
    if time > times[-1]:
        return float(at[-1] + (time - times[-1]) * rate_hz)
    return float(np.interp(time, times, at))


def _about(
    run: BidsRun, rate_hz: float, types: Sequence[str], n_samples: int, has_gaps: bool
) -> dict[str, Any]:
    counts = {
        f"{'Misc' if kind == 'MISC' else 'Trigger' if kind == 'TRIG' else kind}ChannelCount": (
            types.count(kind)
        )
        for kind in _COUNTED
    }
    return {
        "TaskName": run.task,
        "EEGReference": run.reference,
        "SamplingFrequency": rate_hz,
        "PowerLineFrequency": run.power_line_hz or "n/a",
        "SoftwareFilters": "n/a",
        "RecordingDuration": n_samples / rate_hz,
        "RecordingType": "discontinuous" if has_gaps else "continuous",
        **counts,
    }


def _write_data_set(root: Path, run: BidsRun) -> None:
    """Write what stands at the top of a data set, and add the participant."""
    description = root / "dataset_description.json"
    if not description.exists():
        made_by = {"Name": "Volition", "Version": version("volition")}
        about = {
            "Name": root.resolve().name,
            "BIDSVersion": BIDS_VERSION,
            "DatasetType": "raw",
            "GeneratedBy": [made_by],
        }
        _write_json(description, about)
    readme = root / "README"
    if not readme.exists():
        readme.write_text(
            "EEG of sessions of Volition, a brain-computer interface service.\n\n"
            "Samples are 32-bit floats; NaN where none arrived, which events.tsv names as gap. "
            "What was decided meanwhile stands among the events.\n",
            "utf-8",
        )
    _add_participant(root / "participants.tsv", f"sub-{run.participant}")


def _add_participant(table: Path, participant: str) -> None:
    """Add a participant; what others wrote of the others stays."""
    columns, *rows = (
        [line.split("\t") for line in table.read_text("utf-8").splitlines() if line]
        if table.exists()
        else [["participant_id"]]
    )
    if all(row[0] != participant for row in rows):
        rows.append([participant, *["n/a"] * (len(columns) - 1)])
        named = [dict(zip(columns, row, strict=False)) for row in rows]
        _write_table(table, columns, named)


def _with_free_number(folder: Path, stem: str) -> str:
    number = 1
    while (folder / f"{stem}_run-{number:02d}_eeg.vhdr").exists():
        number += 1
    return f"{stem}_run-{number:02d}"


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", "utf-8")


def _write_table(path: Path, columns: list[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write a table; no text of it holds a tab or an end of line."""
    lines = ["\t".join(columns)]
    lines += ["\t".join(_cell(row[column]) for column in columns) for row in rows]
    path.write_text("\n".join(lines) + "\n", "utf-8")


def _cell(value: object) -> str:
    return " ".join(str(value).split()) or "n/a"
