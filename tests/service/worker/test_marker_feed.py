from __future__ import annotations

import time
import uuid

import pytest

from volition.chunk import Event
from volition.service.sessions.config import MarkerStream
from volition.service.worker.marker_feed import MarkerFeed
from volition.service.worker.marker_search import open_markers
from volition.streams.lsl.clock import local_clock
from volition.streams.lsl.outlet import MarkerOutlet


def pulled(feed: MarkerFeed, n: int, within_s: float = 10.0) -> list[str]:
    names: list[str] = []
    until = time.monotonic() + within_s
    while len(names) < n and time.monotonic() < until:
        names += [event.name for event in feed.pull()]
        time.sleep(0.01)
    return names


def test_a_marker_program_that_ends_and_comes_back_is_found_again_without_waiting() -> None:
    source_id = f"markers-{uuid.uuid4()}"
    stream = MarkerStream(source_id=source_id)
    feed = MarkerFeed(stream)
    with MarkerOutlet("stimuli", source_id) as outlet:
        feed.use(open_markers(stream, 5.0))
        outlet.push("first")
        assert pulled(feed, 1) == ["first"]
    until = time.monotonic() + 10.0
    while not feed.warnings and time.monotonic() < until:
        before = time.monotonic()
        feed.pull()
        assert time.monotonic() - before < 0.3
    assert any("looked for again" in warning for warning in feed.warnings)
    report = feed.report()
    assert report is not None
    assert not report["connected"]
    assert [one["name"] for one in report["recent"]] == ["first"]
    with MarkerOutlet("stimuli", source_id) as outlet:
        assert outlet.wait_for_consumers(10.0)
        outlet.push("second")
        assert pulled(feed, 1) == ["second"]
    feed.close()


@pytest.mark.parametrize("distance_s", [-3600.0, 31.0, 1.79e9])
def test_an_event_far_from_the_signals_time_is_left_out_and_told_of(distance_s: float) -> None:
    feed = MarkerFeed(None)
    now = local_clock()
    near = Event(now - 5.0, "near")
    assert feed.near([near, Event(now + distance_s, "far")], now) == [near]
    (warning,) = feed.warnings
    assert "'far'" in warning
    assert "left out" in warning
