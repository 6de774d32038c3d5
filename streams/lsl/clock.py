"""The clock that every time in Volition is read from: LSL's, in seconds.

LSL's clock is monotonic and counts from an epoch of the machine's own, as a rule its boot, so it
says nothing about the date. ``utc_offset_s`` measures, now, what to add to come to UTC; the two
drift apart when the system's time is stepped or slewed, so ask again rather than keep it.
"""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime

from volition.errors import LslMissingError
from volition.streams.lsl.library import load


@functools.cache
def _source() -> Callable[[], float]:
    try:
        clock: Callable[[], float] = load().local_clock
    except LslMissingError:
        # liblsl reads C++'s steady clock: CLOCK_MONOTONIC on Linux, the performance counter on
        # Windows. On macOS it counts on while the machine sleeps and Python's does not; without
        # liblsl there is no stream to compare with, and any monotonic clock will do.
        return time.perf_counter if sys.platform == "win32" else time.monotonic
    return clock


def local_clock() -> float:
    """Read LSL's clock, seconds; without liblsl a monotonic clock of the same epoch."""
    return _source()()


def utc_offset_s() -> float:
    """Give what to add to an LSL time, now, to have seconds since 1970 UTC.

    Best of five readings, each bracketed by LSL's clock: the error is below half the shortest
    bracket, under a microsecond as a rule.
    """
    shortest, offset = float("inf"), 0.0
    for _ in range(5):
        before = local_clock()
        utc = time.time()
        after = local_clock()
        if after - before < shortest:
            shortest, offset = after - before, utc - 0.5 * (before + after)
    return offset


def to_utc(time_s: float) -> datetime:
    """Turn an LSL time of this host into a date and time, UTC."""
    return datetime.fromtimestamp(time_s + utc_offset_s(), UTC)
