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
