from __future__ import annotations

import math

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pydantic
import pytest

from volition.chunk import Chunk, Event, FloatArray
from volition.decoders.contract.intent import CursorIntent, IdleIntent, Intent
from volition.decoders.contract.trials import HELP
from volition.decoders.kinematics.bins import Bins, StepValue, samples_per_step
from volition.decoders.kinematics.cursor import Cursor, CursorSettings, help_of
from volition.errors import ConfigError

NOTHING_KNOWN = [[1.0, 0.0], [0.0, 1.0]]


def moved(cursor: Cursor, velocity: list[float], *, missing: bool = False) -> Intent:
    return cursor.move(velocity, NOTHING_KNOWN, 0.0, missing=missing)


def told(intent: Intent) -> list[float]:
    assert isinstance(intent, CursorIntent)
    return intent.velocity


@hypothesis.given(
    velocities=st.lists(st.tuples(*[st.floats(-1e6, 1e6)] * 2), min_size=1, max_size=30),
    limit=st.floats(0.1, 100),
)
def test_no_velocity_passes_the_limit_and_no_position_the_workspace(
    velocities: list[tuple[float, float]], limit: float
) -> None:
    settings = CursorSettings(
        gain=3.0, speed_limit=limit, workspace=[(-1.0, 2.0), (5.0, 6.0)], bias_time_s=0.5
    )
    cursor = Cursor(settings, 2, 0.02)
    for velocity in velocities:
        intent = moved(cursor, list(velocity))
        assert math.hypot(*told(intent)) <= limit * (1 + 1e-12)
        assert -1 <= cursor.position[0] <= 2
        assert 5 <= cursor.position[1] <= 6


def test_the_speed_limit_keeps_the_direction() -> None:
    cursor = Cursor(CursorSettings(speed_limit=5.0), 2, 0.02)
    assert told(moved(cursor, [30.0, 40.0])) == pytest.approx([3.0, 4.0])
    assert told(moved(cursor, [3.0, 3.9])) == [3.0, 3.9]


def test_within_the_dead_zone_the_cursor_stands() -> None:
    cursor = Cursor(CursorSettings(gain=2.0, dead_zone=1.0), 2, 0.02)
    assert told(moved(cursor, [0.4, 0.2])) == [0.0, 0.0]
    assert cursor.position == [0.0, 0.0]
    assert told(moved(cursor, [0.6, 0.0])) == [1.2, 0.0]


def test_help_takes_off_what_lies_across_the_line_to_the_target_and_ends_by_itself() -> None:
    cursor = Cursor(CursorSettings(start=[1.0, 1.0]), 2, 0.02)
    line = (0.6, 0.8)
    asked = {"position": [7.0, 9.0], "attenuation": 0.75, "until": 5.0}
    cursor.help = help_of(Event(0.0, HELP, asked), 2)
    velocity = [3 * line[0] - 4 * line[1], 3 * line[1] + 4 * line[0]]
    vx, vy = told(moved(cursor, velocity))
    assert vx * line[0] + vy * line[1] == pytest.approx(3.0)
    assert vy * line[0] - vx * line[1] == pytest.approx(1.0)
    assert cursor.position == pytest.approx([1 + 0.02 * vx, 1 + 0.02 * vy])
    assert told(cursor.move(velocity, NOTHING_KNOWN, 5.0)) == velocity
    assert told(moved(cursor, velocity)) == velocity


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"position": [1.0], "attenuation": 1.0, "until": 9.0},
        {"position": [1.0, "a"], "attenuation": 1.0, "until": 9.0},
        {"position": [1.0, math.nan], "attenuation": 1.0, "until": 9.0},
        {"position": [1.0, 2.0], "attenuation": None, "until": 9.0},
        {"position": [1.0, 2.0], "attenuation": 0.0, "until": 9.0},
    ],
)
def test_an_event_whose_data_make_no_sense_asks_for_no_help(data: dict[str, object]) -> None:
    assert help_of(Event(0.0, HELP, data), 2) is None


def test_the_position_is_the_sum_of_velocity_times_the_bins_length() -> None:
    cursor = Cursor(CursorSettings(start=[1.0, -1.0]), 2, 0.5)
    moved(cursor, [2.0, 0.0])
    moved(cursor, [2.0, 4.0])
    assert cursor.position == [3.0, 1.0]
    cursor.reset()
    assert cursor.position == [1.0, -1.0]


def test_the_cursor_starts_in_the_middle_of_its_workspace() -> None:
    assert Cursor(CursorSettings(workspace=[(0, 4), (-2, 0)]), 2, 0.1).position == [2.0, -1.0]


def test_missing_bins_coast_then_decay_then_are_idle_and_one_good_bin_ends_it() -> None:
    cursor = Cursor(CursorSettings(coast_s=0.04, decay_s=0.08), 2, 0.02)
    moved(cursor, [1.0, 0.0])
    speeds = []
    for _ in range(8):
        intent = moved(cursor, [1.0, 0.0], missing=True)
        speeds.append(None if isinstance(intent, IdleIntent) else told(intent)[0])
    assert speeds[:5] == pytest.approx([1.0, 1.0, 0.75, 0.5, 0.25])
    assert speeds[5:] == [None, None, None]
    stood = list(cursor.position)
    moved(cursor, [1.0, 0.0], missing=True)
    assert cursor.position == stood
    assert told(moved(cursor, [1.0, 0.0])) == [1.0, 0.0]
    assert told(moved(cursor, [1.0, 0.0], missing=True)) == [1.0, 0.0]


