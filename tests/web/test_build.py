"""The build of the pages: what is checked and built again, and what is not."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest


class Tools:
    """npm's part, which says what it was asked for and succeeds when it is told to."""

    def __init__(self, build: ModuleType) -> None:
        self.error: Exception | None = build.BuildError("the pages do not fit")
        self.asked: list[str] = []

    def run(self, script: str) -> None:
        self.asked.append(script)
        if self.error is not None:
            raise self.error


def test_pages_that_do_not_fit_fail_every_build_until_they_do_and_then_are_not_checked_again(
    build: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "CHECKED", tmp_path / "checked.sha256")
    monkeypatch.setattr(build, "DOCUMENTS", ())
    tools = Tools(build)

    for _ in range(2):
        with pytest.raises(build.BuildError, match="do not fit"):
            build.check(tools)
    tools.error = None
    for _ in range(2):
        build.check(tools)
    assert tools.asked == ["check"] * 3


def test_pages_are_built_once_until_a_source_changes(
    build: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "page.ts"
    source.write_text("1")
    monkeypatch.setattr(build, "WEB", tmp_path)
    monkeypatch.setattr(build, "STAMP", tmp_path / "sources.sha256")
    monkeypatch.setattr(build, "sources", lambda: [source])
    tools = Tools(build)
    tools.error = None

    for text in ("1", "1", "2", "2"):
        source.write_text(text)
        build.build(tools)
    assert build.is_built()
    assert tools.asked == ["build"] * 2
