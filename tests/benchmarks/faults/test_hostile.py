"""The rows of hostile programs: what is measured is what is judged."""

from __future__ import annotations

from typing import Any

import pytest

from volition.benchmarks.faults.hostile import table
from volition.benchmarks.faults.injection.scene import Scene, require

ATTACKS = {"posts_markers", "reads", "sends_big_markers", "pings", "sends_half_headers"}
HANGS = {"changes_the_model", "worker_suspended", "gateway_suspended"}


def test_the_stop_is_tried_under_every_flood_and_beside_everything_that_hangs() -> None:
    assert {f"stop.{name}" for name in {"quiet"} | ATTACKS | HANGS} <= set(table.ROWS)


@pytest.mark.slow
@pytest.mark.parametrize("key", ["stop.posts_markers", "stop.gateway_suspended"])
def test_a_stop_under_attack_holds_and_its_answer_is_timed(key: str) -> None:
    (row,) = table.run_hostile([key], presses=3)
    assert (row["error"], row["presses"], row["outputs_after"]) == ("", 3, 0)
    assert 0 < row["answer_ms"]["p50"] <= row["answer_ms"]["max"]


def test_a_promise_that_is_broken_is_a_row_that_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(scene: Scene, presses: int) -> dict[str, Any]:
        require(scene.client.health().status != "ok", "two is not three")
        return {"ok": True}

    monkeypatch.setitem(table.ROWS, "broken", ("Something that never holds", breaks))
    (row,) = table.run_hostile(["broken"], presses=1)
    assert not row["ok"]
    assert "two is not three" in row["error"]
