from __future__ import annotations

import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import pylsl
import pytest

from volition.streams.lsl.clock import local_clock, to_utc, utc_offset_s


def test_the_clock_is_that_of_lsl() -> None:
    before = pylsl.local_clock()
    now = local_clock()
    after = pylsl.local_clock()

    assert before <= now <= after


def test_an_lsl_time_maps_to_the_date_that_the_system_shows() -> None:
    shown = to_utc(local_clock())

    assert abs(shown - datetime.now(UTC)) < timedelta(seconds=1)
    assert utc_offset_s() == pytest.approx(time.time() - local_clock(), abs=0.1)


@pytest.mark.skipif(sys.platform == "darwin", reason="needs a clock that stops during sleep")
def test_without_liblsl_the_clock_keeps_its_epoch() -> None:
    program = (
        "import sys\n"
        "sys.modules['pylsl'] = None\n"
        "from volition.streams.lsl.clock import local_clock\n"
        "print(repr(local_clock()))\n"
    )
    before = local_clock()
    shown = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    ).stdout
    after = local_clock()

    assert before <= float(shown) <= after
