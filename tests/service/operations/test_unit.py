"""The systemd unit is written where it is asked for, and is one that systemd takes."""

from __future__ import annotations

import getpass
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from volition.errors import ConfigError
from volition.service.cli import app
from volition.service.operations.unit import UNIT_NAME, Unit, install, usual_folder

COMMAND = ["/opt/volition/bin/python", "-P", "-m", "volition.service.cli", "serve"]


def lines(unit: Unit) -> list[str]:
    return unit.text().splitlines()


def verified(path: Path) -> None:
    """Have systemd read a unit, where there is one."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("needs systemd-analyze")
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_users_unit_runs_the_service_with_the_users_data(tmp_path: Path) -> None:
    unit = lines(Unit(COMMAND, tmp_path / "data"))
    assert "ExecStart=" + " ".join(COMMAND) in unit
    assert f"Environment=VOLITION_DATA={tmp_path / 'data'}" in unit
    assert "WantedBy=default.target" in unit
    assert not [line for line in unit if line.startswith(("User=", "ProtectSystem="))]


def test_a_unit_of_the_system_names_its_user_and_writes_its_data_alone(tmp_path: Path) -> None:
    unit = lines(Unit(COMMAND, tmp_path, "bci"))
    assert {"User=bci", "ProtectSystem=strict", f"ReadWritePaths={tmp_path}"} <= set(unit)
    assert "WantedBy=multi-user.target" in unit


def test_words_with_spaces_quotes_and_percents_stay_one_word_each() -> None:
    command = ["/opt/my python", 'a"b', "50%", "$HOME"]
    (line,) = [one for one in lines(Unit(command, Path("/d"))) if one.startswith("ExecStart")]
    assert line == 'ExecStart="/opt/my python" "a\\"b" 50%% $$HOME'
    with pytest.raises(ConfigError, match="no control characters"):
        Unit(["/opt/a\nExecStart=/bin/sh"], Path("/d")).text()


@pytest.mark.parametrize("user", [None, getpass.getuser()])
def test_systemd_takes_the_unit(user: str | None, tmp_path: Path) -> None:
    unit = Unit([sys.executable, "-c", "pass"], tmp_path / "my data", user)
    verified(install(unit, tmp_path, replace=False))


def test_a_unit_that_differs_is_replaced_only_when_that_is_asked_for(tmp_path: Path) -> None:
    first, second = Unit(COMMAND, tmp_path), Unit([*COMMAND, "--restore"], tmp_path)
    path = install(first, tmp_path, replace=False)
    assert install(first, tmp_path, replace=False) == path
    with pytest.raises(ConfigError, match="is there already and differs; --replace"):
        install(second, tmp_path, replace=False)
    install(second, tmp_path, replace=True)
    assert "--restore" in path.read_text()


def run(*arguments: str) -> tuple[int, dict[str, object], str]:
    done = CliRunner().invoke(app(), ["service", "install", "--json", *arguments])
    told = json.loads(done.stdout.splitlines()[-1]) if done.exit_code == 0 else {}
    return done.exit_code, told, str(done.exception or "")


def test_the_command_writes_it_and_says_what_to_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VOLITION_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("LSLAPICFG", "/lab/lsl_api.cfg")
    settings = tmp_path / "serve.yaml"
    settings.write_text("port: 9000\n")
    code, told, _ = run("--folder", str(tmp_path), "--settings", str(settings))
    assert code == 0
    assert told["unit"] == str(tmp_path / UNIT_NAME)
    assert told["then"] == [
        "systemctl --user daemon-reload",
        "systemctl --user enable --now volition",
    ]
    text = (tmp_path / UNIT_NAME).read_text()
    assert f"serve --json --settings {settings}" in text
    assert "Environment=LSLAPICFG=/lab/lsl_api.cfg" in text
    assert (tmp_path / "data").is_dir()


def test_wrong_settings_are_told_before_a_service_does_not_start(tmp_path: Path) -> None:
    settings = tmp_path / "serve.yaml"
    settings.write_text("prot: 9000\n")
    code, _, error = run("--folder", str(tmp_path), "--settings", str(settings))
    assert code == 1
    assert "prot is no option of serve; allowed: allow-host" in error
    assert not (tmp_path / UNIT_NAME).exists()


def test_a_unit_of_the_system_needs_a_user_to_run_as(tmp_path: Path) -> None:
    assert "--run-as go together" in run("--system", "--folder", str(tmp_path))[2]


def test_a_users_units_are_where_systemd_looks_for_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert usual_folder(system=False) == tmp_path / "systemd" / "user"
    assert usual_folder(system=True) == Path("/etc/systemd/system")
