"""Runs the tests in another order: ``pytest --order SEED``.

Files change places, and so do the tests of each file, which stay together: what they share is made
once a file. A test's place follows from the seed and its name alone, so that a file, or a part of
it, runs in the same order again when it is run by itself.
"""

from __future__ import annotations

import hashlib

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--order", metavar="SEED", help="run files and their tests in another order")


def pytest_report_header(config: pytest.Config) -> str | None:
    seed = config.getoption("order")
    return None if seed is None else f"order: {seed} (again with --order {seed})"


# The last to order them: after tests/conftest.py, and after pytest's own grouping by fixtures.
@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    seed = config.getoption("order")
    if seed is not None:
        items.sort(key=lambda item: place(seed, item.nodeid))


def place(seed: str, test: str) -> tuple[str, str]:
    """Give a test's place: that of its file, and that within the file."""
    file = test.partition("::")[0]
    return _drawn(seed, file), _drawn(seed, test)


def _drawn(seed: str, name: str) -> str:
    return hashlib.sha256(f"{seed}/{name}".encode()).hexdigest()
