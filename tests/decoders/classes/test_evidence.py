"""Evidence adds up, leaks, is bounded, and becomes a command once it is held."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from volition.decoders.classes.evidence import Accumulator
from volition.decoders.classes.settings import Evidence

STEP_S = 0.1


def made(**settings: float) -> Accumulator:
    return Accumulator(Evidence(**settings), 2, None, STEP_S)


def fed(accumulator: Accumulator, probability: float, n: int) -> list[int]:
    """Give the numbers of the windows that command, of ``n`` alike."""
    windows = np.array([probability, 1 - probability])
    return [k for k in range(n) if accumulator.take(windows) is not None]


def test_one_loud_window_is_no_command() -> None:
    assert fed(made(share=1.0, hold_s=0.5), 0.99, 5) == []


def test_a_class_that_is_held_commands_and_then_waits() -> None:
    commands = fed(made(share=0.5, hold_s=0.3, refractory_s=2.0), 0.95, 60)
    assert commands
    assert np.diff(commands).min() >= 20


def test_within_the_dead_zone_nothing_adds_up() -> None:
    accumulator = made(dead_zone=0.1, threshold=0.01, hold_s=0.0)
    assert fed(accumulator, 0.58, 200) == []
    assert not accumulator.evidence.any()


def test_old_evidence_leaks() -> None:
    accumulator = made(share=0.1)
    fed(accumulator, 0.7, 20)
    before = accumulator.evidence[0]
    fed(accumulator, 0.5, 20)
    np.testing.assert_allclose(accumulator.evidence[0], before * 0.9**20, rtol=1e-9)


def test_the_class_of_rest_is_never_commanded() -> None:
    accumulator = Accumulator(Evidence(hold_s=0.0), 2, 0, STEP_S)
    assert fed(accumulator, 0.99, 100) == []


@given(st.lists(st.floats(0, 1), max_size=200), st.floats(0.25, 0.6))
def test_evidence_never_exceeds_its_bound(probabilities: list[float], bound: float) -> None:
    accumulator = made(share=1.0, bound=bound)
    for one in probabilities:
        accumulator.take(np.array([one, 1 - one]))
        assert np.abs(accumulator.evidence).max() <= bound
