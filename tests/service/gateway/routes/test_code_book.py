"""A screen is told what to flash: the items of a session's decoder and what each does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from volition.decoders.contract.settings import Settings
from volition.errors import ConfigError, SessionError
from volition.service.gateway.routes.code_book import book_of
from volition.service.sessions.config import parse_config

ITEMS = list("ABCDEF")


def settings(code: dict[str, Any], **changed: Any) -> Settings:
    return decoder({"kind": "erp", "book": {"items": ITEMS, "code": code}, **changed})


def decoder(given: dict[str, Any]) -> Settings:
    return parse_config({"stream": {"type": "EEG"}, "decoder": given}).decoder


def test_a_book_says_what_each_item_does_in_each_step() -> None:
    view = book_of("s", settings({"kind": "rowcol", "columns": 3}, max_s=8))

    assert view.items == ITEMS
    assert (view.code, view.columns, view.step_hz) == ("rowcol", 3, None)
    # Two rows, then three columns.
    assert view.steps == ["10100", "10010", "10001", "01100", "01010", "01001"]
    assert (view.onset_markers, view.end_markers, view.max_s) == (["trial_start"], ["trial_end"], 8)


def test_a_book_of_a_code_without_a_grid_says_so() -> None:
    assert book_of("s", settings({"kind": "rsvp"})).columns is None


def test_a_code_that_is_in_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "code.txt"
    path.write_text("\n".join(f"{1 << place:06b}" for place in range(6)))

    assert book_of("s", settings({"kind": "file", "path": str(path)})).steps[0] == "000001"

    with pytest.raises(ConfigError, match="cannot be read"):
        book_of("s", settings({"kind": "file", "path": str(tmp_path / "other.txt")}))


def test_a_decoder_without_a_book_is_named() -> None:
    flicker = {
        "kind": "fbcca",
        "targets": [{"label": "a", "freq_hz": 10}, {"label": "b", "freq_hz": 12}],
    }

    with pytest.raises(SessionError, match=r"session s \(fbcca\) has no code book"):
        book_of("s", decoder(flicker))
