from __future__ import annotations

from typing import Any

import pytest

from volition.benchmarks.quality.simulated.closed_loop import OFFSET_SD, closed_loop
from volition.benchmarks.quality.simulated.cursor_decoders import (
    DECODERS,
    DecoderName,
    calibrate,
    guide,
    play_trials,
)
from volition.service.calibration.cursor_fit import Calibrated
from volition.service.calibration.cursor_guide import Pace
from volition.streams.simulated.cursor_participant import CursorParticipant, CursorSitting
from volition.streams.simulated.cursor_tasks import scores, usual_task

PERSON = CursorParticipant(seed=1)
TASK = usual_task("radial-8")


@pytest.fixture(scope="module")
def calibrated() -> dict[DecoderName, Calibrated]:
    return {name: calibrate(name, PERSON, seconds=60.0) for name in DECODERS}


def played(found: Calibrated, n_trials: int, offset_sd: float = 0.0) -> dict[str, Any]:
    sitting = CursorSitting(PERSON, TASK, sitting=1)
    if offset_sd:
        sitting.population.disturb(sitting.population.best_unit, offset_sd)
    play_trials(found.decoder(), sitting, n_trials)
    return scores(sitting.trials, TASK)


def test_with_every_decoder_a_person_reaches_the_targets_and_no_two_are_alike(
    calibrated: dict[DecoderName, Calibrated],
) -> None:
    found = {name: played(one, 40) for name, one in calibrated.items()}
    for one in found.values():
        assert one["success"] >= 0.95
        assert one["fitts_bits_per_s"] > 1.5
        assert one["path_efficiency"] > 0.75
    rates = {name: one["fitts_bits_per_s"] for name, one in found.items()}
    # What was learned while the cursor was steered beats what was learned by watching; eight
    # prototypes pay for their sturdiness.
    assert rates["refit"] > rates["kalman"] > rates["mk-dkf"]
    assert rates["dkf"] > rates["mk-dkf"]


def test_with_the_best_unit_five_sd_off_only_the_multiple_kernel_filter_keeps_control(
    calibrated: dict[DecoderName, Calibrated],
) -> None:
    assert played(calibrated["mk-dkf"], 40, OFFSET_SD)["success"] >= 0.9
    assert played(calibrated["kalman"], 10, OFFSET_SD)["success"] <= 0.5


def test_three_minutes_from_nothing_give_nine_tenths_of_the_rate_that_six_give() -> None:
    def rate(seconds: float, refresh_s: float) -> float:
        sitting = CursorSitting(PERSON, TASK, sitting=2)
        found = guide(sitting, DECODERS["mk-dkf"], Pace(seconds, refresh_s=refresh_s))
        return float(played(found, 40)["fitts_bits_per_s"])

    assert rate(180.0, 12.0) >= 0.9 * rate(360.0, 120.0)


@pytest.mark.slow
def test_the_loop_closes_through_the_service() -> None:
    found = closed_loop(
        ["mk-dkf"],
        n_trials=2,
        n_disturbed=1,
        participant=PERSON,
        calibration_s=30.0,
        guide_s=None,
    )
    (row,) = found["rows"]
    assert row["decoder"] == "mk-dkf"
    assert row["trials"] == 2
    assert row["success"] >= 0.5  # on a machine with other things to do
    assert row["disturbed"]["trials"] == 1
    assert row["lost"] == 0
    assert row["intents"] > 3 * TASK.hold_s / PERSON.bin_s
    assert found["calibration"] is None


@pytest.mark.slow
def test_a_calibration_from_nothing_is_guided_through_the_service() -> None:
    # In a shorter calibration a single wrong trial has it refused.
    found = closed_loop([], n_trials=2, participant=PERSON, guide_s=25.0, final_s=30.0)
    assert found["rows"] == []
    calibration = found["calibration"]
    assert calibration["models"] >= 1
    assert calibration["models_kept"] == 1
    assert calibration["targets_reached"] >= 1
    assert calibration["trials"] == 2
    assert calibration["share_of_final"] >= 0.0
