"""What every report says of latencies."""

from __future__ import annotations

import numpy as np

from benchmarks.latency import spread


def test_percentiles_are_of_the_latencies() -> None:
    said = spread(np.linspace(1.0, 2.0, 1001))
    assert (said["n"], said["p50_ms"], said["p99_ms"], said["max_ms"]) == (1001, 1.5, 1.99, 2.0)


def test_a_load_that_lets_nothing_through_is_told_and_breaks_no_report() -> None:
    said = spread(np.array([]))
    assert said["n"] == 0
    assert said.keys() == spread(np.ones(3)).keys()
    assert {value for name, value in said.items() if name != "n"} == {None}
