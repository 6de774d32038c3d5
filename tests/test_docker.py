"""The container: built from the same locks and run by the same command as on a plain machine.

No container engine runs here: these tests read the Dockerfile and the composition, and run those
of their commands that run anywhere.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from volition.service.cli import EXIT_CODES
from volition.service.gateway.auth import default_token_path
from volition.service.sessions.folders import data_folder
from volition.service.wire.address import DEFAULT_PORT


class Step(NamedTuple):
    """One instruction of the Dockerfile and what follows it."""

    instruction: str
    rest: str


@pytest.fixture(scope="module")
def stages(repository: Path) -> list[list[Step]]:
    """The Dockerfile's instructions, by stage; what stands before the first stage is left out."""
    text = (repository / "Dockerfile").read_text(encoding="utf-8")
    text = re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    steps = [Step(*line.split(maxsplit=1)) for line in text.splitlines() if line.strip()]
    starts = [i for i, step in enumerate(steps) if step.instruction == "FROM"]
    return [steps[a:b] for a, b in zip(starts, [*starts[1:], len(steps)], strict=True)]


@pytest.fixture(scope="module")
def composition(repository: Path) -> dict[str, Any]:
    text = (repository / "docker" / "compose.yaml").read_text(encoding="utf-8")
    loaded: dict[str, Any] = yaml.safe_load(text)
    return loaded


def dry_run(repository: Path, target: str) -> str:
    command = ["make", "--dry-run", "--always-make", target]
    return subprocess.run(
        command, cwd=repository, check=True, capture_output=True, text=True
    ).stdout


def image_environment(stages: list[list[Step]]) -> dict[str, str]:
    words = [shlex.split(step.rest) for step in stages[-1] if step.instruction == "ENV"]
    return dict(word.split("=", 1) for line in words for word in line)


def copied(stage: list[Step]) -> list[str]:
    return [
        source
        for step in stage
        if step.instruction == "COPY" and not step.rest.startswith("--from=")
        for source in shlex.split(step.rest)[:-1]
    ]


def test_what_the_image_copies_exists_and_holds_every_package(
    repository: Path, stages: list[list[Step]]
) -> None:
    sources = copied(stages[0])
    package = repository / "src" / "volition"
    rooms = {path.name for path in package.iterdir() if path.is_symlink()}

    assert all((repository / source).exists() for source in sources)
    assert {"src", *rooms} <= set(sources)
    assert {"pyproject.toml", "README.md", "LICENSE"} <= set(sources)


def test_the_image_installs_by_the_script_and_locks_that_make_uses(
    repository: Path, stages: list[list[Step]]
) -> None:
    made = [
        step.rest for step in stages[0] if ".ci/venv" in step.rest and step.instruction == "RUN"
    ]
    locks = {lock for command in made for lock in shlex.split(command)[2:]}
    written = set(re.findall(r"-o (\.ci/locks/\S+)", dry_run(repository, "lock")))

    assert locks == {".ci/locks/build.txt", ".ci/locks/runtime.txt"}
    assert locks <= written & set(copied(stages[0]))
    assert ".ci/venv .venv .ci/locks/dev.txt" in dry_run(repository, "venv")


def test_nothing_is_installed_in_the_image_but_from_a_lock_or_the_wheel(
    stages: list[list[Step]],
) -> None:
    runs = [step.rest for stage in stages for step in stage if step.instruction == "RUN"]
    installs = [run for run in runs if "pip install" in run or "apt-get" in run or "curl" in run]

    assert len(installs) == 1
    assert {"--no-deps", "--no-index"} <= set(shlex.split(installs[0]))


def test_the_image_runs_what_make_serve_runs(repository: Path, stages: list[list[Step]]) -> None:
    final = {step.instruction: step.rest for step in stages[-1]}
    command = [*json.loads(final["ENTRYPOINT"]), *json.loads(final["CMD"])]

    assert f".venv/bin/{shlex.join(command)}" in dry_run(repository, "serve")


def test_the_image_does_not_run_as_root(stages: list[list[Step]]) -> None:
    users = [step.rest for step in stages[-1] if step.instruction == "USER"]
    assert users
    assert users[-1] not in ("root", "0")


