"""Forty targets and a simulated participant: what each decoder reads, by length of the window.

Six blocks of forty trials, nine channels; each block is decoded by a fit to the other five (the
decoder that needs no fit decodes the same trials). Sub-bands and harmonics are the presets'. The
levels are the simulation's; what may be compared is the order. A rate is that of each block, then
averaged, as papers do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from decoders.metrics import accuracy_interval, itr_bits_per_min
from decoders.ssvep.ecca import ECCA
from decoders.ssvep.fbcca import FBCCA, FbccaSettings
from decoders.ssvep.selector import filtered_windows
from decoders.ssvep.tdca import TDCA
from decoders.ssvep.templates import TemplateEstimator, TemplateSettings
from decoders.ssvep.trca import ETRCA
from service.config import load_config
from streams.chunk import FloatArray
from streams.ssvep_participant import SsvepParticipant

N_BLOCKS = 6
WINDOWS_S = (0.3, 0.5, 0.8, 1.0)
#: Between a decision and the next onset.
GAZE_SHIFT_S = 0.5
#: Name in the table, estimator, preset, and what is changed in its settings.
CALIBRATED: tuple[tuple[str, type[TemplateEstimator[Any]], str, dict[str, Any]], ...] = (
    ("eCCA", ECCA, "ecca-40", {}),
    ("eTRCA", ETRCA, "etrca-40", {}),
    ("ms-eTRCA", ETRCA, "etrca-40", {"n_neighbours": 2}),
    ("TDCA", TDCA, "tdca-40", {}),
)


def speller(
    n_people: int = 2, windows_s: Sequence[float] = WINDOWS_S, say: Callable[[str], None] = print
) -> dict[str, Any]:
    """Score every decoder on people of seeds 0, 1, ...; ``rows`` has one for each and length."""
    rows = []
    for window_s in windows_s:
        right: dict[str, list[int]] = {}
        people = [SsvepParticipant(seed=seed) for seed in range(n_people)]
        for one in people:
            epochs = one.epochs(N_BLOCKS, window_s)
            for name, found in _rights(epochs, window_s, one.rate_hz).items():
                right.setdefault(name, []).extend(found)
        n_targets = len(people[0].targets)
        decision_s = people[0].latency_s + window_s
        for name, blocks in right.items():
            n, total = len(blocks) * n_targets, sum(blocks)
            rates = [
                itr_bits_per_min(
                    n_targets, found / n_targets, decision_s, gaze_shift_s=GAZE_SHIFT_S
                )
                for found in blocks
            ]
            row = {"decoder": name, "window_s": window_s, "accuracy": total / n, "n_trials": n}
            rate = float(np.mean(rates))
            rows.append(row | {"interval": accuracy_interval(total, n), "itr_bits_per_min": rate})
            say(f"{window_s:g} s  {name:9} {total / n:.3f}  {rate:.0f} bits/min")
    return {"n_people": n_people, "n_blocks": N_BLOCKS, "gaze_shift_s": GAZE_SHIFT_S, "rows": rows}


def _rights(epochs: FloatArray, window_s: float, rate_hz: float) -> dict[str, list[int]]:
    """Count what each decoder reads rightly in each block of (n_blocks, n_targets, ...) epochs."""
    n_blocks, n_targets = epochs.shape[:2]
    flat = epochs.reshape(-1, *epochs.shape[2:])
    wanted = np.arange(n_targets)
    plain = load_config("fbcca-40").decoder
    assert isinstance(plain, FbccaSettings)
    scores = FBCCA(plain.at(window_s), rate_hz).decision_function(flat)
    told = scores.argmax(axis=1).reshape(n_blocks, n_targets)
    found = {"FBCCA": (told == wanted).sum(axis=1).tolist()}
    for name, estimator, preset, changes in CALIBRATED:
        settings = load_config(preset).decoder
        assert isinstance(settings, TemplateSettings)
        one = estimator(settings.at(window_s).model_copy(update=changes), rate_hz)
        windows = filtered_windows(one.settings, flat, rate_hz)
        trials = windows.reshape(n_blocks, n_targets, *windows.shape[1:]).swapaxes(0, 1)
        found[name] = []
        for block in range(n_blocks):
            arrays = one.learned(np.delete(trials, block, axis=1))
            told = np.array([one.scores(arrays, window).argmax() for window in trials[:, block]])
            found[name].append(int((told == wanted).sum()))
    return found
