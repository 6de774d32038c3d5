"""What every test shares: an LSL network of its own, the data beside the repository, hypothesis.

Linear algebra has one thread, here and in each process that a test starts: many tests run at once,
and threads that wait for one another on a busy machine took six times the work of one alone. The
library reads that when it is loaded, so nothing is imported above that loads it.

The LSL settings keep every stream of a run on this machine and out of sight of other runs: liblsl
reads the file that ``LSLAPICFG`` names when it is loaded, here and in each process that a test
starts, so the file is written before any test module is imported.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import hypothesis
import pytest

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

pytest_plugins = ["tests.order", "tests.skipped"]

REPOSITORY = Path(__file__).resolve().parents[1]
#: Rooms whose tests run for long: services, browsers and whole recordings.
LONG_ROOMS = ("web", "e2e", "benchmarks", "service")

# The machine may be busy: a slow example is no failure. In CI the examples are always the same.
hypothesis.settings.register_profile("volition", deadline=None, max_examples=50)
hypothesis.settings.register_profile(
    "ci", parent=hypothesis.settings.get_profile("volition"), derandomize=True, print_blob=True
)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "volition")

_lsl_folder = pytest.StashKey[Path]()


def pytest_configure(config: pytest.Config) -> None:
    from volition.streams import lsl

    folder = Path(tempfile.mkdtemp(prefix="volition-lsl-"))
    config.stash[_lsl_folder] = folder
    lsl.loopback_config(folder)


def pytest_unconfigure(config: pytest.Config) -> None:
    shutil.rmtree(config.stash[_lsl_folder], ignore_errors=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the long rooms, a file of each in turn.

    So no long file is left alone at the end of a run of several processes, and those that wait
    (for a browser, for a person) run beside those that compute.
    """
    turn_of = turns(item.path for item in items)
    items.sort(key=lambda item: turn_of[item.path])


def turns(paths: Iterable[Path]) -> dict[Path, tuple[float, int]]:
    """Give each file its place: its turn in its room, then the room; one behind all for others."""
    seen = Counter[str]()
    found: dict[Path, tuple[float, int]] = {}
    for path in dict.fromkeys(paths):
        room = path.parent.name
        if room in LONG_ROOMS:
            found[path] = (seen[room], LONG_ROOMS.index(room))
            seen[room] += 1
        else:
            found[path] = (float("inf"), 0)
    return found


@pytest.fixture(scope="session")
def repository() -> Path:
    """Folder of the repository."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Data sets that may be used but not redistributed; they lie beside the repository."""
    folder = REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("needs the data sets of ../shared/data: they are not part of the project")
    return folder
