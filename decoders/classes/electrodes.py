"""Which channels of a calibration say something.

A headset of sixteen channels may have eleven electrodes that touch. A channel that is flat, railed
(it sticks at one value for much of the time) or missing for more than half of any session is left
out of the model, and so is one that moves some thirty times as much as the others. What is left has
to be there in every session.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from volition.chunk import FloatArray
from volition.decoders.fitting.calibration import BAD_TIMES, FLAT_SHARE

#: A channel that repeats its last value this often is railed, or is read more often than measured.
RAILED_SHARE = 0.5

_FRONTAL = re.compile(r"(FP|AF|F)(Z|\d{1,2})", re.IGNORECASE)


def faults(samples: FloatArray) -> dict[int, str]:
    """Say which channels of a session's samples (n_samples, n_channels) say nothing, and why."""
    steps = np.diff(samples, axis=0)
    present = np.isfinite(samples).mean(axis=0)
    found = {int(k): "missing for most of the time" for k in np.flatnonzero(present < 0.5)}
    spread = np.full(samples.shape[1], np.nan)
    still = np.zeros(samples.shape[1])
    for k in range(samples.shape[1]):
        known = steps[np.isfinite(steps[:, k]), k]
        if len(known):
            spread[k], still[k] = known.std(), (known == 0).mean()
    alive = spread[(spread > 0) & (still < RAILED_SHARE)]
    usual = float(np.median(alive)) if len(alive) else 1.0
    for k in range(samples.shape[1]):
        if k in found:
            continue
        if not spread[k] > FLAT_SHARE * usual:
            found[k] = "flat"
        elif still[k] >= RAILED_SHARE:
            found[k] = "railed"
        elif spread[k] > BAD_TIMES * usual:
            found[k] = f"moves more than {BAD_TIMES:g} times as much as the others"
    return found


def frontal(labels: Sequence[str]) -> list[int]:
    """Give the places of the electrodes over the forehead, which see the eyes."""
    return [place for place, label in enumerate(labels) if _FRONTAL.fullmatch(label)]
