"""What is skipped is counted at the end of a run, and fails where CI runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SUITE = """
import pytest

def test_passes(): pass

def test_of_a_tool(): pytest.skip("needs git: it lists the files")

@pytest.mark.skipif(True, reason="needs git")
def test_of_the_same(): pass

def test_of_an_extra(): pytest.importorskip("no_such_module", reason="needs the extra train")

@pytest.mark.xfail
def test_expected_to_fail(): assert False
"""
WHOLE_FILE = "import pytest; pytest.importorskip('no_such_module', reason='needs Chromium: a page')"


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "test_some.py").write_text(SUITE)
    return tmp_path


def run(repository: Path, suite: Path, **environment: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.skipped", "-p", "no:cacheprovider", "-n0"],
        cwd=suite,
        env={**os.environ, "PYTHONPATH": str(repository), "CI": "", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def test_what_was_skipped_is_counted_by_what_it_needs(repository: Path, suite: Path) -> None:
    code, said = run(repository, suite)
    assert code == 0
    assert "skipped for want of: git (2); the extra train (1)" in said


def test_a_file_that_is_skipped_as_a_whole_is_counted_too(repository: Path, suite: Path) -> None:
    (suite / "test_whole.py").write_text(WHOLE_FILE)
    code, said = run(repository, suite)
    assert code == 0
    assert "Chromium (1)" in said


def test_in_ci_nothing_is_skipped_but_for_extras_that_it_does_without(
    repository: Path, suite: Path
) -> None:
    (suite / "test_whole.py").write_text(WHOLE_FILE)
    code, said = run(repository, suite, CI="true")
    assert code != 0
    assert "needs Chromium: a page" in said

    (suite / "test_whole.py").unlink()
    code, said = run(repository, suite, CI="true")
    assert code != 0
    assert "1 failed, 1 passed, 1 skipped, 1 xfailed, 1 error" in said
    assert "skipped for want of: the extra train (1)" in said


def test_a_run_that_skips_nothing_says_so(repository: Path, suite: Path) -> None:
    (suite / "test_some.py").write_text("def test_passes(): pass")
    assert "nothing was skipped" in run(repository, suite, CI="true")[1]
