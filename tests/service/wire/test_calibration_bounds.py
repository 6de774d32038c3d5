"""What a calibration is asked for with is bounded: in bytes, in depth, in number and in time."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from volition.service.wire.calibrations import GuidedPlan
from volition.service.wire.served import CalibrationBody

DEEP: Any = 1
for _ in range(20):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    ("targets", "why"),
    [
        ([{"a": "y" * 17_000}], "larger than 16384 bytes"),
        ([{"a": "y" * 10_000}] * 7, "larger than 65536 bytes"),
        ([{"a": DEEP}], "nested more than 16 deep"),
        ([{"a": "\ud83d"}], "lone surrogate"),
        ([{"a": float("nan")}], "a number that JSON cannot hold"),
        ([{}] * 257, "at most 256"),
    ],
)
def test_the_targets_of_a_plan_hold_what_markers_may(targets: list[Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        GuidedPlan(targets=targets)
    GuidedPlan(targets=[{"target": "left", "position": [1.0, 2.0], "radius": 1.5}] * 256)


def test_trials_do_not_follow_each_other_faster_than_the_service_can_tell_of_them() -> None:
    with pytest.raises(ValidationError, match=r"lasts 0\.05 s at least"):
        GuidedPlan(cue_s=0, trial_s=0.001, pause_s=0)
    GuidedPlan(cue_s=0, trial_s=0.05, pause_s=0)


@pytest.mark.parametrize("options", [{f"k{n}": 1.0 for n in range(65)}, {"k" * 65: 1.0}])
def test_options_are_few_and_their_names_short(options: dict[str, float]) -> None:
    with pytest.raises(ValidationError, match="at most 64"):
        CalibrationBody(name="m", options=options)
