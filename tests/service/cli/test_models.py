"""``volition models``: what is added is listed, shown and removed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from volition.decoders.fitting.fitted import load_model
from volition.errors import ModelError
from volition.service.cli import app


@pytest.fixture(autouse=True)
def _own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOLITION_DATA", str(tmp_path / "data"))


def told(*arguments: str) -> Any:
    result = CliRunner().invoke(app(), ["models", *arguments, "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout.splitlines()[-1])


def test_a_model_is_added_with_its_card_listed_shown_and_removed(tmp_path: Path) -> None:
    path = load_model("flint-run1-kalman").save(tmp_path / "mine")
    card = tmp_path / "card.json"
    card.write_text(json.dumps({"kind": "kalman", "input": {"rate_hz": 10, "n_channels": 10}}))
    made = told("add", str(path), "--name", "mine", "--card", str(card))
    assert made["version"] == load_model(path).version
    names = [one["name"] for one in told("list")["models"]]
    assert names == sorted([*names])
    assert "mine" in names
    assert told("show", "mine") == made == told("show", f"mine@{made['version']}")
    assert told("remove", "mine")["removed"] == [made["version"]]
    assert "mine" not in [one["name"] for one in told("list")["models"]]


def test_a_card_that_is_wrong_is_an_error_that_names_the_key(tmp_path: Path) -> None:
    path = load_model("flint-run1-kalman").save(tmp_path / "mine")
    card = tmp_path / "card.json"
    card.write_text(json.dumps({"kind": "kalman", "colour": "red"}))
    with pytest.raises(ModelError, match="colour"):
        told("add", str(path), "--name", "mine", "--card", str(card))
    with pytest.raises(ModelError, match="rate_hz"):
        told("add", str(path), "--name", "mine")


def test_a_name_and_its_version_stand_on_one_line_of_a_narrow_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = load_model("flint-run1-kalman").save(tmp_path / "mine")
    card = tmp_path / "card.json"
    card.write_text(json.dumps({"kind": "kalman", "input": {"rate_hz": 10, "n_channels": 10}}))
    made = told("add", str(path), "--name", "m" * 60, "--card", str(card))
    monkeypatch.setenv("COLUMNS", "40")
    listed = CliRunner().invoke(app(), ["models", "list"])
    assert f"{'m' * 60}@{made['version']}" in listed.stdout
