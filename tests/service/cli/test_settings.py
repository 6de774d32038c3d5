"""Options of ``volition serve`` may stand in a file and in the environment; presets complete."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import typer
import yaml
from typer.testing import CliRunner

from volition.errors import ConfigError
from volition.service.cli import app
from volition.service.cli.options import complete_preset
from volition.service.cli.serve import read_settings
from volition.service.sessions.config import preset_names, preset_text

SERVE = typer.main.get_group(app()).commands["serve"]


def parsed(*arguments: str, **environment: str) -> dict[str, Any]:
    """Read a command line of ``serve`` without running it."""
    before = dict(os.environ)
    os.environ.update(environment)
    try:
        context = SERVE.make_context(
            "serve", list(arguments), auto_envvar_prefix="VOLITION_SERVE", resilient_parsing=False
        )
    finally:
        os.environ.clear()
        os.environ.update(before)
    return context.params


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    file = tmp_path / "serve.yaml"
    file.write_text(
        "port: 9001\nhost: 127.0.0.2\nsession: fbcca-exo\nallow-host: [lab.example, lab]\n"
        "restore: true\nmax-sessions: 3\n"
    )
    return file


def test_options_are_read_from_the_settings_file(settings: Path) -> None:
    found = parsed("--settings", str(settings))
    assert (found["port"], found["host"], found["restore"]) == (9001, "127.0.0.2", True)
    assert list(found["session"]) == ["fbcca-exo"]
    assert list(found["allow_host"]) == ["lab.example", "lab"]


def test_the_command_line_comes_before_the_environment_and_that_before_the_file(
    settings: Path,
) -> None:
    from_environment = {
        "VOLITION_SERVE_SETTINGS": str(settings),
        "VOLITION_SERVE_PORT": "9002",
        "VOLITION_SERVE_MAX_SESSIONS": "4",
    }
    found = parsed("--port", "9003", **from_environment)
    assert (found["port"], found["max_sessions"], found["host"]) == (9003, 4, "127.0.0.2")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("prot: 1", "prot is no option of serve; allowed: allow-host"),
        ("json: true", "json is no option of serve"),
        ("[1]", "holds list where a mapping is needed"),
        ("a: [", "is not YAML"),
    ],
)
def test_what_is_wrong_with_a_settings_file_is_said(text: str, words: str, tmp_path: Path) -> None:
    file = tmp_path / "serve.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=words):
        read_settings(file)


def test_a_settings_file_that_is_not_there_and_a_value_of_the_wrong_type_are_refused(
    tmp_path: Path,
) -> None:
    with pytest.raises(ConfigError, match="no settings file"):
        read_settings(tmp_path / "none.yaml")
    file = tmp_path / "serve.yaml"
    file.write_text("port: many")
    with pytest.raises(typer.BadParameter, match="valid int"):
        parsed("--settings", str(file))


def test_the_page_has_every_option_with_its_variable(repository: Path) -> None:
    page = (repository / "docs" / "operate.md").read_text("utf-8")
    table = page.partition("## Settings")[2].partition("\n## ")[0]
    for option in SERVE.params:
        if option.name in ("json", "end_with_stdin", "settings"):
            continue
        name = (option.name or "").replace("_", "-")
        variable = option.envvar or f"VOLITION_SERVE_{(option.name or '').upper()}"
        assert f"| `{name}` | `{variable}` |" in table


def test_a_preset_is_completed_by_the_shell() -> None:
    assert complete_preset("fbcca-") == [one for one in preset_names() if one.startswith("fbcca-")]
    done = subprocess.run(
        [str(Path(sys.executable).with_name("volition"))],
        env={
            **os.environ,
            "_VOLITION_COMPLETE": "complete_bash",
            "_TYPER_COMPLETE_ARGS": "volition config check fbcca-e",
            "COMP_WORDS": "volition config check fbcca-e",
            "COMP_CWORD": "3",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert "fbcca-exo" in done.stdout.split(), done.stderr


def schema() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(CliRunner().invoke(app(), ["config", "schema"]).stdout)
    return found


def test_the_schema_is_one_and_every_preset_keeps_to_it() -> None:
    validator = jsonschema_rs.validator_for(schema())
    for name in preset_names():
        validator.validate(yaml.safe_load(preset_text(name)))


def test_the_schema_finds_a_wrong_key() -> None:
    wrong = {**yaml.safe_load(preset_text("fbcca-exo")), "stagse": []}
    assert not jsonschema_rs.validator_for(schema()).is_valid(wrong)


def test_a_session_file_is_checked_as_the_service_would_read_it(tmp_path: Path) -> None:
    run = CliRunner()
    right = json.loads(run.invoke(app(), ["config", "check", "fbcca-exo", "--json"]).stdout)
    assert right["decoder"] == "fbcca"
    file = tmp_path / "mine.yaml"
    file.write_text(preset_text("fbcca-exo").replace("kind: fbcca", "kind: fbca"))
    wrong = run.invoke(app(), ["config", "check", str(file)])
    assert isinstance(wrong.exception, ConfigError)
    assert "did you mean fbcca" in wrong.exception.message
