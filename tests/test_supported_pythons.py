"""Which Pythons Volition runs on, by the one list in pyproject.toml, and how one is chosen."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

#: Acts as a Python that is so new that a package has no build for it yet.
TOO_NEW = """#!/bin/sh
case "$*" in
  *version_info*) echo 3.99 "$0" ;;
  "-m venv "*) mkdir -p "$3/bin"; cp "$0" "$3/bin/python" ;;
  *--log*)
    while [ "$1" != --log ]; do shift; done
    echo "ERROR: No matching distribution found for onnxruntime==9.9" > "$2"
    exit 1 ;;
esac
"""
HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
INSTALL = "uv", "pip", "install", "--dry-run", "--no-deps", "--no-config", "--require-hashes"
PLATFORMS = ("aarch64-manylinux_2_28", "aarch64-apple-darwin", "x86_64-pc-windows-msvc")


@pytest.fixture(scope="module")
def supported(repository: Path) -> list[str]:
    text = (repository / "pyproject.toml").read_text(encoding="utf-8")
    return re.findall(r'"Programming Language :: Python :: (3\.\d+)"', text)


def make_environment(
    repository: Path, *arguments: str | Path, **environment: str
) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHON"}
    return subprocess.run(
        ["bash", str(repository / ".ci" / "venv"), *map(str, arguments)],
        env={**inherited, "PIP_NO_INDEX": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def program(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o755)
    return path


def test_every_document_says_the_same_pythons(repository: Path, supported: list[str]) -> None:
    pyproject = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))
    assert pyproject["project"]["requires-python"] == f">={supported[0]}"

    pages = ["Makefile", "README.md", "CONTRIBUTING.md", "docs/platforms.md"]
    said = {name: (repository / name).read_text(encoding="utf-8") for name in pages}
    found = {name: set(re.findall(r"3\.\d+ to 3\.\d+", text)) for name, text in said.items()}
    assert found == {name: {f"{supported[0]} to {supported[-1]}"} for name in pages}


def test_an_unsuitable_python_is_named_and_nothing_is_touched(
    repository: Path, tmp_path: Path
) -> None:
    old = program(tmp_path / "python", '#!/bin/sh\n[ "$1" = --version ] && echo Python 3.8.18\n')
    environment = tmp_path / "environment"
    environment.mkdir()

    done = make_environment(repository, environment, "no-such-lock.txt", PYTHON=str(old))

    assert done.returncode != 0
    assert "needs Python 3.11 or newer" in done.stderr
    assert "Python 3.8.18" in done.stderr
    assert environment.is_dir()


def test_a_python_that_is_too_new_is_told_by_what_has_no_build_for_it(
    repository: Path, tmp_path: Path
) -> None:
    new = program(tmp_path / "python", TOO_NEW)

    done = make_environment(repository, tmp_path / "made", "some-lock.txt", PYTHON=str(new))

    assert done.returncode != 0
    assert "Python 3.99 cannot be used: onnxruntime==9.9 has no build for it." in done.stderr
    assert not (tmp_path / "made").exists()


@pytest.mark.slow
def test_an_older_python_on_the_machine_is_taken_by_itself(
    repository: Path, tmp_path: Path
) -> None:
    lock = tmp_path / "empty.txt"
    lock.write_text("# Nothing is installed.\n")
    program(tmp_path / "python3", TOO_NEW)
    (tmp_path / f"python{HERE}").symlink_to(Path(sys.executable).resolve())

    path = f"{tmp_path}{os.pathsep}/usr/bin{os.pathsep}/bin"
    done = make_environment(
        repository, tmp_path / "made", lock, PATH=path, PYENV_ROOT=str(tmp_path)
    )

    assert "onnxruntime==9.9 has no build for it." in done.stderr
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "made" / "bin" / "python").exists()


@pytest.mark.slow
@pytest.mark.parametrize("lock", ["runtime", "dev", "bench", "train"])
@pytest.mark.parametrize("platform", PLATFORMS)
def test_what_is_locked_has_a_build_for_every_supported_python(
    repository: Path, supported: list[str], tmp_path: Path, platform: str, lock: str
) -> None:
    file = repository / ".ci" / "locks" / f"{lock}.txt"
    for version in (supported[1], supported[-1]):
        done = subprocess.run(
            [
                *(sys.executable, "-m", *INSTALL, "--only-binary", ":all:", "-r", str(file)),
                *("--python-platform", platform, "--python-version", version),
                *("--target", str(tmp_path)),
            ],
            env={**os.environ, "MACOSX_DEPLOYMENT_TARGET": "14.0"},
            capture_output=True,
            text=True,
            check=False,
        )
        if re.search("Failed to fetch|error sending request|not found in the cache", done.stderr):
            pytest.skip("needs a package index: none is in reach")
        assert done.returncode == 0, done.stderr
