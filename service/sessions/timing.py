"""Where a chunk's time went: percentiles and histograms of the steps, cheap enough for every chunk.

The steps of one intent, in order, each from the end of the one before:

- ``lsl``: from the LSL time of the newest sample to the moment the inlet gave it
- ``stages``, ``decoder``: the pipeline
- ``encode``: from decoded to handed to the bus
- ``bus``: from handed to the bus to read by the gateway (measured there)

What remains until a client has it (``socket``) only the client can measure.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from typing import Any

import numpy as np

STEPS = ("lsl", "stages", "decoder", "encode", "bus")

#: Upper bounds of the histogram's buckets, seconds.
BUCKETS_S = (
    0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0,
)  # fmt: skip

_KEPT = 4096


class StepTimes:
    """The last few thousand durations of one step, and counts of all of them."""

    __slots__ = ("_ring", "counts", "n", "sum_s")

    def __init__(self) -> None:
        # An array, not a list: it takes no more memory when it is full than when it is made.
        self._ring = array("d", bytes(8 * _KEPT))
        self.n = 0
        self.sum_s = 0.0
        self.counts = [0] * (len(BUCKETS_S) + 1)

    def add(self, duration_s: float) -> None:
        self._ring[self.n % _KEPT] = duration_s
        self.n += 1
        self.sum_s += duration_s
        self.counts[bisect_left(BUCKETS_S, duration_s)] += 1

    def percentiles_ms(self) -> dict[str, float]:
        """Give p50, p90, p99 and max of the durations kept, in milliseconds."""
        kept = self._ring[: min(self.n, _KEPT)]
        if not kept:
            return {}
        p50, p90, p99 = np.percentile(kept, (50, 90, 99))
        return {
            "p50": round(float(p50) * 1e3, 4),
            "p90": round(float(p90) * 1e3, 4),
            "p99": round(float(p99) * 1e3, 4),
            "max": round(max(kept) * 1e3, 4),
        }

    def report(self) -> dict[str, Any]:
        """Give the counts of all durations as plain data."""
        return {"n": self.n, "sum_s": self.sum_s, "counts": self.counts}
