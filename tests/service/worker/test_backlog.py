"""A worker that falls behind drops the oldest signal, but not for a burst."""

from __future__ import annotations

from typing import cast

import numpy as np
import pytest

from volition.chunk import Chunk, SignalSpec
from volition.service.worker import backlog
from volition.service.worker.backlog import BacklogWatch
from volition.streams.lsl.inlet import SignalInlet


class Inlet:
    """An inlet with a backlog of ``waiting`` samples."""

    def __init__(self, rate_hz: float = 100.0) -> None:
        self.spec = SignalSpec(rate_hz, ("a",))
        self.waiting = 0

    def buffered(self) -> int:
        return self.waiting

    def pull(self, timeout_s: float) -> Chunk:
        n, self.waiting = min(40, self.waiting), max(0, self.waiting - 40)
        return Chunk(np.zeros((n, 1)), np.zeros(n))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(backlog, "local_clock", lambda: now[0])
    return now


def look(watch: BacklogWatch, inlet: Inlet, now: float) -> int:
    return watch.drop_if_overloaded(cast(SignalInlet, inlet), now)


def test_a_backlog_that_stays_is_dropped_whole(clock: list[float]) -> None:
    watch, inlet = BacklogWatch(max_lag_s=0.5), Inlet()
    inlet.waiting = 90
    assert [look(watch, inlet, now) for now in (100.0, 100.9)] == [0, 0]
    assert watch.is_behind
    assert look(watch, inlet, 101.1) == 90
    assert (inlet.waiting, watch.is_behind) == (0, False)


def test_a_burst_that_is_worked_off_in_time_loses_nothing(clock: list[float]) -> None:
    watch, inlet = BacklogWatch(max_lag_s=0.5), Inlet()
    inlet.waiting = 90
    assert look(watch, inlet, 100.0) == 0
    inlet.waiting = 50
    assert look(watch, inlet, 100.5) == 0
    inlet.waiting = 90
    clock[0] = 101.5
    assert look(watch, inlet, 101.5) == 0
    assert look(watch, inlet, 102.4) == 0


def test_a_process_that_was_suspended_is_not_behind_for_all_that_time(clock: list[float]) -> None:
    watch, inlet = BacklogWatch(max_lag_s=0.5), Inlet()
    inlet.waiting, clock[0] = 9000, 190.0
    # The chunk was pulled before the suspension; the time to catch up counts from after it.
    assert look(watch, inlet, 100.0) == 0
    assert look(watch, inlet, 190.9) == 0
    assert look(watch, inlet, 191.1) == 9000


def test_an_irregular_stream_is_never_behind(clock: list[float]) -> None:
    watch, inlet = BacklogWatch(max_lag_s=0.5), Inlet(rate_hz=0.0)
    inlet.waiting = 10_000
    assert [look(watch, inlet, now) for now in (100.0, 110.0)] == [0, 0]
