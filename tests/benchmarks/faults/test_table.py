"""Some faults, made for real: the rest takes minutes and is run by ``volition bench faults``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from volition.benchmarks.faults import table as faults
from volition.benchmarks.faults.injection.scene import Scene, require
from volition.benchmarks.speed.footprint import Footprint, Sample

FAST = (
    "stream.restarts_as_it_was",
    "signal.repeats",
    "signal.misses_a_few",
    "signal.misses_many",
    "signal.is_nan",
    "worker.has_half_a_model",
    "client.sends_too_much",
)


@pytest.fixture(scope="module")
def rows() -> dict[str, dict[str, Any]]:
    return {row["key"]: row for row in faults.run_faults(FAST, jobs=2)}


@pytest.mark.parametrize("key", [*FAST, "survivor"])
def test_a_failure_made_for_real_breaks_no_promise(
    rows: dict[str, dict[str, Any]], key: str
) -> None:
    assert rows[key]["ok"], rows[key]["detail"]


def test_what_was_lost_is_what_was_counted(rows: dict[str, dict[str, Any]]) -> None:
    assert [rows[key]["lost"] for key in ("signal.misses_a_few", "signal.misses_many")] == [20, 200]
    assert rows["stream.restarts_as_it_was"]["lost"] > 0
    for key in ("stream.restarts_as_it_was", "signal.misses_a_few", "signal.misses_many"):
        assert rows[key]["lost_counted"] == rows[key]["lost"]


def test_nothing_was_acted_on_that_was_stale(rows: dict[str, dict[str, Any]]) -> None:
    assert sum(row["stale_acts"] or 0 for row in rows.values()) == 0
    assert sum(row["acts"] or 0 for row in rows.values()) > 0


def test_a_broken_promise_is_a_row_that_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def is_broken(scene: Scene) -> None:
        """Something that never holds."""
        require(scene.client.health().status != "ok", "two is not three")

    monkeypatch.setitem(faults.FAULTS, "broken", is_broken)
    (row, survivor) = faults.run_faults(["broken"])
    assert not row["ok"]
    assert "two is not three" in row["detail"]
    assert survivor["ok"]


def test_every_fault_is_in_the_table_of_the_documentation(repository: Path) -> None:
    text = (repository / "docs" / "faults.md").read_text("utf-8")
    assert len(faults.FAULTS) >= 30
    for fault in faults.FAULTS.values():
        assert f"| {(fault.__doc__ or '').strip().rstrip('.')} |" in text


def test_a_slope_is_that_of_the_samples_after_the_warm_up() -> None:
    footprint = Footprint(1)
    footprint.samples = [
        Sample(t=t, rss_mb=100.0 if t < 60 else 200.0 + t / 3600, files=9, threads=3, processes=2)
        for t in range(600)
    ]
    report = footprint.report(60.0)
    assert report["rss_slope_mb_per_h"] == pytest.approx(1.0, abs=0.01)
    low, high = report["rss_slope_interval_mb_per_h"]
    assert low <= 1.0 <= high
    assert (report["fd_growth"], report["thread_growth"]) == (0.0, 0.0)
