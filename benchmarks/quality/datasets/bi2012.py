"""Brain Invaders 2012, the training run of one person: 17 channels, 128 Hz.

``data`` (samples, channels; microvolts) and ``stim``: 1 where a flash without the target begins, 2
where one with it does. F4 and Cz are bad in this run, and the first seconds hold the amplifier's
transient.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from volition.benchmarks.quality.contract.coded import CodedDataset, CodedFold
from volition.benchmarks.quality.datasets.flashes_alone import SETTINGS, marked
from volition.chunk import SignalSpec
from volition.streams.files.npz import only_archive, read_arrays
from volition.streams.files.recording import Recording

RATE_HZ = 128.0
LABELS = (
    *("F7", "F3", "Fz", "F4", "F8", "T7", "C3", "Cz", "C4", "T8"),
    *("P7", "P3", "Pz", "P4", "P8", "O1", "O2"),
)
#: Bad in this run, by its own card.
BAD = ("F4", "Cz")
BLOCKS = 5


def load(root: Path) -> Iterator[CodedFold]:
    """Give each fifth of the flashes with the others to learn from."""
    path = only_archive(root, "bi2012")
    arrays = read_arrays(path, ("data", "stim"))
    stim = arrays["stim"]
    flashes = np.flatnonzero((stim > 0) & (np.concatenate([[0], stim[:-1]]) == 0))
    kept = [number for number, label in enumerate(LABELS) if label not in BAD]
    samples = arrays["data"][:, kept].astype(np.float64)
    whole = Recording(
        SignalSpec(RATE_HZ, tuple(LABELS[number] for number in kept)),
        samples,
        np.arange(len(samples)) / RATE_HZ,
        marked(flashes / RATE_HZ, stim[flashes] == 2),
        {"file": path.name},
    )
    for number, block in enumerate(np.array_split(flashes, BLOCKS), 1):
        first_s, last_s = block[0] / RATE_HZ, block[-1] / RATE_HZ
        inside = [event for event in whole.events if first_s <= event.time <= last_s]
        outside = [event for event in whole.events if event not in inside]
        # What is learned from is the same signal without the flashes of the block.
        train = dataclasses.replace(whole, events=tuple(outside))
        test = dataclasses.replace(
            whole, events=(whole.events[0], *(e for e in inside if e != whole.events[0]))
        )
        yield CodedFold(f"block {number}", "subject 1", (train,), test, {}, scored_from=first_s)


DATASET = CodedDataset(
    name="bi2012",
    summary="Brain Invaders, training run of one person: 17 channels, 128 Hz (Van Veen et al.)",
    licence="MIT",
    load=load,
    protocol="five blocks of flashes, each scored by what the other four taught",
    measure="flashes",
    settings=SETTINGS,
)
