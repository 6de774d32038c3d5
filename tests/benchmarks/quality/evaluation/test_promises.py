"""Calibrations that state an accuracy are held to the next recording."""

from __future__ import annotations

from typing import Any

import pytest

from volition.benchmarks.quality.evaluation.promises import kept


def report(*found: tuple[str, float | None, float | None]) -> dict[str, Any]:
    return {"per_recording": {name: {"promised": a, "accuracy": b} for name, a, b in found}}


def test_the_gap_is_of_recordings_that_a_calibration_went_before() -> None:
    answer = kept(
        report(
            ("S01_r1", None, 0.1),
            ("S01_r2", 0.9, 0.8),
            ("S02_r2", 0.8, 0.5),
            ("S03_r2", 0.7, 0.7),
            ("S03_r3", 0.6, None),
        )
    )
    assert answer["n_recordings"] == 3
    assert answer["gap"] == pytest.approx(-0.4 / 3)
    assert answer["interval"][0] <= answer["gap"] <= answer["interval"][1]
    assert answer["rank_correlation"] == pytest.approx(0.5)
    assert answer["worst"] == {"recording": "S02_r2", "promised_given": (0.8, 0.5)}


def test_without_such_a_recording_nothing_is_said() -> None:
    answer = kept(report(("S01_r1", None, 0.5)))
    assert answer["n_recordings"] == 0
    assert answer["gap"] is None
    assert answer["worst"] is None
