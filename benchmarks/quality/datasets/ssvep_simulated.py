"""Eight simulated people before the lights of ssvep_exo, at moments and in an order drawn by seed.

`volition.streams.simulated.ssvep_participant` makes them, none of whom any decoder was chosen on.
Unlike the people of ssvep_exo they have rest between the flickers and not before them. Nothing is
read from a folder.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from volition.benchmarks.quality.contract.trials import Trial, TrialDataset, TrialRecording
from volition.streams.files.recording import TRIAL_START
from volition.streams.simulated.ssvep_participant import Flicker, SsvepParticipant

LABELS = ("Oz", "O1", "O2", "PO3", "POz", "PO7", "PO8", "PO4")
FREQS_HZ = (13.0, 17.0, 21.0)
N_PEOPLE, N_TURNS, TRIAL_S = 8, 8, 5.0


def load(
    root: Path, *, channels: Sequence[str] | None = None, units: str | None = None
) -> Iterator[TrialRecording]:
    """Make every person's recording; the folder, channels and units say nothing here."""
    del root, channels, units
    for seed in range(N_PEOPLE):
        person = SsvepParticipant(
            seed=seed, rate_hz=256.0, labels=LABELS, targets=tuple(map(Flicker, FREQS_HZ))
        )
        order = np.random.default_rng(seed).permutation(N_TURNS * (len(FREQS_HZ) + 1)) // N_TURNS
        asked = [None if one == len(FREQS_HZ) else int(one) for one in order]
        recording = person.record(asked, trial_s=TRIAL_S)
        trials = tuple(
            Trial(event.time, float(event.data["freq_hz"]))
            for event in recording.events
            if event.name == TRIAL_START
        )
        yield TrialRecording(f"S{seed:02}_simulated", seed, recording, trials, TRIAL_S)


DATASET = TrialDataset(
    name="ssvep_simulated",
    summary="simulated people before lights at 13, 17 and 21 Hz, and rest, in a drawn order",
    load=load,
)
