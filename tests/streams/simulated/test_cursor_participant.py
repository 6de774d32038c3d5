from __future__ import annotations

import math

import numpy as np
import pytest

from volition.errors import ConfigError
from volition.streams.simulated.cursor_participant import (
    WORKSPACE_CM,
    CursorParticipant,
    CursorSitting,
    Intention,
)
from volition.streams.simulated.cursor_tasks import usual_task

TASK = usual_task("radial-8")


def watched(person: CursorParticipant, n_bins: int, sitting: int = 0) -> CursorSitting:
    one = CursorSitting(person, TASK, sitting=sitting)
    one.watching = True
    for number in range(n_bins):
        one.bin((number + 1) * person.bin_s)
    return one


def test_a_cursor_that_moves_as_it_is_meant_to_reaches_every_target() -> None:
    trials = watched(CursorParticipant(), 3000).trials
    assert len(trials) > 40
    assert all(trial.hit for trial in trials)


def test_the_same_seed_says_the_same_and_another_day_has_other_noise() -> None:
    person = CursorParticipant(seed=4)
    one, same, later = (person.sit(number) for number in (0, 0, 1))
    said = [population.bin((5.0, -3.0)) for population in (one, same, later)]
    np.testing.assert_array_equal(said[0], said[1])
    assert not np.array_equal(said[0], said[2])
    np.testing.assert_array_equal(one.preferred, later.preferred)
    assert not np.array_equal(one.preferred, CursorParticipant(seed=5).sit().preferred)


def test_units_are_tuned_by_the_cosine_and_by_speed() -> None:
    person = CursorParticipant(seed=1, drift_per_min=0.0, shared_noise=0.0)
    population = person.sit()
    means = {}
    for angle in (0.0, math.pi / 2, math.pi, 3 * math.pi / 2):
        meant = (20.0 * math.cos(angle), 20.0 * math.sin(angle))
        means[angle] = np.mean([population.bin(meant) for _ in range(3000)], axis=0)
    half = np.mean([population.bin((10.0, 0.0)) for _ in range(3000)], axis=0)
    along = (means[0.0] - means[math.pi]) / 2
    across = (means[math.pi / 2] - means[3 * math.pi / 2]) / 2
    baseline = sum(means.values()) / 4
    error = 5 / math.sqrt(3000)
    np.testing.assert_allclose(np.hypot(along, across), math.sqrt(2) * population.depth, atol=error)
    angles = np.exp(1j * (np.arctan2(across, along) - population.preferred))
    well_tuned = population.depth > 0.4
    assert np.abs(np.angle(angles[well_tuned])).max() < 0.2
    np.testing.assert_allclose(half - baseline, along / 2, atol=error)


def test_an_offset_is_of_one_unit_and_in_its_own_sd() -> None:
    person = CursorParticipant(seed=2)
    plain, pushed = person.sit(), person.sit()
    best = plain.best_unit
    pushed.disturb(best, 5.0)
    difference = pushed.bin((3.0, 4.0)) - plain.bin((3.0, 4.0))
    assert difference[best] == pytest.approx(5 * math.sqrt(1 + plain.depth[best] ** 2))
    assert np.count_nonzero(difference) == 1


def test_baselines_wander_and_units_fall_silent_where_they_are_made_to() -> None:
    person = CursorParticipant(seed=3, drift_per_min=1.0)
    population = person.sit()
    before = np.mean([population.bin((0.0, 0.0)) for _ in range(200)], axis=0)
    for _ in range(3000):
        population.bin((0.0, 0.0))
    after = np.mean([population.bin((0.0, 0.0)) for _ in range(200)], axis=0)
    assert 0.5 < np.std(after - before) < 2.0

    dying = CursorParticipant(seed=3, silent_per_min=2.0).sit()
    for _ in range(6000):
        dying.bin((0.0, 0.0))
    silent = np.mean([dying.bin((0.0, 0.0)) for _ in range(400)], axis=0) < 0.3
    assert 0.8 < silent.mean() <= 1.0


def test_a_person_sees_late_and_corrects_what_they_come_to_see() -> None:
    person = CursorParticipant(lean_cm_s=0.0)
    sitting = CursorSitting(person, TASK)
    sitting.watching = True
    number = 0
    while not sitting.trials:
        number += 1
        sitting.bin(number * person.bin_s)
    sitting.watching = False
    # The next target is the centre; throw the cursor to the other side of it.
    x, y = sitting.position
    sitting.move((0.0, 0.0), (-x, -y))
    towards = [sitting.bin((number + k) * person.bin_s).intended for k in range(1, 30)]
    along = [(vx * x + vy * y) / math.hypot(x, y) for vx, vy in towards]
    assert max(along[: round(person.vision_s / person.bin_s)]) < 0.3 * person.speed_cm_s
    assert along[-1] == pytest.approx(person.speed_cm_s, rel=0.01)


def test_a_person_goes_where_somebody_else_asks_and_their_task_waits() -> None:
    person = CursorParticipant()
    sitting = CursorSitting(person, TASK)
    sitting.watching = True
    sitting.asked = (3.0, -4.0)
    bins = [sitting.bin(number * person.bin_s) for number in range(1, 150)]
    assert bins[-1].position == pytest.approx((3.0, -4.0), abs=0.1)
    assert (bins[-1].target, sitting.run.target) == ((3.0, -4.0), None)
    sitting.asked = None
    assert sitting.bin(3.0).target != (3.0, -4.0)


@pytest.mark.parametrize(("push_cm_s", "leaned"), [(2.0, 2.0), (8.0, 3.0)])
def test_a_steady_push_is_leaned_against_up_to_a_limit(push_cm_s: float, leaned: float) -> None:
    person = CursorParticipant(lean_cm_s=3.0)
    intention, x, meant = Intention(person), 0.0, (0.0, 0.0)
    for number in range(300):
        meant = intention.towards(None, (x, 0.0), number * person.bin_s)
        x += person.bin_s * (meant[0] + push_cm_s)
    assert meant == pytest.approx((-leaned, 0.0), abs=0.05)


def test_units_share_noise_and_are_tuned_otherwise_while_the_person_only_watches() -> None:
    def spread(person: CursorParticipant) -> float:
        population = person.sit()
        bins = np.array([population.bin((0.0, 0.0)) for _ in range(3000)])
        return float(np.linalg.eigvalsh(np.cov(bins, rowvar=False))[-1])

    alone, shared = (CursorParticipant(shared_noise=size, drift_per_min=0.0) for size in (0.0, 1.0))
    assert spread(alone) < 1.5
    assert spread(shared) > 5.0

    def turned_by(person: CursorParticipant) -> float:
        moved = [person.sit().bin((9.0, 4.0), watching=one) for one in (False, True)]
        return float(np.abs(moved[1] - moved[0]).max())

    assert turned_by(CursorParticipant(other_tuning_rad=0.0)) == 0.0
    assert turned_by(CursorParticipant()) > 0.05


def test_the_cursor_stays_on_the_screen() -> None:
    sitting = CursorSitting(CursorParticipant(), TASK)
    for _ in range(100):
        sitting.move((100.0, -40.0))
    assert sitting.position == (WORKSPACE_CM, -WORKSPACE_CM)


def test_a_person_without_units_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least 2 units"):
        CursorParticipant(n_units=1)
