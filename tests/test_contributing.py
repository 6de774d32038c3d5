"""The recipes of CONTRIBUTING.md, followed word for word in a copy of the repository."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path

import pytest

COPIED = (
    "benchmarks",
    "decoders",
    "docs",
    "models",
    "pyproject.toml",
    "service",
    "src",
    "streams",
    "tests",
)
NOT_COPIED = shutil.ignore_patterns("node_modules", "__pycache__", "dist", "generated")


def blocks_of(page: str) -> Iterator[tuple[str, str]]:
    """Give the recipes' files: the path in the first line of a block of code, and its code."""
    for code in re.findall(r"^```(?:python|yaml)\n(.*?)^```", page, re.MULTILINE | re.DOTALL):
        first, _, rest = code.partition("\n")
        path = first.removeprefix("# ")
        if path != first and "/" in path:
            yield path, rest


def add(path: Path, before: str, lines: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count(before) == 1, f"{path} holds {before!r} {text.count(before)} times"
    path.write_text(text.replace(before, lines + before), encoding="utf-8")


class Followed:
    """A copy of the repository in which each recipe was followed."""

    def __init__(self, repository: Path, folder: Path) -> None:
        self.folder = folder
        for name in COPIED:
            source, target = repository / name, folder / name
            if source.is_dir():
                shutil.copytree(source, target, symlinks=True, ignore=NOT_COPIED)
            else:
                shutil.copy(source, target)
        page = (repository / "CONTRIBUTING.md").read_text(encoding="utf-8")
        self.files = dict(blocks_of(page))
        for name, code in self.files.items():
            path = folder / name
            assert not path.exists(), f"{name} is no new file"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(code, encoding="utf-8")
        self._name_the_route(page)
        self._name_the_command(page)

    def _name_the_route(self, page: str) -> None:
        app = self.folder / "service" / "gateway" / "app.py"
        add(
            app,
            "from volition.service.gateway.routes.descriptions import",
            "from volition.service.gateway.routes.clock import clock_router\n",
        )
        add(app, "        pages_router(),\n", "        clock_router(),\n")
        (row,) = re.findall(r"^```markdown\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
        table = self.folder / "docs" / "protocol.md"
        add(table, "| `GET /openapi.json` |", row)

    def _name_the_command(self, page: str) -> None:
        (entry,) = re.findall(r"^```toml\n\[.*\]\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
        pyproject = self.folder / "pyproject.toml"
        add(pyproject, 'bench = "volition.benchmarks.commands.bench:register"\n', entry)
        self._install(tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"])

    def _install(self, project: dict[str, dict[str, dict[str, str]]]) -> None:
        """Write what an installer would: the metadata that entry points are found in."""
        info = self.folder / "site" / "volition-0.1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: volition\nVersion: 0.1.0\n")
        points = ConfigParser(delimiters="=")
        points.read_dict(project["entry-points"])
        with (info / "entry_points.txt").open("w", encoding="utf-8") as file:
            points.write(file)

    def run(self, *arguments: str) -> str:
        """Run a module in the copy; give what it prints."""
        path = os.pathsep.join([str(self.folder / "src"), str(self.folder / "site")])
        done = subprocess.run(
            [sys.executable, "-P", "-m", *arguments],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def followed(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Followed:
    return Followed(repository, tmp_path_factory.mktemp("copy"))


def test_what_the_recipes_write_is_formatted_and_passes_the_lints(followed: Followed) -> None:
    code = [name for name in followed.files if name.endswith(".py")]

    assert len(code) >= 8
    followed.run("ruff", "format", "--check", *code)
    followed.run("ruff", "check", *code)


@pytest.mark.slow
def test_the_stage_and_the_decoder_meet_the_battery_and_their_own_tests(followed: Followed) -> None:
    tests = ("tests/decoders/battery", "tests/decoders/stages/test_offset.py")
    said = followed.run("pytest", "-q", "-p", "no:cacheprovider", *tests, "-k", "offset or loudest")

    assert int(re.findall(r"(\d+) passed", said)[0]) > 15


@pytest.mark.slow
def test_the_route_is_described_and_the_protocol_page_holds_it(followed: Followed) -> None:
    document = json.loads(followed.run("volition.service.cli", "openapi"))

    assert "/v1/clock" in document["paths"]
    page = "tests/service/gateway/test_protocol_page.py"
    followed.run("pytest", "-q", "-p", "no:cacheprovider", page, "-k", "every_call_and_its_role")


def test_the_data_set_is_evaluated(followed: Followed) -> None:
    said = followed.run(
        *("volition.service.cli", "evaluate", "our_lab", "--root", "streams/recordings"),
        *("--session", "fbcca-exo", "--json"),
    )

    assert json.loads(said.splitlines()[-1])["mean_accuracy"] > 0.8


def test_each_kind_is_listed_and_the_command_runs(followed: Followed) -> None:
    listed = followed.run("volition.service.cli", "kinds", "--json")

    for kind in ("offset", "loudest", "log", "our_lab"):
        assert f'"{kind}"' in listed
    assert float(followed.run("volition.service.cli", "when")) > 0
