"""``volition doctor`` says where things are, and writes the settings that LSL lacks."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from volition.errors import ConfigError
from volition.service.cli import app, machine


def test_a_file_of_settings_that_is_not_there_is_told_with_what_writes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "lab" / "lsl_api.cfg"
    monkeypatch.setenv("LSLAPICFG", str(file))
    finding = machine._lsl_config()
    assert not finding.ok
    assert f"--write-lsl-config {file}" in finding.advice
    machine.write_lsl_config(file)
    assert machine._lsl_config().ok
    assert "KnownPeers = {127.0.0.1}" in file.read_text()
    assert "SessionID = default" in file.read_text()
    with pytest.raises(ConfigError, match="there already"):
        machine.write_lsl_config(file)


def test_the_data_folder_and_the_tokens_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VOLITION_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("VOLITION_TOKENS", raising=False)
    assert machine._data().found == str(tmp_path / "data")
    assert machine._tokens().found == f"0 in {tmp_path / 'data' / 'tokens.json'}"


def test_the_version_is_printed() -> None:
    said = CliRunner().invoke(app(), ["--version"])
    assert said.exit_code == 0
    assert said.stdout.startswith("volition ")
