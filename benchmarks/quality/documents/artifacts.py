"""The tables of docs/artifacts.md: what stages leave of artifacts, with intervals over people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from volition.benchmarks.quality.documents import blinks, mixed_in, networks
from volition.benchmarks.quality.documents.runs import (
    NOT_MEASURED,
    Page,
    Results,
    Run,
    markdown,
    number,
    with_interval,
)

METHODS = ("asr", "rasr", "eog-regression", "rls", "mwf", "faster", "atat")
#: What the tables state: muscle over the scalp at EEGdenoiseNet's ends, by whom it is of.
_LEVELS = (-7.0, 2.0)
_OF_A_ROW = ("part", "artifact", "snr_db", "people", "n_people", "rrmse_time", "cc", "intervals")


def keep(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Keep the session's rows at the levels that are stated."""
    rows = [
        {name: row[name] for name in (*_OF_A_ROW, "worst", "kept_share")}
        for row in answer["rows"]
        if row["method"] == "session"
        and row["part"] == "scalp"
        and row["snr_db"] in (*_LEVELS, None)
    ]
    return {"rows": rows}


RUNS = tuple(Run(name, "denoise_mix", name, keep) for name in METHODS)


def _row(one: Mapping[str, Any], artifact: str | None, snr_db: float | None, people: str) -> Any:
    wanted = (artifact, snr_db, people)
    return next(
        row for row in one["rows"] if (row["artifact"], row["snr_db"], row["people"]) == wanted
    )


def scalp(results: Results) -> str:
    """Give error and correlation over the scalp, the latter with its interval over six people."""
    rows = []
    for name in METHODS:
        one = results.get(name)
        if one is None:
            continue
        cells = [
            _both(row)
            for row in (
                _row(one, artifact, snr_db, "all")
                for artifact in ("eog", "emg")
                for snr_db in _LEVELS
            )
        ]
        clean = [
            number(row["rrmse_time"])
            for row in one["rows"]
            if row["artifact"] is None and row["people"] == "all"
        ]
        rows.append([f"`{name}`", *cells, ", ".join(clean)])
    if not rows:
        return NOT_MEASURED
    head = (
        "method",
        "blinks, -7 dB",
        "blinks, 2 dB",
        "muscle, -7 dB",
        "muscle, 2 dB",
        "clean, among blinks and among muscle: error",
    )
    return markdown(head, rows)


def _both(row: Mapping[str, Any]) -> str:
    """Give error and correlation, and the share kept where not all was."""
    if row["rrmse_time"] is None:
        return f"({number(row['kept_share'], 2)} kept)"
    both = f"{number(row['rrmse_time'], 2)} / {with_interval(row['cc'], row['intervals']['cc'], 2)}"
    return both if row["kept_share"] == 1 else f"{both} ({number(row['kept_share'], 2)} kept)"


def taught(results: Results) -> str:
    """Give AT-AT's scalp by whether its networks were trained on clean segments of the person."""
    names = {"all": "all six", "taught": "2, 5, 9, 15: trained on", "others": "0, 12: never seen"}
    one = results.get("atat")
    rows: list[list[str]] = []
    if one is None:
        return NOT_MEASURED
    for people, label in names.items():
        cells = []
        for snr_db in _LEVELS:
            row = _row(one, "emg", snr_db, people)
            cells += [
                with_interval(row["rrmse_time"], row["intervals"]["rrmse_time"], 2),
                with_interval(row["cc"], row["intervals"]["cc"]),
            ]
        worst = _row(one, "emg", -7.0, people)["worst"]
        rows.append([label, *cells, f"{number(worst['cc'])} (person {worst['who']})"])
    head = (
        "people",
        "-7 dB: error (95 %, people)",
        "correlation",
        "2 dB: error",
        "correlation",
        "worst person's correlation at -7 dB",
    )
    return markdown(head, rows)


PAGE = Page(
    "artifacts",
    (*RUNS, *blinks.RUNS, *mixed_in.RUNS, *networks.RUNS),
    {
        "scalp": scalp,
        "taught": taught,
        **networks.TABLES,
        **blinks.TABLES,
        **mixed_in.TABLES,
    },
)
