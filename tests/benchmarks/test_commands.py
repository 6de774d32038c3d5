"""The commands of the benchmarks refuse what they cannot measure, and say what they can."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import ModuleType

import pytest
import typer
from typer.testing import CliRunner

from volition.benchmarks.commands import faults, peers, quality, report, speed
from volition.service.cli import app

run = CliRunner()


@pytest.mark.parametrize(
    ("trade", "commands"),
    [
        (speed, "latency compare capacity starts broadband pages during-fit decoders counts"),
        (quality, "closed-loop speller spectrum idle promises paired tables"),
        (faults, "faults chaos soak hostile"),
        (peers, "peers"),
        (report, "report"),
    ],
)
def test_each_trade_brings_its_own_commands(trade: ModuleType, commands: str) -> None:
    made = typer.Typer()
    trade.register(made)
    names = [one.name or one.callback.__name__ for one in made.registered_commands if one.callback]
    assert names == commands.split()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["decoders", "--only", "fbca"], "known:.*fbcca"),
        (["peers", "--python", "openvibe=python3"], "ezmsg, mne-lsl, timeflux"),
        (["peers", "--python", "ezmsg"], "NAME=INTERPRETER"),
        (["report"], "at least one report"),
    ],
)
def test_what_cannot_be_measured_is_refused(
    arguments: list[str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.setenv("TERM", "dumb")
    result = run.invoke(app(), ["bench", *arguments])
    assert result.exit_code == 2
    assert re.search(said, result.output)


def test_one_stage_is_measured_and_written_down(tmp_path: Path) -> None:
    result = run.invoke(app(), ["bench", "decoders", "--only", "saturate", "--quick", "--json"])
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout.splitlines()[-1])
    assert [row["kind"] for row in report["stages"]] == ["saturate"]
    path, out = tmp_path / "decoders.json", tmp_path / "figures.md"
    path.write_text(result.stdout, "utf-8")
    written = run.invoke(app(), ["bench", "report", "--decoders", str(path), "--out", str(out)])
    assert written.exit_code == 0, written.output
    assert "| `saturate` | 32 | 1000 Hz |" in out.read_text("utf-8")


def test_two_evaluations_are_compared_by_person(tmp_path: Path) -> None:
    for name, gain in (("first", 0.0), ("second", 0.1)):
        people = {who: {"accuracy": 0.6 + 0.1 * int(who) + gain} for who in ("1", "2", "3")}
        (tmp_path / name).write_text(json.dumps({"by_person": people}))
    arguments = ["bench", "paired", str(tmp_path / "first"), str(tmp_path / "second")]
    found = json.loads(run.invoke(app(), [*arguments, "--json"]).stdout.splitlines()[-1])
    assert (found["n"], found["better"], found["worse"]) == (3, 3, 0)
    assert found["interval"] == pytest.approx([0.1, 0.1])
    refused = run.invoke(app(), [*arguments, "--figure", "luck"])
    assert refused.exit_code == 2
