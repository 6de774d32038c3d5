from __future__ import annotations

import itertools
import math

import pytest

from volition.errors import ConfigError
from volition.streams.simulated.cursor_tasks import (
    RADIUS_CM,
    TASKS,
    CursorTask,
    CursorTrial,
    Point,
    TaskRun,
    scores,
    usual_task,
)

BIN_S = 0.02


def go(run: TaskRun, places: list[Point], start: int = 0) -> list[CursorTrial]:
    ended = [run.show(place, BIN_S * (start + number)) for number, place in enumerate(places)]
    return [trial for trial in ended if trial is not None]


def test_centre_out_and_back_shows_every_direction_once_with_the_centre_between() -> None:
    shown = list(itertools.islice(usual_task("radial-8").targets(seed=3), 16))
    out, back = shown[::2], shown[1::2]
    assert len({target.position for target in out}) == 8
    for target in out:
        assert math.hypot(*target.position) == pytest.approx(RADIUS_CM)
    assert {target.position for target in back} == {(0.0, 0.0)}
    assert shown == list(itertools.islice(usual_task("radial-8").targets(seed=3), 16))


def test_a_target_is_hit_when_it_was_touched_without_a_break_for_the_hold() -> None:
    run = TaskRun(CursorTask("radial-8", hold_s=0.1, timeout_s=1.0))
    assert go(run, [(0.0, 0.0)]) == []
    assert run.target is not None
    there, away = run.target.position, (0.0, 0.0)
    # Three bins inside, a bin away, then six samples that span five bins of 0.02 s.
    (trial,) = go(run, [there] * 3 + [away] + [there] * 6, start=1)
    assert trial.hit
    assert trial.entries == 2
    assert trial.time_s == pytest.approx(10 * BIN_S)
    assert trial.distance == pytest.approx(RADIUS_CM)
    assert trial.width == pytest.approx(2.4 + 1.5)
    assert trial.path == pytest.approx(3 * RADIUS_CM)


def test_a_trial_that_takes_too_long_fails_and_the_next_target_is_shown() -> None:
    run = TaskRun(CursorTask("fitts", hold_s=0.1, timeout_s=0.5))
    go(run, [(0.0, 0.0)])
    first = run.target
    (trial,) = go(run, [(0.0, 0.0)] * 25, start=1)
    assert trial.outcome == "timeout"
    assert run.target != first


def test_staying_on_another_square_of_the_grid_selects_it_wrongly() -> None:
    task = CursorTask("grid", hold_s=0.1, timeout_s=5.0)
    assert len(task.choices()) == 36
    run = TaskRun(task, seed=1)
    wrong = task.choices()[0].position
    ended = go(run, [wrong] * 40)
    assert {trial.outcome for trial in ended} == {"wrong"}
    assert scores(ended, task)["bit_rate_bits_per_s"] == 0.0


def test_the_scores_are_those_of_a_sum_by_hand() -> None:
    hit = CursorTrial("hit", 0.0, 2.0, distance=12.0, width=4.0, path=20.0, entries=1)
    missed = CursorTrial("timeout", 2.0, 6.0, distance=12.0, width=4.0, path=50.0, entries=0)
    found = scores([hit, missed], usual_task("radial-8"))
    assert found["trials"] == 2
    assert found["success"] == 0.5
    assert found["time_to_target_s"] == 2.0
    assert found["path_efficiency"] == pytest.approx(10.0 / 20.0)
    assert found["fitts_bits_per_s"] == pytest.approx(2.0 / 8.0)  # log2(12 / 4 + 1) = 2
    assert found["bit_rate_bits_per_s"] is None
    grid = scores([hit, hit, hit, missed], usual_task("grid"))
    assert grid["bit_rate_bits_per_s"] == pytest.approx(math.log2(35) * 3 / 12.0)
    wrong = CursorTrial("wrong", 0.0, 4.0, distance=12.0, width=4.0, path=9.0, entries=0)
    grid = scores([hit, hit, hit, wrong], usual_task("grid"))
    assert grid["bit_rate_bits_per_s"] == pytest.approx(math.log2(35) * 2 / 10.0)


def test_with_no_trial_there_is_nothing_to_average() -> None:
    found = scores([], usual_task("grid"))
    assert found["trials"] == 0
    assert {value for key, value in found.items() if key != "trials"} == {None}


@pytest.mark.parametrize("name", TASKS)
def test_every_task_gives_targets_that_lie_within_reach(name: str) -> None:
    task = usual_task(name)  # type: ignore[arg-type]  # a parameter of pytest's has no literal type
    for target in itertools.islice(task.targets(seed=0), 50):
        assert max(map(abs, target.position)) <= RADIUS_CM
        assert target.holds(target.position)


def test_an_unknown_task_or_a_hold_that_cannot_be_kept_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="radial-8"):
        CursorTask("maze")  # type: ignore[arg-type]  # what a command line may say
    with pytest.raises(ConfigError, match="hold_s"):
        CursorTask("grid", hold_s=5.0, timeout_s=5.0)
