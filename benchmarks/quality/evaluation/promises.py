"""What calibrations promise, and what the next recording keeps of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy

from volition.benchmarks.quality.evaluation.clustered import Clusters, ratio_interval


def promised_and_given(report: Mapping[str, Any]) -> dict[str, tuple[float, float]]:
    """Give the stated accuracy and that which came, of each recording that has both."""
    return {
        name: (one["promised"], one["accuracy"])
        for name, one in report["per_recording"].items()
        if one.get("promised") is not None and one["accuracy"] is not None
    }


def kept(report: Mapping[str, Any]) -> dict[str, Any]:
    """Set the accuracy of recordings against that which the calibration before them stated.

    Parameters
    ----------
    report
        Report of an evaluation of a calibrated decoder.

    Returns
    -------
    dict
        ``n_recordings`` that earlier ones of the same person were calibrated on; ``gap``: their
        accuracy less the stated one, its mean, with ``interval`` over people; ``rank_correlation``
        of the two, Spearman's; ``worst``: the recording that fell short by most. None where there
        are too few.
    """
    found = promised_and_given(report)
    promised, given = np.array(list(found.values())).reshape(-1, 2).T
    gaps = given - promised
    clusters = Clusters.by_name("people", [name.partition("_")[0] for name in found])
    varies = len(found) > 2 and np.ptp(promised) > 0 and np.ptp(given) > 0
    worst = list(found)[int(gaps.argmin())] if found else None
    return {
        "n_recordings": len(found),
        "gap": float(gaps.mean()) if found else None,
        "interval": ratio_interval(clusters, gaps, np.ones(len(gaps))) if found else None,
        "rank_correlation": float(scipy.stats.spearmanr(promised, given).statistic)
        if varies
        else None,
        "worst": None if worst is None else {"recording": worst, "promised_given": found[worst]},
    }
