"""What is stored of sessions survives a power cut, a newer version, and one entry that is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tests.service.supervision.test_standing_still import CONFIG
from volition.service.sessions.config import SessionConfig
from volition.service.supervision.store import LEAP, SessionStore, StoredSession


def stored(id: str, last_seq: int = 7) -> StoredSession:
    return StoredSession(id=id, config=CONFIG, epoch=3, last_seq=last_seq, held=True)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    store = SessionStore(tmp_path / "sessions.json")
    store.write([stored("a", 5)])
    store.write([stored("a", 6), stored("b", 9)], ended_well=True)
    return tmp_path / "sessions.json"


def known(path: Path) -> dict[str, int]:
    return {one.id: one.last_seq for one in SessionStore(path).former}


def test_what_was_written_is_read(path: Path) -> None:
    assert known(path) == {"a": 6, "b": 9}
    assert json.loads(path.read_text())["version"] == 1


@pytest.mark.parametrize("damage", ["empty", "cut", "zeros", "changed", "list"])
def test_a_damaged_file_gives_way_to_the_one_before(path: Path, damage: str) -> None:
    whole = path.read_bytes()
    broken = {
        "empty": b"",
        "cut": whole[: len(whole) * 2 // 3],
        "zeros": bytes(len(whole)),
        "changed": whole.replace(b'"last_seq": 9', b'"last_seq": 8'),
        "list": b"[]",
    }
    path.write_bytes(broken[damage])
    assert known(path) == {"a": 5 + LEAP}
    assert path.with_name("sessions.json.broken").read_bytes() == broken[damage]


def test_a_file_that_was_removed_is_no_damage(path: Path) -> None:
    path.unlink()
    assert known(path) == {}


def test_what_a_newer_version_wrote_is_read_as_far_as_it_is_understood(path: Path) -> None:
    content: dict[str, Any] = json.loads(path.read_text())
    del content["version"], content["sha256"]  # as before there were any
    content["colour"] = "red"
    content["sessions"][1]["mood"] = {"calm": 0.7}
    path.write_text(json.dumps(content))
    assert known(path) == {"a": 6, "b": 9}


@pytest.mark.parametrize(
    "wrong",
    [
        {"id": "c"},
        17,
        {"id": "c", "config": {"decoder": {"kind": "gone"}}, "epoch": 1, "last_seq": 1, "held": 0},
        {"id": "c", "config": {**CONFIG.model_dump(mode="json"), "newer": 1}, "epoch": 1,
         "last_seq": 1, "held": False},
    ],
)  # fmt: skip
def test_an_entry_that_cannot_be_read_is_set_aside_and_the_rest_is_there(
    path: Path, wrong: Any
) -> None:
    content: dict[str, Any] = json.loads(path.read_text())
    del content["version"], content["sha256"]
    content["sessions"].insert(1, wrong)
    path.write_text(json.dumps(content))
    store = SessionStore(path)
    assert [one.id for one in store.former] == ["a", "b"]
    assert store.set_aside == [wrong]
    aside = path.with_name("sessions.json.set-aside").read_text()
    assert json.loads(aside) == wrong


@pytest.mark.parametrize(
    "name", ["con", "NUL", "Com7", "lpt1.x", "aux.tar.gz", "a.", "prn", "x.y."]
)
def test_a_session_has_no_name_that_a_file_may_not_have(name: str) -> None:
    with pytest.raises(ValidationError, match="no file so"):
        SessionConfig.model_validate({**CONFIG.model_dump(mode="json"), "name": name})


@pytest.mark.parametrize("name", ["console", "nul-1", "com10", "a.b", "lpt"])
def test_names_that_are_only_like_them_are_taken(name: str) -> None:
    SessionConfig.model_validate({**CONFIG.model_dump(mode="json"), "name": name})
