"""The service keeps to its OpenAPI document, whatever it is asked.

Schemathesis asks: requests that the document allows and ones that it does not, and chains of them
(a session that was made is stopped, asked and deleted). It runs as a program, against the real
service, which asks for tokens or not. `LONG` makes the run long: at least ten thousand requests.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from volition.service.client import Client
from volition.service.gateway.auth import Role, TokenFile
from volition.service.gateway.launch import running_service

LONG = bool(os.environ.get("VOLITION_LONG_FUZZ"))
# Each live session is a process: with two of them, the refusal of a third is tried as well.
MAX_SESSIONS = 2
LONG_PHASES = "coverage,fuzzing,stateful"
# Every check is made, but for two of some operations. A configuration, and what holds one, reads
# "5" and true as numbers, as YAML's writers expect; and there are rules for which JSON Schema has
# no words: between keys (low_hz < high_hz), between a model's file and its card, or between what
# is asked for and what is there.
OPERATIONS = (
    "POST /v1/sessions",
    "POST /v1/models",
    "POST /v1/sessions/{id}/calibrations",
    "PUT /v1/sessions/{id}/model",
)
# Whether a marker's time is one of the session's clock depends on when it is asked.
TIMED = ("POST /v1/sessions/{id}/markers", "POST /v1/sessions/{id}/markers/batch")
CONFIG = "".join(
    f"""
[[operations]]
include-name = "{operation}"
checks.negative_data_rejection.enabled = false
checks.positive_data_acceptance.enabled = false
"""
    for operation in OPERATIONS
) + "".join(
    f"""
[[operations]]
include-name = "{operation}"
checks.positive_data_acceptance.enabled = false
"""
    for operation in TIMED
)


@pytest.mark.slow
@pytest.mark.timeout(7200 if LONG else 600)
@pytest.mark.parametrize(
    ("tokens", "phases", "least"),
    [(False, "coverage", 200), (True, "fuzzing,stateful", 50)],
    ids=["open", "tokens"],
)
def test_no_request_is_answered_in_a_way_that_the_document_does_not_say(
    tokens: bool, phases: str, least: int, tmp_path: Path, repository: Path
) -> None:
    config = f"checks.ignored_auth.enabled = {str(tokens).lower()}\n{CONFIG}"
    (tmp_path / "schemathesis.toml").write_text(config)
    file = TokenFile(tmp_path / "tokens.json")
    secret = file.make("fuzz", Role.ADMIN) if tokens else None
    arguments = ["--max-sessions", str(MAX_SESSIONS)]
    if tokens:
        arguments += ["--tokens", str(file.path)]
    with (
        (tmp_path / "log").open("w") as log,
        running_service(
            *arguments, env={"VOLITION_DATA": str(tmp_path / "data")}, stderr=log
        ) as service,
    ):
        # Made now, not while Schemathesis waits for it, which it does for ten seconds alone.
        httpx.get(f"{service.url}/openapi.json", timeout=60, trust_env=False)
        report = _fuzz(service.url, secret, phases, tmp_path, repository)
        with Client(service.url, token=secret) as client:
            assert client.health().status == "ok"
            for session in client.sessions():
                client.delete(session.id)
    assert "Traceback" not in (tmp_path / "log").read_text()
    made = re.search(r"(\d+) generated", report)
    assert made is not None
    assert int(made[1]) >= (5_000 if LONG else least)


def _fuzz(url: str, secret: str | None, phases: str, folder: Path, repository: Path) -> str:
    """Run Schemathesis; give its report, and fail with it when a check failed."""
    program = shutil.which("st", path=str(Path(sys.executable).parent))
    assert program is not None
    command = [
        *(program, "--config-file", str(folder / "schemathesis.toml")),
        *("run", f"{url}/openapi.json", "--phases", LONG_PHASES if LONG else phases),
        *("--max-examples", "150" if LONG else "3", "--no-color"),
        *("--continue-on-failure", "--warnings", "off", "--request-timeout", "30"),
    ]
    if secret is not None:
        command += ["--header", f"Authorization: Bearer {secret}"]
    if LONG:
        command += ["--generation-database", "none"]
    else:
        command += ["--seed", "1", "--generation-deterministic", "--no-shrink"]
        if "coverage" in phases:  # nine of ten requests would be configurations
            command += ["--exclude-path-regex", r"^/v1/sessions(/\{id\}/(calibrations|model))?$"]
    done = subprocess.run(
        command,
        check=False,
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": str(repository / "tests" / "service" / "gateway"),
            "SCHEMATHESIS_HOOKS": "schemathesis_hooks",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout
