from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from volition.streams.lsl.stamp_clock import (
    ForeignClockError,
    StampClock,
    recognise,
    say_distance,
)

NOW = 5_000.0
UTC_OFFSET_S = 1.79e9


@given(st.floats(-50, 50))
def test_a_stamp_near_its_arrival_is_of_lsls_clock(late_s: float) -> None:
    assert recognise(NOW - late_s, NOW, UTC_OFFSET_S) == "lsl"


@given(st.floats(-50_000, 50_000))
def test_a_stamp_near_the_time_of_day_is_of_that(off_s: float) -> None:
    assert recognise(NOW + UTC_OFFSET_S + off_s, NOW, UTC_OFFSET_S) == "unix"


@pytest.mark.parametrize("stamp", [0.0, 3.2, 1e7, -40.0, 1.7e12])
def test_any_other_is_a_devices_own(stamp: float) -> None:
    assert recognise(stamp, NOW, UTC_OFFSET_S) == "device"


@pytest.mark.parametrize(
    ("stamp", "said"),
    [(NOW + UTC_OFFSET_S, "57 years ahead of"), (NOW - 4_000.0, "67 minutes behind")],
)
def test_a_foreign_clock_is_refused_with_what_it_is_and_what_to_set(
    stamp: float, said: str
) -> None:
    clock = StampClock("lsl", "Muse (EEG, 4 ch, 256 Hz)")
    with pytest.raises(ForeignClockError, match=said) as caught:
        clock.begin(stamp, NOW, UTC_OFFSET_S)
    assert f"stream.clock is lsl; set it to {clock.seen}" in caught.value.message


def test_the_time_of_day_is_mapped_when_the_user_says_so() -> None:
    clock = StampClock("unix", "Muse")
    assert clock.begin(NOW - 0.02 + UTC_OFFSET_S, NOW, UTC_OFFSET_S) is None
    assert clock.offset_s == -UTC_OFFSET_S
    assert clock.distance_s == pytest.approx(-0.02, abs=1e-6)


def test_a_clock_that_is_not_what_the_user_said_is_refused_too() -> None:
    with pytest.raises(ForeignClockError, match="set it to lsl"):
        StampClock("unix", "Muse").begin(NOW, NOW, UTC_OFFSET_S)


def test_a_devices_clock_begins_where_it_arrives_and_is_followed_as_it_drifts() -> None:
    clock = StampClock("device", "box")
    rng = np.random.default_rng(1)
    truth = NOW + np.arange(0.0, 3600.0, 0.05)
    stamps = (truth - NOW) * (1 + 40e-6)
    clock.begin(float(stamps[0]), NOW + 0.03, UTC_OFFSET_S)
    steps = []
    for stamp, at in zip(stamps.tolist(), truth.tolist(), strict=True):
        before = clock.offset_s
        clock.follow(stamp, at + rng.uniform(0.0, 0.03))
        steps.append(abs(clock.offset_s - before))
    assert max(steps) <= 1.001e-3
    assert clock.offset_s + stamps[-1] == pytest.approx(truth[-1], abs=0.003)


def test_stamps_some_seconds_off_are_taken_and_told_of() -> None:
    said = StampClock("lsl", "box").begin(NOW + 12.0, NOW, UTC_OFFSET_S)
    assert said is not None
    assert "12.0 s ahead of their arrival" in said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.3, "0.3 s ahead of"), (-200.0, "3 minutes behind"), (1.79e9, "57 years ahead of")],
)
def test_a_distance_is_said_in_units_that_people_use(seconds: float, said: str) -> None:
    assert say_distance(seconds) == said
