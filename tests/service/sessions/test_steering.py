"""Classes that steer: which way, how fast, and when not."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from volition.decoders.contract.intent import ClassIntent, CursorIntent, IdleIntent, SelectionIntent
from volition.service.sessions.steering import Steering, SteeringPolicy

FOUR = {"left": [-1.0, 0.0], "right": [1.0, 0.0], "up": [0.0, 1.0], "down": [0.0, -1.0]}


def said(t: float = 0.0, **probabilities: float) -> ClassIntent:
    label = max(probabilities, key=lambda one: probabilities[one])
    return ClassIntent(label=label, probabilities=probabilities, t_sample=t)


def steered(policy: SteeringPolicy, *intents: Any) -> list[CursorIntent]:
    steering = Steering(policy)
    found = [steering.apply(one) for one in intents]
    assert all(isinstance(one, CursorIntent) for one in found)
    return found  # type: ignore[return-value] # asserted just above


def test_certainty_moves_at_full_speed_in_the_direction_of_the_class() -> None:
    policy = SteeringPolicy(directions={"left": [-1.0], "right": [1.0]}, speed=3.0)
    (one,) = steered(policy, said(left=1.0, right=0.0))
    assert one.velocity == [-3.0]


def test_a_guess_and_what_is_near_one_stand_still() -> None:
    policy = SteeringPolicy(directions={"left": [-1.0], "right": [1.0]}, dead_zone=0.2)
    assert steered(policy, said(left=0.5, right=0.5))[0].velocity == [0.0]
    assert steered(policy, said(left=0.59, right=0.41))[0].velocity == [0.0]
    assert steered(policy, said(left=0.61, right=0.39))[0].velocity[0] < 0


def test_whatever_is_idle_stands_still() -> None:
    policy = SteeringPolicy(directions=FOUR)
    idle = IdleIntent(reason="drifted", t_sample=0.1, evidence={"left": 1.0})
    assert steered(policy, said(left=1.0, right=0.0), idle)[1].velocity == [0.0, 0.0]


def test_the_cursor_goes_as_far_as_its_velocity_says_and_stays_in_the_workspace() -> None:
    policy = SteeringPolicy(directions={"go": [1.0]}, speed=2.0, workspace=[(-1.0, 1.0)])
    moves = [said(0.1 * k, go=1.0, no=0.0) for k in range(10)]
    positions = [one.position or [] for one in steered(policy, *moves)]
    np.testing.assert_allclose(np.concatenate(positions), np.minimum(0.2 * np.arange(10), 1.0))


def test_while_outputs_are_held_the_cursor_stays() -> None:
    steering = Steering(SteeringPolicy(directions={"go": [1.0]}))
    steering.apply(said(0.0, go=1.0, no=0.0))
    steering.still = True
    held = steering.apply(said(0.5, go=1.0, no=0.0))
    assert isinstance(held, CursorIntent)
    assert held.position == [0.0]


def test_a_pause_is_no_move() -> None:
    policy = SteeringPolicy(directions={"go": [1.0]})
    after = steered(policy, said(0.0, go=1.0, no=0.0), said(60.0, go=1.0, no=0.0))[1]
    assert after.position == [1.0]  # of a minute, the second until the first one expired


def test_what_is_no_class_passes() -> None:
    selection = SelectionIntent(target=0, label="a", confidence=1, evidence={}, t_sample=0)
    assert Steering(SteeringPolicy(directions=FOUR)).apply(selection) is selection


@given(st.lists(st.floats(0, 1), min_size=4, max_size=4), st.floats(0.1, 5))
def test_it_is_never_faster_than_the_limit(weights: list[float], limit: float) -> None:
    total = sum(weights) or 1.0
    shares = {label: one / total for label, one in zip(FOUR, weights, strict=True)}
    policy = SteeringPolicy(directions=FOUR, speed=4.0, dead_zone=0.0, max_speed=limit)
    (one,) = steered(policy, said(**shares))
    assert math.hypot(*one.velocity) <= limit * (1 + 1e-9)


def test_directions_that_do_not_agree_are_refused() -> None:
    with pytest.raises(ValidationError, match="one number each, or two each"):
        SteeringPolicy(directions={"a": [1.0], "b": [1.0, 0.0]})
    with pytest.raises(ValidationError, match="each dimension"):
        SteeringPolicy(directions=FOUR, workspace=[(0.0, 1.0)])
