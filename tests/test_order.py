"""Tests run in another order when asked to, and in the same one for the same seed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

FILE = "".join(f"def test_{n}(): pass\n" for n in range(8))


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    for name in "abcdef":
        (tmp_path / f"test_{name}.py").write_text(FILE)
    return tmp_path


def run(repository: Path, suite: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "pytest", "-v", "-n0"]
    plugins = ["-p", "tests.order", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, *plugins, *arguments],
        cwd=suite,
        env={"PYTHONPATH": str(repository)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def in_turn(said: str) -> list[str]:
    """Give the names of the tests that passed, as they ran."""
    return re.findall(r"^(test_\w\.py::test_\d) PASSED", said, re.MULTILINE)


def files_of(tests: list[str]) -> list[str]:
    """Give their files, each time that another one's turn comes."""
    files = [test.partition("::")[0] for test in tests]
    return [file for file, before in zip(files, [None, *files], strict=False) if file != before]


def test_a_seed_mixes_the_files_and_the_tests_of_each_and_is_told(
    repository: Path, suite: Path
) -> None:
    said = run(repository, suite, "--order", "7")
    assert "order: 7 (again with --order 7)" in said
    mixed = in_turn(said)
    plain = [f"test_{name}.py::test_{n}" for name in "abcdef" for n in range(8)]
    assert sorted(mixed) == plain
    assert files_of(mixed) != sorted(files_of(mixed)) == files_of(plain)
    assert [test for test in mixed if test.startswith("test_a")] != plain[:8]
    assert in_turn(run(repository, suite)) == plain


def test_the_same_seed_gives_the_same_order_to_a_part_too(repository: Path, suite: Path) -> None:
    whole = in_turn(run(repository, suite, "--order", "7"))
    part = in_turn(run(repository, suite, "--order", "7", "test_b.py", "test_e.py"))
    assert part == [test for test in whole if test.startswith(("test_b", "test_e"))]
    assert in_turn(run(repository, suite, "--order", "8")) != whole
