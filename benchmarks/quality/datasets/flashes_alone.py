"""Recordings of which only the flashes are known: when, and whether each held what was attended."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from volition.chunk import Event, FloatArray
from volition.decoders.codes.book import CodeBook
from volition.streams.files.recording import TRIAL_START

#: A book in which any flash can be told: nothing is said of items. An attempt lasts throughout.
SETTINGS = {
    "book": CodeBook.model_validate(
        {"items": ["flashed", "not flashed"], "code": {"kind": "single"}}
    ),
    "convention": "volition",
    "step_hz": None,
    "stopping": None,
    "max_s": 600.0,
    "max_flashes": 1000,
}


def marked(times: FloatArray, is_target: Sequence[bool] | np.ndarray) -> tuple[Event, ...]:
    """Give the events of flashes at these times, behind one onset; their data hold the answers."""
    begin = Event(max(0.0, float(times[0]) - 0.5), TRIAL_START, {})
    flashes = (
        Event(float(time), "step 0", {"target": bool(told)})
        for time, told in zip(times, is_target, strict=True)
    )
    return (begin, *flashes)
