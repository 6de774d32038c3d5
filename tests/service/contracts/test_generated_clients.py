"""Others' tools read the service's documents and write clients from them that compile.

The tools for node are those of ``clients/package-lock.json``, installed there when first needed;
where npm or its registry cannot be reached, the tests that need them are skipped.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Protocol

import pytest

from volition.service.gateway.app import create_app
from volition.service.gateway.asyncapi import asyncapi_document

TOOLS = Path(__file__).parent / "clients"
_STRICT = (
    *("--noEmit", "--strict", "--target", "es2022", "--lib", "es2022,dom,dom.iterable"),
    *("--module", "nodenext", "--moduleResolution", "nodenext"),
)

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("npm")]


class Run(Protocol):
    def __call__(self, program: str, *arguments: str) -> None: ...


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("documents")
    (folder / "openapi.json").write_text(json.dumps(create_app().openapi()))
    (folder / "asyncapi.json").write_text(json.dumps(asyncapi_document("1")))
    return folder


@pytest.fixture(scope="module")
def run() -> Run:
    """Give what runs one of the tools for node, or a script of theirs."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        pytest.skip("needs node and npm: others' tools run on them")
    lock = (TOOLS / "package-lock.json").read_text()
    stamp = TOOLS / "node_modules" / ".volition-lock"
    if not stamp.is_file() or stamp.read_text() != lock:
        done = _done([npm, "ci", "--ignore-scripts", "--loglevel=error"])
        if done.returncode:
            pytest.skip(f"needs npm's registry: {done.stdout.strip()[-300:]}")
        stamp.write_text(lock)

    def run_tool(program: str, *arguments: str) -> None:
        installed = TOOLS / "node_modules" / ".bin" / program
        done = _done(
            [node, str(TOOLS / program if program.endswith(".mjs") else installed), *arguments]
        )
        assert done.returncode == 0, done.stdout[-4000:]

    return run_tool


def _done(command: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        check=False,
        cwd=TOOLS,
        env={**os.environ, "NO_COLOR": "1", **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.timeout(600)
def test_the_official_parser_of_asyncapi_finds_nothing_wrong(run: Run, documents: Path) -> None:
    run("parse.mjs", str(documents / "asyncapi.json"))


@pytest.fixture(scope="module")
def models(run: Run, documents: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of what modelina makes of the sockets' messages."""
    folder = tmp_path_factory.mktemp("models")
    run("modelina.mjs", str(documents / "asyncapi.json"), str(folder))
    return folder


@pytest.mark.timeout(600)
def test_models_of_the_sockets_compile_as_strict_typescript(run: Run, models: Path) -> None:
    run("tsc", *_STRICT, *map(str, (models / "ts").glob("*.ts")))


def test_models_of_the_sockets_are_written_as_c_sharp(models: Path) -> None:
    text = (models / "cs" / "SelectionIntent.cs").read_text()
    assert "class SelectionIntent" in text
    assert "double ExpiresS" in text


@pytest.mark.timeout(600)
def test_openapi_typescript_and_orval_write_clients_that_compile_strictly(
    run: Run, documents: Path, tmp_path: Path
) -> None:
    document = str(documents / "openapi.json")
    run("openapi-typescript", document, "--output", str(tmp_path / "openapi.d.ts"))
    client = tmp_path / "client.ts"
    run("orval", "--input", document, "--output", str(client), "--client", "fetch")
    assert "export const createSession = async" in client.read_text()
    run("tsc", *_STRICT, str(client), str(tmp_path / "openapi.d.ts"))


@pytest.fixture(scope="module")
def client_generator(repository: Path) -> Path:
    """Give the folder of programs of an environment that holds openapi-python-client."""
    lock = repository / ".ci" / "locks" / "client-generator.txt"
    made = repository / "build" / "client-generator"
    stamp = made / ".volition-lock"
    if not stamp.is_file() or stamp.read_text() != lock.read_text():
        uv = [sys.executable, "-m", "uv"]
        install = [
            *uv,
            "pip",
            "install",
            "--require-hashes",
            "--python",
            str(made),
            "-r",
            str(lock),
        ]
        for command in ([*uv, "venv", "--clear", "--python", sys.executable, str(made)], install):
            done = _done(command)
            if done.returncode:
                pytest.skip(f"needs the package index: {done.stdout[-300:]}")
        stamp.write_text(lock.read_text())
    return made / ("Scripts" if os.name == "nt" else "bin")


@pytest.mark.timeout(600)
def test_openapi_python_client_leaves_nothing_out_and_its_client_can_be_imported(
    client_generator: Path, documents: Path, tmp_path: Path
) -> None:
    programs = str(client_generator)
    done = _done(
        [
            *(f"{programs}/openapi-python-client", "generate", "--meta", "none"),
            *("--path", str(documents / "openapi.json"), "--fail-on-warning"),
            *("--output-path", str(tmp_path / "made_client")),
        ],
        PATH=os.pathsep.join([programs, os.environ["PATH"]]),  # it formats by ruff
    )
    assert done.returncode == 0, done.stdout
    calls = {path.stem for path in (tmp_path / "made_client" / "api").rglob("*.py")}
    assert _operation_ids(documents) <= calls
    walk = (
        "import importlib, pkgutil, made_client\n"
        "for one in pkgutil.walk_packages(made_client.__path__, 'made_client.'):\n"
        "    importlib.import_module(one.name)\n"
    )
    imported = _done([f"{programs}/python", "-c", walk], PYTHONPATH=str(tmp_path))
    assert imported.returncode == 0, imported.stdout


def _operation_ids(documents: Path) -> set[str]:
    document: dict[str, Any] = json.loads((documents / "openapi.json").read_text())
    return {call["operationId"] for path in document["paths"].values() for call in path.values()}
