"""Sentences that are hard to read are found, whatever kind of file they stand in."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

# Cut by bars, so that this file does not hold what is looked for.
CUT = {
    "page.md": "O|f the signal of the last trial, what is still on its way is waited for.",
    "code.py": "#: S|o long it is told that a recorder died before another takes its place.",
    "limit.py": "LIMIT = 3  # A|s many rehearsals as these tell how long one takes.",
    "page.tsx": "/** It ends by itself s|o long after that. */",
    "session.yaml": "# Which decoder runs at the beginning m|atters not.",
    "schema.py": """Field(description="S|o a target is let go.")""",
    "guide.md": "It comes late. A|nd nobody knows of it.",
}
HARD = {name: line.replace("|", "") for name, line in CUT.items()}
PLAIN = """Wait for the last trial's samples, in seconds. Start with any decoder that outputs zero
velocity. Of course it is as long as it was; so it ends, and there are as many as before.
"""


def checked(repository: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the check on a folder."""
    command = [sys.executable, str(repository / ".ci" / "language"), str(folder)]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("name", HARD)
def test_a_sentence_that_is_hard_to_read_is_named_with_its_place_and_what_to_do(
    repository: Path, tmp_path: Path, name: str
) -> None:
    (tmp_path / "service").mkdir()
    (tmp_path / "service" / name).write_text(f"\n{HARD[name]}\n", encoding="utf-8")

    said = checked(repository, tmp_path)

    assert said.returncode == 1
    assert said.stdout.startswith(f"service/{name}:2: ")
    assert HARD[name] in said.stdout


def test_plain_sentences_pass(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(PLAIN, encoding="utf-8")

    said = checked(repository, tmp_path)

    assert (said.returncode, said.stdout) == (0, "")
