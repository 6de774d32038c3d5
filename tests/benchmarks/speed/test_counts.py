"""What the hot loop takes stays within its budget: counts and ratios, never times."""

from __future__ import annotations

import functools
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from volition.benchmarks.speed import counts
from volition.decoders import registry

BUDGET = counts.budget()
count = functools.cache(counts.count)


@pytest.mark.parametrize("name", counts.scenarios())
def test_a_chunk_takes_no_more_than_its_budget(name: str) -> None:
    if name not in BUDGET["scenarios"]:
        pytest.skip(f"needs a budget for Python {counts.PYTHON}: budget.toml has none")
    row = {"scenario": name, **count(name)}
    assert not counts.beyond(row, BUDGET["scenarios"][name])


@pytest.mark.parametrize("python", sorted(counts.budgets()["python"]))
def test_the_budget_of_a_python_is_of_the_scenarios_that_there_are(python: str) -> None:
    assert set(counts.budgets()["python"][python]) == set(counts.scenarios())


def test_every_supported_python_has_a_budget(repository: Path) -> None:
    pyproject = (repository / "pyproject.toml").read_text(encoding="utf-8")
    supported = re.findall(r'"Programming Language :: Python :: (3\.\d+)"', pyproject)
    assert sorted(counts.budgets()["python"]) == sorted(supported)


@pytest.mark.parametrize("ratio", BUDGET["ratios"], ids=lambda ratio: str(ratio["of"]))
def test_nothing_loops_in_python_over_channels_or_targets(ratio: dict[str, Any]) -> None:
    assert count(ratio["of"])["calls"] <= ratio["most"] * count(ratio["to"])["calls"]


@pytest.mark.parametrize("name", counts.scenarios())
def test_a_chunk_takes_no_more_later_than_at_first(name: str) -> None:
    assert count(name)["calls_later"] <= BUDGET["later"]["most"] * count(name)["calls"]


@pytest.mark.parametrize(
    "kind",
    [kind for kind in sorted(registry.stages()) if registry.examples(kind)[0].any_channels],
)
def test_no_stage_loops_in_python_over_channels(kind: str) -> None:
    few, many = counts.stage_calls(kind, 8), counts.stage_calls(kind, 32)
    assert many <= BUDGET["stages"]["most"] * few


def test_bytecodes_are_counted_from_the_first_time_on() -> None:
    program = (
        "from volition.benchmarks.speed import counts\n"
        "one = lambda: 1\n"
        "print(counts.bytecodes_of(lambda n: [one() for _ in range(n)], 9))"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", program], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) > 0


def test_a_count_above_the_budget_is_named() -> None:
    row = {"scenario": "some", "calls": 12.0, "bytecodes": 90.0}
    assert counts.beyond(row, {"calls": 10, "bytecodes": 100}) == [
        "some: calls is 12, allowed is 10"
    ]


def test_calls_are_counted_of_python_and_of_c() -> None:
    def run(n: int) -> None:
        for _ in range(n):
            abs(-1)

    # The function itself, range, and what is called; setting the profile back is one more.
    assert counts.calls_of(run, 10) - counts.calls_of(run, 0) == 10
