"""A leak is found; a bound that fills, noise, and memory that is taken once are not called one."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import psutil
import pytest

from volition.benchmarks.faults.hostile.growth import growth

Floats = npt.NDArray[np.float64]

#: The latter half of ten minutes and of an hour, looked at every seven seconds.
SHORT_H, LONG_H = (5 / 60, 10 / 60), (30 / 60, 1.0)
_HALF_S = 0.7


def calls_growth(span_h: tuple[float, float], taken: Callable[[Floats], Floats]) -> list[bool]:
    """Say of twenty soaks, each with noise of its own, whether they are said to grow."""
    said = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        hours = np.sort(rng.uniform(*span_h, int((span_h[1] - span_h[0]) * 3600 / 7)))
        values = 150 + taken(hours) + rng.normal(0, 0.3, len(hours))
        said.append(bool(growth(list(hours), list(values))["grows"]))
    return said


def filling(tau_h: float) -> Callable[[Floats], Floats]:
    return lambda hours: 80 * (1 - np.exp(-hours / tau_h))


def step(at_h: float) -> Callable[[Floats], Floats]:
    return lambda hours: np.where(hours > at_h, 30.0, 0.0)


@pytest.mark.parametrize(("span_h", "mb_per_h"), [(SHORT_H, 40), (LONG_H, 5)])
def test_a_leak_is_found_however_much_lies_beside_it(
    span_h: tuple[float, float], mb_per_h: float
) -> None:
    assert all(calls_growth(span_h, lambda hours: mb_per_h * hours))
    # A bound that fills, and a step of a hundred times the noise, hide none.
    fills, steps = filling(span_h[0] / 6), step(sum(span_h) / 2)
    assert all(calls_growth(span_h, lambda hours: mb_per_h * hours + fills(hours)))
    assert all(calls_growth(span_h, lambda hours: mb_per_h * hours + steps(hours)))


@pytest.mark.parametrize("span_h", [SHORT_H, LONG_H])
def test_what_fills_in_the_first_half_stays_or_shrinks_is_no_growth(
    span_h: tuple[float, float],
) -> None:
    full_at = 0.9 * span_h[0]
    for taken in (
        lambda hours: 0 * hours,
        lambda hours: 80 * np.minimum(1, hours / full_at),
        filling(span_h[0] / 10),
        lambda hours: -20 * hours,
    ):
        assert sum(calls_growth(span_h, taken)) <= 1


@pytest.mark.parametrize("span_h", [SHORT_H, LONG_H])
def test_memory_that_is_taken_once_is_seldom_called_growth(span_h: tuple[float, float]) -> None:
    n_called = 0
    for place in np.linspace(*span_h, 12)[1:-1]:
        n_called += sum(calls_growth(span_h, step(place)))
    assert n_called <= 20  # of 200


def test_a_process_that_leaks_is_found_and_one_that_fills_is_not() -> None:
    program = (
        "import sys, time\n"
        "kept = []\n"
        "print(flush=True)\n"
        "while True:\n"
        "    kept.append(bytes(100_000)), time.sleep(0.005)\n"
        "    del kept[: -int(sys.argv[1])]\n"
    )
    found = {}
    for most in (1 << 30, 20):
        with subprocess.Popen(
            [sys.executable, "-c", program, str(most)], stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            try:
                found[most] = growth(*watched(psutil.Process(process.pid)))
            finally:
                process.kill()
    assert found[1 << 30]["grows"]
    assert not found[20]["grows"]


def watched(process: psutil.Process) -> tuple[list[float], list[float]]:
    """Look at a process for a while; give what was seen in the latter half of it."""
    began = time.monotonic()
    seen: list[tuple[float, float]] = []
    while time.monotonic() - began < 2 * _HALF_S:
        seen.append(((time.monotonic() - began) / 3600, process.memory_info().rss / 1e6))
        time.sleep(0.01)
    latter = [one for one in seen if one[0] * 3600 > _HALF_S]
    return [t for t, _ in latter], [mb for _, mb in latter]


def test_too_little_says_nothing() -> None:
    assert growth([], []) == {}
    assert growth([0.0, 1.0], [3.0, 4.0]) == {"median": 3.5}
