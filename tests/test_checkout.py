"""The rooms are folders at the top of the repository and links below ``src/volition``."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import volition


def test_each_link_leads_to_the_room_of_its_name(repository: Path) -> None:
    links = {path for path in (repository / "src" / "volition").iterdir() if path.is_symlink()}

    assert {link.name for link in links} == {
        "benchmarks",
        "decoders",
        "models",
        "service",
        "streams",
    }
    assert all(link.resolve() == repository / link.name for link in links)


def test_a_checkout_without_links_says_what_to_do(tmp_path: Path) -> None:
    """Git writes a link as a file that holds the name of its target where it may make none."""
    package = tmp_path / "volition"
    package.mkdir()
    shutil.copy(Path(volition.__file__), package)
    (package / "streams").write_text("../../streams", encoding="utf-8")

    done = subprocess.run(
        [sys.executable, "-P", "-c", "import volition.chunk"],
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode != 0
    assert "this checkout of Volition has no links" in done.stderr
    assert "git config core.symlinks true" in done.stderr


def test_a_code_that_is_newer_than_what_is_installed_says_to_install_it_again(
    repository: Path,
) -> None:
    """As after an update of a checkout: a group of parts that the installation does not know."""
    program = (
        "from importlib import metadata\n"
        "from volition import extension\n"
        "from volition.errors import InstallationError\n"
        "metadata.entry_points = lambda **_: ()\n"
        "try: extension.parts('volition.outputs')\n"
        "except InstallationError as error: print(error.code, error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", program], capture_output=True, text=True, check=True
    )

    assert done.stdout.startswith("installation Volition's own parts of the group volition.outputs")
    assert "make venv" in done.stdout


def test_nothing_is_built_from_a_checkout_without_links(repository: Path, tmp_path: Path) -> None:
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(repository / name, tmp_path)
    package = tmp_path / "src" / "volition"
    package.mkdir(parents=True)
    shutil.copy(repository / "src" / "hatch_build.py", package.parent)
    shutil.copy(Path(volition.__file__), package)
    (package / "streams").write_text("../../streams", encoding="utf-8")

    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode != 0
    assert "git config core.symlinks true" in done.stderr
