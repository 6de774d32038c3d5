"""Oddball pictures before a Muse headband: one person, three sessions; 4 dry electrodes, 256 Hz.

``visual-P300-subject1-session1-...npz``: ``eeg`` (samples, channels; microvolts), ``channels``,
``fs``, ``marker``: 1 where a common picture appears, 2 where a rare one does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from volition.benchmarks.quality.contract.coded import CodedDataset, CodedFold
from volition.benchmarks.quality.datasets.flashes_alone import SETTINGS, marked
from volition.chunk import SignalSpec
from volition.errors import RecordingError
from volition.streams.files.npz import read_arrays
from volition.streams.files.recording import Recording

_NAME = re.compile(r"visual-P300-subject1-(session\d+)-.*\.npz")
#: The headband's own electrodes; a fifth input was connected in some sessions only.
_N_CHANNELS = 4


def load(root: Path) -> Iterator[CodedFold]:
    """Give each file with the others of its session to learn from."""
    sessions: dict[str, list[Recording]] = {}
    for path in sorted(root.glob("visual-P300-*.npz")) if root.is_dir() else []:
        named = _NAME.fullmatch(path.name)
        if named is not None:
            sessions.setdefault(named[1], []).append(_read(path))
    if not sessions:
        raise RecordingError(
            f"muse_erp needs a folder with files visual-P300-subject1-session*.npz at {root}; "
            "found none",
            root=str(root),
        )
    for session, recordings in sessions.items():
        for tested in recordings:
            others = tuple(one for one in recordings if one is not tested)
            yield CodedFold(session, "subject 1", others, tested, {})


def _read(path: Path) -> Recording:
    arrays = read_arrays(path, ("eeg", "channels", "fs", "marker"))
    rate_hz = float(arrays["fs"])
    marker = arrays["marker"][:, 0]
    shown = np.flatnonzero((marker > 0) & (np.concatenate([[0], marker[:-1]]) == 0))
    samples = arrays["eeg"][:, :_N_CHANNELS].astype(np.float64)
    return Recording(
        SignalSpec(rate_hz, tuple(map(str, arrays["channels"][:_N_CHANNELS]))),
        samples,
        np.arange(len(samples)) / rate_hz,
        marked(shown / rate_hz, marker[shown] == 2),
        {"file": path.name},
    )


DATASET = CodedDataset(
    name="muse_erp",
    summary="rare and common pictures before a headband: 1 person, 4 dry electrodes, 256 Hz",
    licence="BSD-3-Clause",
    load=load,
    protocol="each file scored by what the other files of its session taught",
    measure="flashes",
    settings=SETTINGS,
)
