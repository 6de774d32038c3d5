"""Counts what a run skipped for want of something; in CI, which has all, that is a failure.

The reason of a skip begins with "needs", as in ``needs git: it lists the files``. What stands
before the colon is counted in a line at the end of the run. `BY_DESIGN` names what CI does without.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Generator

import pytest

#: Extras that serving never imports and CI does not install: large, or under another licence.
BY_DESIGN = ("the extra bench", "the extra train", "the extra words")


def missing(reason: str) -> str:
    """Say what a skipped test lacked, as far as its reason tells."""
    return reason.removeprefix("Skipped: ").removeprefix("needs ").partition(":")[0]


def judge(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Make a failure of a skip that CI must not have."""
    # What was expected to fail is told as skipped too, and has no place in a file.
    if not os.environ.get("CI") or not report.skipped or not isinstance(report.longrepr, tuple):
        return
    path, line, reason = report.longrepr
    if missing(reason) not in BY_DESIGN:
        report.outcome = "failed"
        report.longrepr = (
            f"{path}:{line}: CI has all that tests need, and this was skipped: {reason}"
        )


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    judge(report)
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    judge(report)
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skips = terminalreporter.getreports("skipped")
    counts = Counter(missing(r.longrepr[2]) for r in skips if isinstance(r.longrepr, tuple))
    if counts:
        found = "; ".join(f"{what} ({n})" for what, n in counts.most_common())
        terminalreporter.write_line(f"skipped for want of: {found}")
    else:
        terminalreporter.write_line("nothing was skipped")
