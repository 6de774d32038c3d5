"""Logs of MindAffect's BCI: every frame of the display, and the packets as they came; 4 channels.

``rc5x5`` (25 letters by rows and columns), ``noisetag_example``, ``noisetag3x3_*`` (noise tags):
``eeg`` (samples, channels; 200 Hz nominal), ``packet_server_ms`` and ``packet_n`` (when packets
came and how many samples each held), ``frame_server_ms``, ``frame_state`` (frames, objects; -1
absent; object 0 is the true target), ``newtarget_ms`` and ``mode``. Only the supervised calibration
is used, for there the target is known.

A decoder is shown each frame's state as a marker at its time, and the samples in the packets in
which they came. Samples lie in time on the line of the least late packets, as the inlet lays them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from volition.benchmarks.quality.contract.coded import CodedDataset, CodedFold
from volition.chunk import Event, FloatArray, SignalSpec
from volition.decoders.codes.book import CodeBook
from volition.errors import RecordingError
from volition.streams.files.npz import archives, read_arrays
from volition.streams.files.recording import TRIAL_START, Recording

RATE_HZ = 200.0
TRIAL_S = 4.2
_NEEDED = (
    *("eeg", "packet_server_ms", "packet_n", "frame_server_ms", "frame_state"),
    *("newtarget_ms", "mode_ms", "mode"),
)
#: Inputs that follow the target's light within 10 ms: a sensor on the screen, and no EEG.
_SENSORS = {"noisetag3x3_b": (3,), "noisetag3x3_d": (3,)}


def load(root: Path) -> Iterator[CodedFold]:
    """Give each trial of each log, with the log's other trials to learn from."""
    paths = archives(root)
    if not paths:
        raise RecordingError(
            f"noisetag_logs needs a folder of .npz logs at {root}; found none", root=str(root)
        )
    for path in paths:
        yield from _folds(path.stem, read_arrays(path, _NEEDED))


def _folds(name: str, arrays: dict[str, Any]) -> Iterator[CodedFold]:
    times = _sample_times(arrays)
    items = _shown_items(arrays)
    trials = _trials(arrays, items)
    book = CodeBook.model_validate(
        {"items": [f"{number}" for number in items], "code": {"kind": "single"}}
    )
    kept = [place for place in range(arrays["eeg"].shape[1]) if place not in _SENSORS.get(name, ())]
    spec = SignalSpec(RATE_HZ, tuple(f"EEG{place + 1}" for place in kept))
    samples = arrays["eeg"][:, kept].astype(np.float64)
    whole = Recording(spec, samples, times, (), {"file": name})
    for number, tested in enumerate(trials):
        others = [event for place, one in enumerate(trials) if place != number for event in one]
        train = dataclasses.replace(whole, events=tuple(others))
        first_s, last_s = tested[0].time - 3.0, tested[-1].time + 1.0
        test = dataclasses.replace(whole, events=tuple(tested)).between(first_s, last_s)
        yield CodedFold(
            name,
            name,
            (train,),
            test,
            {"book": book, "convention": "volition", "step_hz": None},
            packets=_packets(arrays, int(np.searchsorted(times, first_s)), len(test)),
        )


def _packets(arrays: dict[str, Any], first: int, n_samples: int) -> tuple[int, ...]:
    """Give how many samples each packet held, of ``n_samples`` from ``first`` on."""
    ends = np.clip(np.cumsum(arrays["packet_n"]) - first, 0, n_samples)
    held = np.diff(ends, prepend=0)
    return tuple(int(n) for n in held if n)


def _sample_times(arrays: dict[str, Any]) -> FloatArray:
    """Lay the samples out in time, by their packets."""
    stamps = np.repeat(arrays["packet_server_ms"] / 1000.0, arrays["packet_n"])
    n_samples = len(arrays["eeg"])
    stamps = stamps[:n_samples]
    numbers = np.arange(len(stamps))
    # The least late packets lie on a line; the others came behind it.
    slope, start = np.polyfit(numbers, stamps, 1)
    for _ in range(3):
        late = stamps - (start + slope * numbers)
        early = late <= np.quantile(late, 0.3)
        slope, start = np.polyfit(numbers[early], stamps[early], 1)
    result: FloatArray = start + slope * np.arange(n_samples)
    return result


def _shown_items(arrays: dict[str, Any]) -> list[int]:
    """Give the columns of the objects that flash in the calibration, but for the target's own."""
    first_s, last_s = arrays["newtarget_ms"][0] / 1000.0, _calibration_end_s(arrays)
    frames_s = arrays["frame_server_ms"] / 1000.0
    asked = arrays["frame_state"][(frames_s >= first_s) & (frames_s < last_s)]
    lit = (asked > 0).any(axis=0)
    return [place for place in range(1, len(lit)) if lit[place]]


def _calibration_end_s(arrays: dict[str, Any]) -> float:
    """Give when the calibration ended: at the next mode, or with the last frame."""
    is_asked = False
    for time_ms, mode in zip(arrays["mode_ms"], arrays["mode"], strict=True):
        if str(mode).startswith("Calibration.supervised"):
            is_asked = True
        elif is_asked:
            return float(time_ms) / 1000.0
    return float(arrays["frame_server_ms"][-1]) / 1000.0 + 1.0


def _trials(arrays: dict[str, Any], items: list[int]) -> list[list[Event]]:
    """Give the events of each trial of the calibration: its onset, its frames and its end."""
    frames_s = arrays["frame_server_ms"] / 1000.0
    states = arrays["frame_state"] > 0
    starts = arrays["newtarget_ms"] / 1000.0
    end_s = _calibration_end_s(arrays)
    found = []
    for start_s, next_s in zip(starts, [*starts[1:], end_s], strict=True):
        if start_s >= end_s:
            break
        inside = np.flatnonzero((frames_s >= start_s) & (frames_s < min(next_s, end_s)))
        runs = inside[states[inside].any(axis=1)] if len(inside) else inside
        if not len(runs):
            continue
        onset_s = float(frames_s[runs[0]])
        inside = inside[(inside >= runs[0]) & (frames_s[inside] <= onset_s + TRIAL_S)]
        target = _target(states[inside], items)
        if target is None or frames_s[inside[-1]] < onset_s + TRIAL_S / 2:
            continue
        onset = Event(onset_s, TRIAL_START, {"target": f"{target}"})
        flashes = [Event(float(frames_s[frame]), _marker(states[frame, items])) for frame in inside]
        found.append([onset, *flashes])
    return found


def _target(states: np.ndarray, items: list[int]) -> int | None:
    """Give the item whose states are the true target's own."""
    same = [(states[:, item] == states[:, 0]).mean() for item in items]
    best = int(np.argmax(same))
    return items[best] if same[best] > 0.98 else None


def _marker(on: np.ndarray) -> str:
    return f"items {','.join(map(str, np.flatnonzero(on)))}".rstrip()


DATASET = CodedDataset(
    name="noisetag_logs",
    summary="letters by rows and columns and by noise tags: logs of single frames, 4 channels",
    licence="MIT",
    load=load,
    protocol="each trial of a log's calibration is scored by what its other trials taught",
    at_s=(1.0, 2.0, 4.0),
)
