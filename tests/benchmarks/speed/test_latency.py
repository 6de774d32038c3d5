"""What every report says of latencies."""

from __future__ import annotations

import numpy as np

from volition.benchmarks.speed.feeder import FedStream
from volition.benchmarks.speed.latency import lost_samples, spread
from volition.service.sessions.states import SessionState
from volition.service.wire.models import ModelUse
from volition.service.wire.state import StateView


def test_percentiles_are_of_the_latencies() -> None:
    said = spread(np.linspace(1.0, 2.0, 1001))
    assert (said["n"], said["p50_ms"], said["p99_ms"], said["max_ms"]) == (1001, 1.5, 1.99, 2.0)


def test_a_load_that_lets_nothing_through_is_told_and_breaks_no_report() -> None:
    said = spread(np.array([]))
    assert said["n"] == 0
    assert said.keys() == spread(np.ones(3)).keys()
    assert {value for name, value in said.items() if name != "n"} == {None}


def test_lost_samples_are_those_that_were_pushed_and_not_counted() -> None:
    stream = FedStream(n_channels=8, rate_hz=1000.0, chunk_s=0.01, source_id="stream")
    late = np.array([0.0, 0.0, 0.003, 0.008, 0.0, 0.0])  # a feeder that woke late, and caught up
    pushed = 5.0 + 0.01 * np.arange(6) + late

    def state(t_newest: float, samples: int) -> StateView:
        return StateView(
            session="s",
            state=SessionState.RUNNING,
            reason="",
            held=False,
            epoch=1,
            last_seq=0,
            fresh=True,
            lsl_time=0.0,
            model=ModelUse(decoder="kalman", model=None, version=None),
            t_newest=t_newest,
            samples=samples,
        )

    first = state(float(pushed[0]), 100)
    within_a_chunk = state(float(pushed[3]) - 0.004, 126)
    assert lost_samples(first, within_a_chunk, stream, pushed) == 0
    assert lost_samples(first, state(float(pushed[5]), 150), stream, pushed) == 0
    assert lost_samples(first, state(float(pushed[5]), 147), stream, pushed) == 3
    assert lost_samples(first, state(float(pushed[5]), 160), stream, pushed) == 10
