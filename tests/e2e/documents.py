"""Pages of the documents, and a shell that runs their lines.

Only what belongs to a machine is put in another's place: a service's port, files and hosts.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest


class Document:
    """A page of the documents."""

    def __init__(self, path: Path) -> None:
        self.text = path.read_text(encoding="utf-8")

    def blocks(self, language: str) -> list[str]:
        return re.findall(rf"^```{language}\n(.*?)^```", self.text, re.MULTILINE | re.DOTALL)

    def lines(self) -> list[str]:
        """Give the commands of its shell blocks, without comments, one each."""
        text = "".join(self.blocks("sh")).replace("\\\n", " ")
        lines = [re.sub(r"\s+# .*", "", line) for line in text.splitlines()]
        return [" ".join(line.split()) for line in lines if line.strip()]


class Shell:
    """Runs lines of a document in a folder."""

    def __init__(self, folder: Path, instead: dict[str, str]) -> None:
        self._folder, self._instead = folder, instead

    def written(self, text: str) -> str:
        """Put what belongs to this machine in the place of what the document names."""
        for named, found in self._instead.items():
            text = text.replace(named, found)
        return text

    def run(self, line: str) -> str:
        done = subprocess.run(
            ["bash", "-c", self.written(line)],
            cwd=self._folder,
            env=with_programs(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"
        return done.stdout

    @contextlib.contextmanager
    def running(self, *command: str) -> Iterator[subprocess.Popen[str]]:
        """Run a program that goes on until the block ends."""
        with subprocess.Popen(
            list(map(self.written, command)),
            cwd=self._folder,
            env=with_programs(),
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                process.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=30)
                process.kill()


def with_programs() -> dict[str, str]:
    """Give an environment in which ``volition`` and ``python`` are those of these tests."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    here = {"no_proxy": "*", "PYTHONUNBUFFERED": "1", "COLUMNS": "160"}
    return {**os.environ, "PATH": path, **here}


def needs(*programs: str) -> None:
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"needs {program}: a document's lines call it")


def place_of(url: str) -> str:
    return url.removeprefix("http://")