def test_a_steady_bias_is_learned_from_fast_movements_only_and_taken_off() -> None:
    settings = CursorSettings(bias_time_s=10.0, bias_least_speed=1.0)
    cursor = Cursor(settings, 2, 0.02)
    random = np.random.default_rng(0)
    for _ in range(4000):
        angle = random.uniform(0, 2 * np.pi)
        moved(cursor, [3 * np.cos(angle) + 1.0, 3 * np.sin(angle)])
    assert cursor.bias == pytest.approx([1.0, 0.0], abs=0.3)
    learned = list(cursor.bias)
    for _ in range(100):
        moved(cursor, [0.5, 0.5])
    assert cursor.bias == learned


def clicks(cursor: Cursor, velocities: list[float], missing: tuple[int, ...] = ()) -> list[int]:
    """Move along the first axis; give the bins after which a click came."""
    found = []
    for index, velocity in enumerate(velocities):
        moved(cursor, [velocity, 0.0], missing=index in missing)
        if cursor.dwelt(0.0) is not None:
            found.append(index)
    return found


DWELL = CursorSettings.model_validate({"dwell": {"radius": 1.0, "hold_s": 0.4}})


def test_staying_in_one_place_is_a_click_and_only_one() -> None:
    assert clicks(Cursor(DWELL, 2, 0.1), [0.0] * 20) == [4]


def test_a_cursor_that_moves_on_never_clicks() -> None:
    assert clicks(Cursor(DWELL, 2, 0.1), [5.0] * 30) == []


def test_leaving_and_settling_again_is_another_click() -> None:
    assert clicks(Cursor(DWELL, 2, 0.1), [0.0] * 8 + [20.0] + [0.0] * 8) == [4, 12]


def test_slow_drift_out_of_the_place_begins_the_wait_anew() -> None:
    # 0.35 a bin: out of the place with each third, before four bins have been stayed.
    assert clicks(Cursor(DWELL, 2, 0.1), [3.5] * 30) == []


def test_missing_bins_are_no_dwelling() -> None:
    assert clicks(Cursor(DWELL, 2, 0.1), [0.0] * 12, missing=(3,)) == [7]


def test_without_dwell_nothing_clicks() -> None:
    assert clicks(Cursor(CursorSettings(), 2, 0.1), [0.0] * 30) == []


@pytest.mark.parametrize(
    "given",
    [
        {"workspace": [(1.0, 1.0)]},
        {"workspace": [(0.0, 1.0)], "start": [0.0, 0.0]},
        {"speed_limit": 0.0},
        {"gain": -1.0},
    ],
)
def test_settings_that_make_no_sense_are_refused(given: dict[str, object]) -> None:
    with pytest.raises(pydantic.ValidationError):
        CursorSettings.model_validate(given)


def naive_bins(signal: FloatArray, size: int, value: StepValue) -> FloatArray:
    steps = signal[: len(signal) // size * size].reshape(-1, size, signal.shape[1])
    reduced: dict[StepValue, FloatArray] = {
        "last": steps[:, -1],
        "power": (steps**2).mean(axis=1),
        "mean": steps.mean(axis=1),
    }
    return reduced[value]


@hypothesis.given(
    lengths=st.lists(st.integers(0, 9), max_size=20),
    value=st.sampled_from(["mean", "last", "power"]),
    size=st.integers(1, 7),
)
def test_steps_are_cut_by_counting_samples_whatever_the_chunks(
    lengths: list[int], value: StepValue, size: int
) -> None:
    signal = np.random.default_rng(0).standard_normal((60, 3))
    times = np.arange(60.0)
    bins, found, start = Bins(size, 3, value), [], 0
    for length in [*lengths, 60]:
        stop = min(start + length, 60)
        piece = np.asfortranarray(signal[start:stop])
        found += [(row.copy(), time) for row, time in bins.feed(Chunk(piece, times[start:stop]))]
        start = stop
    if size > 1:
        np.testing.assert_allclose([row for row, _ in found], naive_bins(signal, size, value))
    assert [time for _, time in found] == times[size - 1 :: size].tolist()


@pytest.mark.parametrize("value", ["mean", "last", "power"])
def test_a_step_with_a_missing_sample_is_a_missing_step(value: StepValue) -> None:
    signal = np.ones((9, 2))
    signal[3, 1] = np.nan
    rows = [row for row, _ in Bins(3, 2, value).feed(Chunk(signal, np.arange(9.0)))]
    assert [bool(np.isfinite(row).all()) for row in rows] == [True, False, True]


def test_a_step_shorter_than_a_sample_is_refused_with_the_shortest_allowed() -> None:
    with pytest.raises(ConfigError, match=r"at least 0\.1"):
        samples_per_step(0.01, 10.0, "kalman")