@pytest.fixture
def answering(request: pytest.FixtureRequest) -> Iterator[int]:
    """Port of a server on loopback that answers /healthz with the status given."""
    status: int = request.param

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/healthz" else 404)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("answering", "healthy"), [(200, True), (503, False)], indirect=["answering"]
)
def test_the_health_check_tells_a_service_that_is_well_from_one_that_is_not(
    stages: list[list[Step]], answering: int, healthy: bool
) -> None:
    check = next(step.rest for step in stages[-1] if step.instruction == "HEALTHCHECK")
    python, *arguments = json.loads(check[check.index("CMD") + 3 :])
    assert python == "python"

    outcome = subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "VOLITION_PORT": str(answering)},
        capture_output=True,
        check=False,
    )
    assert (outcome.returncode == 0) is healthy


def test_the_composition_shares_the_hosts_network(composition: dict[str, Any]) -> None:
    service = composition["services"]["volition"]

    assert service["network_mode"] == "host"
    assert "ports" not in service  # which the host's network would leave without effect


def test_the_container_is_asked_for_its_health_where_it_listens(
    stages: list[list[Step]], composition: dict[str, Any]
) -> None:
    service = composition["services"]["volition"]
    port = f"${{VOLITION_PORT:-{DEFAULT_PORT}}}"

    assert image_environment(stages)["VOLITION_PORT"] == str(DEFAULT_PORT)
    assert service["environment"]["VOLITION_PORT"] == port
    assert service["command"][3:] == ["--port", port]


def test_the_composition_answers_loopback_unless_an_address_is_given(
    composition: dict[str, Any],
) -> None:
    service = composition["services"]["volition"]

    assert service["command"][:3] == ["serve", "--host", "${VOLITION_HOST:-127.0.0.1}"]
    assert service["environment"]["VOLITION_TOKEN"] == "${VOLITION_TOKEN:-}"


def test_beyond_loopback_the_service_starts_only_with_the_token_of_its_environment(
    tmp_path: Path,
) -> None:
    # 192.0.2.1 is for documentation (RFC 5737): no machine has it, so nothing is ever served there.
    command = [
        sys.executable,
        "-m",
        "volition.service.cli",
        "serve",
        "--host",
        "192.0.2.1",
        "--port",
        "0",
    ]
    environment = {**os.environ, "VOLITION_TOKENS": str(tmp_path / "tokens.json")}
    tried = {
        token: subprocess.run(
            command,
            env={**environment, "VOLITION_TOKEN": token},
            capture_output=True,
            text=True,
            check=False,
        )
        for token in ("", "t" * 40)
    }

    assert "without a token" in tried[""].stderr
    assert tried[""].returncode == EXIT_CODES["config"]
    assert "without a token" not in tried["t" * 40].stderr
    assert tried["t" * 40].returncode == EXIT_CODES["port"]  # it went on, to an address not here


def test_what_outlives_the_container_is_kept_in_its_volume(
    stages: list[list[Step]], composition: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in image_environment(stages).items():
        if name.startswith("VOLITION_"):
            monkeypatch.setenv(name, value)
    volume = next(step.rest for step in stages[-1] if step.instruction == "VOLUME")
    service = composition["services"]["volition"]

    assert data_folder() == Path(volume)
    assert default_token_path().parent == Path(volume)
    assert [mount.split(":") for mount in service["volumes"]] == [["data", volume]]
    assert "data" in composition["volumes"]


def test_the_composition_grants_nothing_that_the_service_does_not_need(
    composition: dict[str, Any],
) -> None:
    service = composition["services"]["volition"]

    assert service["cap_drop"] == ["ALL"]
    assert service["read_only"] is True
    assert "privileged" not in service
    assert not {"cap_add", "devices", "pid", "user"} & service.keys()


def test_the_composition_builds_this_repository(
    repository: Path, composition: dict[str, Any]
) -> None:
    build = composition["services"]["volition"]["build"]
    assert (repository / "docker" / build["context"]).resolve() == repository
