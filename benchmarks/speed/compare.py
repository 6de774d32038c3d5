"""Judge two latency reports by ratio, never by absolute times.

Each report measured the floor in turns with the service, so the ratio of a round to its own floor
stands for the code and not for the machine's mood. The two sets of per-round ratios are compared by
the ratio of their medians with a bootstrap interval.
"""

from __future__ import annotations

from typing import Any

import numpy as np

#: Slower by less than this is not worth stopping for, however certain.
_TOLERANCE = 1.05
_RESAMPLES = 4000


def compare(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """Compare ``ratio_p50_by_round`` of two reports.

    Returns
    -------
    dict
        ``ratio`` (after over before; above 1 is slower), its 95 % ``interval``, and ``slower``:
        whether the whole interval lies above 1 and the ratio above the tolerance.
    """
    old, new = (np.array(report["ratio_p50_by_round"]) for report in (before, after))
    random = np.random.default_rng(0)
    ratios = np.median(random.choice(new, (_RESAMPLES, len(new))), axis=1) / np.median(
        random.choice(old, (_RESAMPLES, len(old))), axis=1
    )
    low, high = np.percentile(ratios, (2.5, 97.5))
    ratio = float(np.median(new) / np.median(old))
    return {
        "ratio": round(ratio, 4),
        "interval": [round(float(low), 4), round(float(high), 4)],
        "slower": bool(low > 1 and ratio > _TOLERANCE),
    }
