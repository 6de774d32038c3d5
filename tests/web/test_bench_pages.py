"""The benchmark of open pages, with a real browser."""

from __future__ import annotations

from pathlib import Path

import pytest

from volition.benchmarks.speed.latency import Cell
from volition.benchmarks.speed.pages import NoBrowserError, find_browser, measure


@pytest.mark.slow
def test_a_session_is_measured_with_the_pages_open_and_without(chromium: str, pages: None) -> None:
    found = measure(seconds=2.0, rounds=1, cell=Cell(8, 250.0, 0.04), settle_s=0.5)
    assert found["without"]["n"] > 20
    assert found["with_pages"]["n"] > 20
    assert found["lost"] == 0
    assert len(found["ratio_p99_by_round"]) == 1


def test_without_a_browser_it_says_which_it_looked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoBrowserError, match="chromium, chromium-browser, google-chrome"):
        find_browser()
