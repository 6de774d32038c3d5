"""A slower build is told from a slower machine."""

from __future__ import annotations

import numpy as np
import pytest

from volition.benchmarks.speed.compare import compare


def report(*ratios: float) -> dict[str, list[float]]:
    return {"ratio_p50_by_round": list(ratios)}


def test_the_same_figures_are_no_slower() -> None:
    same = report(1.1, 1.2, 1.15, 1.12)
    assert compare(same, same)["ratio"] == 1.0
    assert not compare(same, same)["slower"]


def test_half_as_fast_is_slower() -> None:
    verdict = compare(report(1.0, 1.1, 1.05, 1.02), report(2.1, 2.0, 2.05, 2.2))
    assert verdict["slower"]
    assert verdict["ratio"] == pytest.approx(2.0, rel=0.05)
    assert verdict["interval"][0] > 1.5


def test_noise_alone_is_not_called_slower() -> None:
    random = np.random.default_rng(1)
    verdicts = [
        compare(report(*random.normal(1.2, 0.2, 6)), report(*random.normal(1.2, 0.2, 6)))["slower"]
        for _ in range(40)
    ]
    assert sum(verdicts) <= 4
