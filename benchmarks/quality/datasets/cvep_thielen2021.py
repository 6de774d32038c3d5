"""Thielen et al. 2021: twenty noise tags, 100 trials of 10.5 s a person; 8 channels, 240 Hz.

Three people's files, ``thielen2021_sub-01.npz`` ...: ``X`` (trials, channels, samples; volts,
filtered by the authors), ``y`` (items) and ``V`` (the codes at the signal's rate, four samples a
bit). A trial begins with its code; before it there is a pause, at which a decoder begins anew.

J. Thielen, P. Marsman, J. Farquhar, P. Desain, "From full calibration to zero training for a
code-modulated visual evoked potentials for brain-computer interface", J. Neural Eng. 18:056007,
2021.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from volition.benchmarks.quality.contract.coded import CodedDataset, CodedFold
from volition.chunk import Event, SignalSpec
from volition.decoders.codes.book import CodeBook
from volition.errors import RecordingError
from volition.streams.files.npz import archives, read_arrays
from volition.streams.files.recording import TRIAL_START, Recording

_BITS_HZ = 60.0
_PAUSE_S = 2.0
_MICROVOLTS = 1e6
#: Number of a person's first trials that are learned from; the later ones are scored.
CALIBRATION_TRIALS = 20
FEW_TRIALS = 5


def _recording(name: str, trials: np.ndarray, items: np.ndarray, rate_hz: float) -> Recording:
    """Lay trials out one after the other, each behind a pause."""
    n_trials, n_channels, n_samples = trials.shape
    apart_s = n_samples / rate_hz + _PAUSE_S
    onsets = apart_s * np.arange(n_trials)
    times = (onsets[:, None] + np.arange(n_samples) / rate_hz).ravel()
    events = tuple(
        Event(float(onset), TRIAL_START, {"target": f"{item + 1}"})
        for onset, item in zip(onsets, items, strict=True)
    )
    samples = _MICROVOLTS * trials.transpose(0, 2, 1).reshape(-1, n_channels).astype(np.float64)
    spec = SignalSpec(rate_hz, tuple(f"EEG{number}" for number in range(1, n_channels + 1)))
    return Recording(spec, samples, times, events, {"file": name})


def _people(root: Path) -> Iterator[tuple[str, np.ndarray, np.ndarray, CodeBook, float]]:
    paths = archives(root)
    if not paths:
        raise RecordingError(
            f"cvep_thielen2021 needs a folder of .npz files (X, y, V, fs) at {root}; found none",
            root=str(root),
        )
    for path in paths:
        arrays = read_arrays(path, ("X", "y", "V", "fs"))
        rate_hz = float(arrays["fs"])
        bits = arrays["V"][:, :: round(rate_hz / _BITS_HZ)].astype(int)
        book = CodeBook.model_validate(
            {
                "items": [f"{number + 1}" for number in range(len(bits))],
                "code": {"kind": "matrix", "rows": ["".join(map(str, row)) for row in bits]},
            }
        )
        yield path.stem, arrays["X"], arrays["y"].astype(int), book, rate_hz


def load(root: Path, *, n_first: int = CALIBRATION_TRIALS) -> Iterator[CodedFold]:
    """Give each person: the first trials to learn from, all after `CALIBRATION_TRIALS` to score."""
    for name, trials, items, book, rate_hz in _people(root):
        first = slice(0, n_first)
        tested = slice(CALIBRATION_TRIALS, None)
        yield CodedFold(
            name,
            name,
            (_recording(name, trials[first], items[first], rate_hz),),
            _recording(name, trials[tested], items[tested], rate_hz),
            {"book": book, "step_hz": _BITS_HZ},
        )


#: Without a calibration each trial is judged once, at its end; weights chosen on these people.
_UNSUPERVISED = {
    "learning": "unsupervised",
    "start_weight": 0.01,
    "n_components": 1,
    "whitening_s": 0.0,
    "step_s": 4.2,
    "min_s": 4.2,
    "max_s": 4.2,
    "idle_log_odds": -1e9,
    "stopping": None,
}


def load_others(root: Path) -> Iterator[CodedFold]:
    """Give each person: the other people's trials to learn from."""
    people = list(_people(root))
    for name, trials, items, book, rate_hz in people:
        others = tuple(
            _recording(other, theirs, asked, rate_hz)
            for other, theirs, asked, _, _ in people
            if other != name
        )
        tested = slice(CALIBRATION_TRIALS, None)
        yield CodedFold(
            name,
            name,
            others,
            _recording(name, trials[tested], items[tested], rate_hz),
            {"book": book, "step_hz": _BITS_HZ, **_UNSUPERVISED},
        )


_ABOUT = "20 noise tags (modulated Gold codes): 8 channels, 240 Hz (Thielen et al. 2021)"
_LICENCE = "BSD-3-Clause"
_AT_S = (1.05, 2.1, 4.2)

DATASET = CodedDataset(
    name="cvep_thielen2021",
    summary=_ABOUT,
    licence=_LICENCE,
    load=load,
    protocol=f"a person's first {CALIBRATION_TRIALS} trials calibrate, the other 80 are scored",
    at_s=_AT_S,
)
FEW = CodedDataset(
    name="cvep_thielen2021_few",
    summary=f"the same, calibrated on {FEW_TRIALS} trials",
    licence=_LICENCE,
    load=functools.partial(load, n_first=FEW_TRIALS),
    protocol=f"a person's first {FEW_TRIALS} trials calibrate, the last 80 are scored",
    at_s=_AT_S,
)
OTHERS = CodedDataset(
    name="cvep_thielen2021_others",
    summary="the same, with no calibration of the person's own",
    licence=_LICENCE,
    load=load_others,
    protocol="the other people's trials are the start, every selection is learned from without "
    "being told whether it was right; a person's last 80 trials are scored, at 4.2 s",
)
