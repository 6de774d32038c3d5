"""The tables of docs/kinematics.md: decoders of movement, with intervals over blocks of time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from volition.benchmarks.quality.documents import steering
from volition.benchmarks.quality.documents.runs import (
    Measurement,
    Page,
    Results,
    Run,
    markdown,
    number,
    with_interval,
)

#: What was published of the same rows: nRMSE and angular error.
PUBLISHED = {
    "kalman-velocity": "0.765, 0.889",
    "dkf-nw": "0.604, 0.756",
    "dkf-gp": "0.604, 0.791",
    "recurrent": "0.650, 0.871 (an LSTM)",
    "dkf with network": "0.620, 0.827",
}
FLINT = (
    "kalman-velocity",
    "wiener",
    "dkf-nw",
    "dkf-gp",
    "kinematics-best",
    "mk-dkf",
    "recurrent",
    "recurrent (SNN)",
    "dkf with random-forest",
    "dkf with network",
)
REACH = ("kalman-velocity", "wiener", "dkf-nw", "dkf-gp", "kinematics-best")
_CHANGED: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "recurrent (SNN)": ("recurrent", {"network": "flint-run1-snn"}),
    "dkf with random-forest": (
        "dkf-nw",
        {"error": "constant", "regression": {"kind": "random-forest"}},
    ),
    "dkf with network": ("dkf-nw", {"error": "constant", "regression": {"kind": "network"}}),
}


def keep(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Keep the figures of each test."""

    def of_test(one: Mapping[str, Any]) -> dict[str, Any]:
        names = ("nrmse", "maae_rad", "r2", "n_bins", "intervals", "clusters")
        return {name: one[name] for name in names}

    found = of_test(answer)
    if "second_test" in answer:
        found["second_test"] = of_test(answer["second_test"])
    return found


def _run(dataset: str, name: str) -> Run:
    session, decoder = _CHANGED.get(name, (name, {}))
    return Run(f"{dataset}, {name}", dataset, session, keep, decoder)


RUNS: tuple[Measurement, ...] = (
    *(_run("flint_run1", name) for name in FLINT),
    *(_run("m1_reach", name) for name in REACH),
    *steering.RUNS,
)


def flint(results: Results) -> str:
    """Give the table of flint_run1."""
    rows = []
    for name in FLINT:
        one = results.get(f"flint_run1, {name}")
        if one is None:
            continue
        second = one["second_test"]
        rows.append(
            [
                f"`{name}`",
                with_interval(one["nrmse"], one["intervals"]["nrmse"]),
                with_interval(one["maae_rad"], one["intervals"]["maae_rad"]),
                with_interval(second["nrmse"], second["intervals"]["nrmse"]),
                with_interval(second["maae_rad"], second["intervals"]["maae_rad"]),
                PUBLISHED.get(name, ""),
            ]
        )
    head = (
        "preset",
        "nRMSE (95 %, blocks of 10 s)",
        "angular error, rad",
        "second test: nRMSE",
        "angular error, rad",
        "published nRMSE, angular error",
    )
    return markdown(head, rows)


def reach(results: Results) -> str:
    """Give the table of m1_reach."""
    rows = []
    for name in REACH:
        one = results.get(f"m1_reach, {name}")
        if one is None:
            continue
        pairs = zip(one["r2"], one["intervals"]["r2"], strict=True)
        rows.append(
            [
                f"`{name}`",
                *(with_interval(value, interval) for value, interval in pairs),
                number(one["nrmse"]),
            ]
        )
    head = ("preset", "R², x (95 %, blocks of 10 s)", "R², y", "nRMSE")
    return markdown(head, rows)


PAGE = Page("kinematics", RUNS, {"flint_run1": flint, "m1_reach": reach, **steering.TABLES})
