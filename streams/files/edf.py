"""EDF, EDF+ and BDF: the formats of clinical recorders, read through edfio.

A file that was cut off gives the records that are whole, with a warning that says what is missing.
Channels are those of one rate: that of the channels asked for, or else the one that most of those
have that may hold EEG. Annotations become events, and so do the changes of a trigger channel. Times
count from 0, since these formats know the time of day and no clock of LSL.

References
----------
Kemp & Olivan, "European data format 'plus' (EDF+)", Clinical Neurophysiology 114, 2003.
"""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from volition.chunk import Event, FloatArray
from volition.errors import RecordingError
from volition.streams.signal.channel_selection import (
    TRIGGER_LABEL,
    is_other,
    microvolts_per_unit,
)
from volition.streams.signal.triggers import TriggerReader

_BRAIN_KINDS = ("EEG", "SEEG", "ECOG", "MEG")
_KIND = re.compile(r"(EEG|EOG|ECG|EKG|EMG|MEG|ERG|SEEG|ECOG)\s+(?=\S)", re.IGNORECASE)

# What edfio raises on contents that are not what a header should be.
_BROKEN = (
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    NotImplementedError,
    OSError,
    TypeError,
    ValueError,
)


@dataclass(frozen=True, slots=True, eq=False)
class EdfContents:
    """The signal of a file, its events, and what was wrong or left out.

    Attributes
    ----------
    samples : ndarray of float64, shape (n_samples, n_channels)
        In the units that the file names.
    """

    rate_hz: float
    labels: tuple[str, ...]
    units: tuple[str, ...]
    kinds: tuple[str, ...]
    samples: FloatArray
    events: tuple[Event, ...]
    warnings: tuple[str, ...]


def read_edf(
    path: Path, channels: Sequence[str] | None = None, trigger_channel: str | None = None
) -> EdfContents:
    """Read the signal of an EDF, EDF+ or BDF file, as far as it is there.

    Parameters
    ----------
    path
        The file.
    channels
        Labels that are asked for: of several rates theirs is chosen.
    trigger_channel
        Label of one that holds codes of triggers, beside those that are called so.

    Raises
    ------
    RecordingError
        The file cannot be read, is none of these, holds no signal, or has interruptions (EDF+D).
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            contents = _read(path, channels, trigger_channel)
        except _BROKEN as error:
            raise RecordingError(
                f"{path.name} cannot be read as {path.suffix[1:].upper()}: {error}", path=str(path)
            ) from error
    # A recorder that was still running, or was not closed, writes -1 records: no harm is done.
    said = tuple(str(one.message) for one in caught if "indicates -1 data" not in str(one.message))
    return EdfContents(
        contents.rate_hz,
        contents.labels,
        contents.units,
        contents.kinds,
        contents.samples,
        contents.events,
        (*contents.warnings, *said),
    )


def _read(path: Path, channels: Sequence[str] | None, trigger_channel: str | None) -> EdfContents:
    import edfio

    data = path.read_bytes()
    file: Any = edfio.read_bdf(data) if path.suffix.lower() == ".bdf" else edfio.read_edf(data)
    if not file.is_continuous:
        raise RecordingError(
            f"{path.name} has interruptions (EDF+D), which cannot be read; allowed: EDF, EDF+C, "
            "BDF, BDF+C",
            path=str(path),
        )
    asked = {*(channels or ())}
    triggers = [one for one in file.signals if one.label == trigger_channel or _is_trigger(one)]
    signals = [one for one in file.signals if one not in triggers or one.label in asked]
    if not signals:
        raise RecordingError(f"{path.name} holds no signal", path=str(path))
    rate_hz, said = _choose_rate(signals, asked)
    used = [one for one in signals if one.sampling_frequency == rate_hz]
    samples = np.stack([one.data for one in used], axis=1).astype(np.float64)
    names = [_kind_and_label(one.label) for one in used]
    events = [Event(note.onset, note.text) for note in file.annotations]
    for trigger in triggers:
        times = np.arange(len(trigger.digital)) / trigger.sampling_frequency
        events += TriggerReader().read(trigger.digital, times)
    return EdfContents(
        rate_hz,
        tuple(label for _, label in names),
        tuple(one.physical_dimension for one in used),
        tuple(kind for kind, _ in names),
        samples,
        tuple(sorted(events, key=lambda event: event.time)),
        tuple(said),
    )


def _is_trigger(signal: Any) -> bool:
    """Whether a channel is called by what codes of triggers are kept in."""
    return TRIGGER_LABEL.fullmatch(signal.label.strip()) is not None


def _choose_rate(signals: Sequence[Any], asked: set[str]) -> tuple[float, list[str]]:
    """Choose the rate of what is asked for, or of most that may be EEG."""
    wanted = [one for one in signals if {one.label, _kind_and_label(one.label)[1]} & asked]
    candidates = wanted or [one for one in signals if _may_be_eeg(one)] or signals
    rates = Counter(float(one.sampling_frequency) for one in candidates)
    rate_hz = max(rates, key=lambda rate: (rates[rate], rate))
    others = [one.label for one in signals if one.sampling_frequency != rate_hz]
    if not others:
        return rate_hz, []
    warning = (
        f"{', '.join(others)}: left out, for their rate is not the {rate_hz:g} Hz of the others; "
        "name in channels what is to be used"
    )
    return rate_hz, [warning]


def _may_be_eeg(signal: Any) -> bool:
    kind, label = _kind_and_label(signal.label)
    if kind:
        return kind in _BRAIN_KINDS
    unit = signal.physical_dimension
    return microvolts_per_unit(unit) is not None and not is_other(label, unit, kind)


def _kind_and_label(label: str) -> tuple[str, str]:
    """Split ``EEG Fp1``; some files fill labels up with dots."""
    kind = _KIND.match(label)
    name = label[kind.end() :] if kind else label
    return (kind.group(1).upper() if kind else ""), name.strip().rstrip(".")
