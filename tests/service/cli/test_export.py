"""Recordings are exported with what was decided, and deleted when they are older than wanted."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from volition.chunk import SignalSpec
from volition.errors import ConfigError
from volition.service.cli import app
from volition.service.cli.export import age_s, decided_in
from volition.service.sessions.folders import recordings_folder
from volition.streams.files.recording import Recording


def run(*arguments: str) -> Any:
    done = CliRunner().invoke(app(), ["recordings", *arguments, "--json"])
    if done.exception is not None:
        raise done.exception
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VOLITION_DATA", str(tmp_path))
    recordings_folder().mkdir()
    for name, days in (("old", 40), ("middle", 20), ("new", 0)):
        path = recordings_folder() / f"{name}.xdf"
        path.write_bytes(b"XDF:")
        then = time.time() - days * 86400
        os.utime(path, (then, then))
    (recordings_folder() / "notes.txt").write_text("kept")
    return recordings_folder()


def test_recordings_older_than_wanted_are_deleted_and_nothing_else(kept: Path) -> None:
    assert run("prune", "--keep", "30d", "--dry-run") == {"deleted": ["old"], "kept": 2}
    assert len(list(kept.iterdir())) == 4
    assert run("prune", "--keep", "30d") == {"deleted": ["old"], "kept": 2}
    assert sorted(one.name for one in kept.iterdir()) == ["middle.xdf", "new.xdf", "notes.txt"]
    assert run("prune", "--keep", "2w") == {"deleted": ["middle"], "kept": 1}


@pytest.mark.parametrize(("text", "age"), [("12h", 43200), ("30d", 2592000), ("8w", 4838400)])
def test_an_age_is_a_number_of_hours_days_or_weeks(text: str, age: float) -> None:
    assert age_s(text) == age


@pytest.mark.parametrize("text", ["", "30", "-1d", "1.5d", "30 days"])
def test_what_is_no_age_deletes_nothing(text: str, kept: Path) -> None:
    with pytest.raises(ConfigError, match="12h, 30d, 8w"):
        run("prune", "--keep", text)
    assert len(list(kept.iterdir())) == 4


def test_what_a_session_decided_becomes_events() -> None:
    spec = SignalSpec(250.0, ("a",))
    selection = {"kind": "selection", "label": "up", "t_sample": 3.0, "seq": 1, "confidence": 0.5}
    idle = {"kind": "idle", "reason": "rest", "t_sample": 4.0, "seq": 2, "model": None}
    texts = {"volition-intents": [(3.0, json.dumps(selection)), (4.0, json.dumps(idle))]}
    made = Recording(spec, np.zeros((1, 1)), np.zeros(1), metadata={"texts": texts})
    first, second = decided_in(made)
    assert (first.time, first.name) == (3.0, "intent/selection/up")
    assert dict(first.data) == {"seq": 1, "confidence": 0.5}
    assert (second.name, dict(second.data)) == ("intent/idle", {"seq": 2, "reason": "rest"})


def test_recordings_are_added_to_a_data_set_by_file(tmp_path: Path) -> None:
    file = Path(__file__).parents[3] / "streams" / "recordings" / "ssvep-exo-s12.xdf"
    arguments = ("--root", str(tmp_path / "bids"), "--participant", "P01", "--task", "ssvep")
    (path,) = run("bids", str(file), *arguments)["runs"]
    assert Path(path).is_file()
    assert (tmp_path / "bids" / "participants.tsv").read_text() == "participant_id\nsub-P01\n"
