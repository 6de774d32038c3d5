"""The rows of hostile programs: what is measured is what is judged."""

from __future__ import annotations

import itertools
import random
from pathlib import Path
from typing import Any

import pytest

from volition.benchmarks.faults.hostile import kept, table
from volition.benchmarks.faults.hostile.soak import Taken, slopes
from volition.benchmarks.faults.injection.scene import Scene, require

ATTACKS = {
    "posts_markers",
    "reads",
    "sends_big_markers",
    "pings",
    "sends_ping_frames",
    "sends_half_headers",
    "sends_without_end",
    "calibrates_on_big_markers",
    "uploads_networks",
    "sends_large_bodies",
    "shows_flashes",
    "no_descriptors",
}
HANGS = {"changes_the_model", "worker_suspended", "gateway_suspended", "full_disk"}


def test_the_stop_is_tried_under_every_flood_and_beside_everything_that_hangs() -> None:
    assert {f"stop.{name}" for name in {"quiet"} | ATTACKS | HANGS} <= set(table.ROWS)


@pytest.mark.slow
@pytest.mark.parametrize(("deed", "after_s"), [("stop", 0.012), ("release", 0.02), ("delete", 1.0)])
def test_what_was_answered_before_a_kill_is_what_is_found(
    tmp_path: Path, deed: str, after_s: float
) -> None:
    told = kept.kill_around(tmp_path, deed, after_s)
    assert told.is_right, told


def test_a_kill_is_judged_by_what_was_answered() -> None:
    right = {"stop": "held", "release": "free", "delete": "gone"}
    for deed, found in itertools.product(right, right.values()):
        assert kept.Round(deed, answered=False, found=found).is_right
        assert kept.Round(deed, answered=True, found=found).is_right is (found == right[deed])


def test_of_what_is_taken_each_kind_of_process_is_judged_by_itself() -> None:
    chance = random.Random(3)  # noqa: S311 - no secret
    taken = [
        Taken(
            hours=n / 60,
            gateway_mb=150 + chance.gauss(0, 0.5),
            worker_mb=150 + n + chance.gauss(0, 0.5),
            # One that is there now and then is none of them.
            helpers_mb={7: 70 + chance.gauss(0, 0.5), 100 + n: 500.0},
            files=40,
            threads=12 + n // 7,
        )
        for n in range(60)
    ]
    found = slopes(taken)
    grows = {name for name, one in found.items() if one["grows"]}
    assert grows == {"worker_mb", "threads"}
    assert found["worker_mb"]["slope"] == pytest.approx(60, rel=0.1)
    assert found["helpers_mb"]["median"] == pytest.approx(70, abs=1)


@pytest.mark.slow
@pytest.mark.parametrize("key", ["stop.posts_markers", "stop.gateway_suspended"])
def test_a_stop_under_attack_holds_and_its_answer_is_timed(key: str) -> None:
    (row,) = table.run_hostile([key], presses=3)
    assert (row["error"], row["presses"], row["outputs_made_after"]) == ("", 3, 0)
    assert 0 < row["answer_ms"]["p50"] <= row["answer_ms"]["max"]


def test_a_promise_that_is_broken_is_a_row_that_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(scene: Scene, presses: int) -> dict[str, Any]:
        require(scene.client.health().status != "ok", "two is not three")
        return {"ok": True}

    monkeypatch.setitem(table.ROWS, "broken", ("Something that never holds", breaks))
    (row,) = table.run_hostile(["broken"], presses=1)
    assert not row["ok"]
    assert "two is not three" in row["error"]
