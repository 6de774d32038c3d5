"""A row and column speller, three people: 8 channels, 250 Hz (g.tec, BR41N.IO hackathon 2021).

One ``.npz`` a person: eeg (channels, samples), scale_uV, fs, ch_names, and trig: +1 where a flash
begins that held the letter asked for, -1 where another does. Which row or column it was is not
known, so flashes are scored one by one.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from volition.benchmarks.quality.contract.coded import CodedDataset, CodedFold
from volition.benchmarks.quality.datasets.flashes_alone import SETTINGS, marked
from volition.chunk import SignalSpec
from volition.errors import RecordingError
from volition.streams.files.npz import archives, read_arrays
from volition.streams.files.recording import Recording

#: Share of the flashes, in order of time, that is learned from; the rest is scored.
TRAIN_SHARE = 0.6


def load(root: Path) -> Iterator[CodedFold]:
    """Give each person."""
    paths = archives(root)
    if not paths:
        raise RecordingError(
            f"p300_speller needs a folder of .npz files (eeg, scale_uV, fs, ch_names, trig) at "
            f"{root}; found none",
            root=str(root),
        )
    for path in paths:
        arrays = read_arrays(path, ("eeg", "scale_uV", "fs", "ch_names", "trig"))
        rate_hz = float(arrays["fs"])
        samples = arrays["eeg"].T.astype(np.float64) * float(arrays["scale_uV"])
        flashes = np.flatnonzero(arrays["trig"])
        whole = Recording(
            SignalSpec(rate_hz, tuple(map(str, arrays["ch_names"]))),
            samples,
            np.arange(len(samples)) / rate_hz,
            marked(flashes / rate_hz, arrays["trig"][flashes] > 0),
            {"file": path.name},
        )
        split_s = float(flashes[round(TRAIN_SHARE * len(flashes))] / rate_hz)
        train = whole.between(0.0, split_s)
        yield CodedFold(path.stem, path.stem, (train,), whole, {}, scored_from=split_s)


DATASET = CodedDataset(
    name="p300_speller",
    summary="a speller by rows and columns: 3 people, 8 channels, 250 Hz (g.tec, 2021)",
    load=load,
    protocol="a person's first 60 % of the flashes are learned from, the last 40 % scored",
    measure="flashes",
    settings=SETTINGS,
)
