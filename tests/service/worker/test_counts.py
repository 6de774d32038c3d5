"""What a worker counts, and what it says was lost with the worker before it."""

from __future__ import annotations

import numpy as np

from volition.chunk import Chunk
from volition.service.worker.counts import Counts


def chunk_at(t: float) -> Chunk:
    return Chunk(np.zeros((10, 1)), t + np.arange(10) / 100.0)


def test_the_first_chunk_tells_what_was_lost_since_the_worker_before() -> None:
    counts = Counts(t_newest_before=50.0, lost_with_workers=7)
    assert counts.report()["t_newest"] == 50.0
    assert counts.lost_before(chunk_at(50.31), 100.0) == 30
    counts.add_chunk(10, 50.40)
    assert counts.lost_before(chunk_at(60.0), 100.0) is None
    report = counts.report()
    assert (report["lost_with_workers"], report["t_newest"]) == (37, 50.40)


def test_a_worker_that_takes_over_at_once_loses_nothing() -> None:
    counts = Counts(t_newest_before=50.0, lost_with_workers=0)
    assert counts.lost_before(chunk_at(50.0), 100.0) == 0
    assert counts.report()["lost_with_workers"] == 0


def test_the_first_worker_of_a_session_has_lost_nothing_with_another() -> None:
    counts = Counts(t_newest_before=None, lost_with_workers=0)
    assert counts.lost_before(chunk_at(50.0), 100.0) is None
    assert counts.report()["t_newest"] is None


def test_each_step_of_a_chunk_counts_from_the_end_of_the_one_before() -> None:
    counts = Counts(None, 0)
    counts.add_steps(t_newest=1.0, t_pulled=1.004, t_cleaned=1.005, t_decoded=1.007)
    steps = counts.report()["steps"]
    assert [round(steps[name]["sum_s"], 9) for name in ("lsl", "stages", "decoder", "encode")] == [
        0.004,
        0.001,
        0.002,
        0,
    ]
    assert counts.latency_ms()["stages"]["p50"] == 1.0
