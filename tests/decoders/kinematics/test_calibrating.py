"""Calibrating a cursor from where targets and the cursor were."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np
import pytest

from volition.chunk import Event, SignalSpec
from volition.decoders.fitting.calibration import (
    Calibrated,
    CalibrationData,
    CalibrationError,
    check_enough_to_tell,
)
from volition.decoders.registry import decoders_by_kind

RATE_HZ, TRIAL_S = 20.0, 1.0


@functools.cache
def watched(n_trials: int = 24, tuned: bool = True) -> CalibrationData:
    """A cursor that goes by itself to targets around the middle, and units tuned to its way."""
    rng = np.random.default_rng(5)
    per_trial = round(TRIAL_S * RATE_HZ)
    angles = np.arange(n_trials) * 2.4
    targets = 8 * np.column_stack([np.cos(angles), np.sin(angles)])
    share = np.linspace(0.05, 0.9, per_trial)[:, None]
    positions = np.concatenate([share * target for target in targets])
    aims = np.repeat(targets / 8, per_trial, axis=0)
    tuning = rng.standard_normal((2, 6))
    samples = 3 * aims @ tuning * tuned + rng.standard_normal((len(positions), 6))
    times = np.arange(len(positions)) / RATE_HZ
    events = [
        Event(n * TRIAL_S, "target", {"position": target.tolist(), "radius": 1.0})
        for n, target in enumerate(targets)
    ]
    spec = SignalSpec(RATE_HZ, tuple("abcdef"))
    options = {"speed": 10.0, "slowing_s": 0.5, "reaction_s": 0.0}
    return CalibrationData(spec, samples, times, events, times, positions, options)


def calibrated(calibration: CalibrationData, kind: str = "kalman") -> Calibrated:
    cls: Any = decoders_by_kind()[kind]
    found: Calibrated = cls.calibrate(cls.settings_model(), calibration, lambda *_: None)
    return found


@pytest.mark.parametrize("kind", ["kalman", "dkf", "wiener"])
def test_a_cursor_is_calibrated_from_nothing_but_where_things_were(kind: str) -> None:
    found = calibrated(watched(), kind)
    assert found.scores["accuracy"] >= 0.9
    assert min(found.scores["correlation"]) > 0.5
    assert found.n_trials == 24
    assert found.model.kind == kind


def test_markers_of_the_cursor_stand_before_the_cursor_of_the_session() -> None:
    plain = watched()
    shown = [
        Event(float(time), "cursor", {"position": place.tolist()})
        for time, place in zip(plain.cursor_times, plain.cursor_positions, strict=True)
    ]
    elsewhere = dataclasses.replace(
        plain, events=[*plain.events, *shown], cursor_positions=plain.cursor_positions + 100
    )
    assert calibrated(elsewhere).model.version == calibrated(plain).model.version


def test_what_cannot_be_used_is_refused_by_its_reason() -> None:
    def reason(**changes: Any) -> str:
        with pytest.raises(CalibrationError) as caught:
            calibrated(dataclasses.replace(watched(), **changes))
        return str(caught.value.fields["reason"])

    assert reason(events=[]) == "no-trials"
    assert reason(events=watched().events[:3]) == "too-few-trials"
    assert reason(cursor_times=np.empty(0), cursor_positions=np.empty((0, 0))) == "no-trials"
    assert reason(events=[Event(0.0, "target", {"position": [1, 2, 3]})]) == "no-trials"
    assert reason(samples=watched(tuned=False).samples) == "not-above-chance"
    flat = watched().samples.copy()
    flat[:, 1] = 0.0
    assert reason(samples=flat) == "flat-channel"


def test_five_right_of_five_are_too_few_and_not_called_guesses() -> None:
    with pytest.raises(CalibrationError, match=r"5 trials are too few .* at least 7") as caught:
        check_enough_to_tell(5, 0.5)
    assert caught.value.fields["reason"] == "too-few-trials"
    check_enough_to_tell(7, 0.5)
