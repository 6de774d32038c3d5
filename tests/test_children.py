"""Processes that Volition starts run nothing that lies in the folder they are started in."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from volition.children import spawning

ROOMS = ("benchmarks", "decoders", "models", "service", "streams")
#: What a folder may hold that Python would import from there, by a room's name or a library's.
HOSTILE = (
    "json.py",
    "models.py",
    "multiprocessing.py",
    "numpy.py",
    "service/__init__.py",
    "sitecustomize.py",
    "streams/__init__.py",
    "volition/__init__.py",
)
#: How the standard library forks and starts processes beside `multiprocessing` and `subprocess`.
FORKS = {"fork", "forkpty", "posix_spawn", "posix_spawnp", "spawnv_passfds"}
#: Programs of others, and what is built before Volition can be imported.
STARTS_BY_ITSELF = {"benchmarks/peers/measure.py", "service/web/build.py"}


@pytest.fixture
def hostile_folder(tmp_path: Path) -> Path:
    """A folder in which each module that is run leaves its name in the file ``ran``."""
    folder = tmp_path / "current"
    for name in HOSTILE:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            f"with open({str(tmp_path / 'ran')!r}, 'a') as file:\n"
            f"    file.write({name!r} + '\\n')\n"
            "raise SystemExit('ran what lies in the current directory')\n",
            encoding="utf-8",
        )
    return folder


def what_ran(folder: Path) -> str:
    ran = folder.parent / "ran"
    return ran.read_text(encoding="utf-8") if ran.exists() else ""


def test_the_folder_is_hostile_to_a_python_that_is_started_as_usual(hostile_folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "volition.service.cli", "--help"],
        cwd=hostile_folder,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode != 0
    assert what_ran(hostile_folder)


def test_a_module_and_a_spawned_process_run_nothing_of_the_current_directory(
    hostile_folder: Path,
) -> None:
    program = (
        "import subprocess\n"
        "from volition.children import python_module, spawning\n"
        "process = spawning.Process(target=print, args=('spawned',))\n"
        "process.start()\n"
        "process.join()\n"
        "assert process.exitcode == 0\n"
        "subprocess.run(python_module('volition.service.cli', 'token', '--help'), check=True)\n"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", program],
        cwd=hostile_folder,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "spawned" in done.stdout
    assert what_ran(hostile_folder) == ""


def test_threads_that_start_processes_at_once_leave_the_environment_as_it_was() -> None:
    def start() -> None:
        process = spawning.Process(target=print)
        process.start()
        process.join()

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert "PYTHONSAFEPATH" not in os.environ


@pytest.mark.slow
def test_the_demonstration_runs_in_a_hostile_folder(hostile_folder: Path) -> None:
    """It starts the service, a worker, a headset and a search, each a process of its own."""
    volition = Path(sys.executable).with_name("volition")
    done = subprocess.run(
        [str(volition), "demo", "--trials", "1", "--json"],
        cwd=hostile_folder,
        env={**os.environ, "VOLITION_DATA": str(hostile_folder.parent / "data")},
        capture_output=True,
        text=True,
        check=False,
    )

    assert what_ran(hostile_folder) == ""
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["lost"] == 0


def test_no_process_is_started_but_by_the_one_module_that_does_it_safely(repository: Path) -> None:
    found = set()
    paths = [path for room in ROOMS for path in (repository / room).rglob("*.py")]
    for path in (path for path in paths if "node_modules" not in path.parts):
        name = path.relative_to(repository).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            is_python = isinstance(node, ast.Attribute) and node.attr == "executable"
            is_context = isinstance(node, ast.Attribute) and node.attr == "get_context"
            is_fork = isinstance(node, ast.Attribute) and node.attr in FORKS
            if is_python or is_context or is_fork:
                found.add(name)
    assert found <= STARTS_BY_ITSELF
