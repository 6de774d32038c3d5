"""The tables of docs/artifacts.md on decoding: what artifacts cost, and what stages win back."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from volition.benchmarks.quality.datasets.ssvep_exo_mixed import DATASET
from volition.benchmarks.quality.documents.runs import (
    Made,
    Measurement,
    Results,
    Run,
    markdown,
    number,
    with_interval,
)
from volition.benchmarks.quality.evaluation.contamination import UNTOUCHED, evaluate_contamination
from volition.service.sessions.config import SessionConfig, load_config

#: What is mixed in, as the data set names it, in the order of the table.
STRONG = "all"
CONDITIONS = {
    "blink": "blinks, strong",
    "emg": "muscle, strong",
    "pop": "pops, strong",
    "all, usual": "all three, usual",
    STRONG: "all three, strong",
    "all, severe": "all three, severe",
}
FBCCA, PRETRAINED = "fbcca-exo", "ssvep-pretrained"
#: Presets of FBCCA that are scored with everything that may be mixed in.
BY_CONDITION = ("asr", "rasr")
#: Stages that are scored with all three artifacts at the strong level alone: presets', or settings.
STAGES: Mapping[str, Mapping[str, Any]] = {
    "atat": {},
    "bad_channels": {"kind": "bad_channels"},
    "potato": {"kind": "potato", "calibration_s": 30, "lookahead_s": 1.0},
    "faster": {},
    "gate": {"kind": "gate", "lookahead_s": 1.0},
}
WITH_PRETRAINED = (*BY_CONDITION, "atat")
_KEPT = (
    "decoder",
    "protocol",
    "clusters",
    "n_recordings",
    "cost",
    "won_back",
    "stages_cost_untouched",
    "intervals",
    "rows",
)


def keep(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Keep what artifacts cost and what is won back, and each condition's figures."""
    return {name: answer[name] for name in _KEPT}


def _name(stage: str, decoder: str) -> str:
    return f"mixed in, {stage} before {decoder}"


def _session(stage: str, decoder: str) -> SessionConfig:
    """Give the preset of a decoder behind a preset's stage, or behind one of `STAGES`."""
    settings = STAGES.get(stage) or load_config(stage).stages[-1].model_dump(mode="json")
    session = "asr" if decoder == FBCCA else "ssvep-pretrained-rasr"
    return Run(stage, DATASET.name, session, keep, cleaned_by=settings).config()


def _strongest(stage: str, decoder: str, data: Path) -> dict[str, Any]:
    config = _session(stage, decoder)
    return keep(evaluate_contamination(DATASET, data / "ssvep_exo", config, (STRONG,)))


RUNS: tuple[Measurement, ...] = (
    *(
        Run(_name(stage, FBCCA), DATASET.name, stage, keep, folder="ssvep_exo")
        for stage in BY_CONDITION
    ),
    *(Made(_name(stage, FBCCA), partial(_strongest, stage, FBCCA)) for stage in STAGES),
    *(
        Made(_name(stage, PRETRAINED), partial(_strongest, stage, PRETRAINED))
        for stage in WITH_PRETRAINED
    ),
)


def _row(one: Mapping[str, Any], artifacts: str, *, stages: bool) -> Mapping[str, Any]:
    wanted = (artifacts, stages)
    return next(row for row in one["rows"] if (row["artifacts"], row["stages"]) == wanted)


def costs(results: Results) -> str:
    """Give what each artifact costs FBCCA, and what both kinds of ASR win back."""
    both = [results[_name(stage, FBCCA)] for stage in BY_CONDITION]
    rows = []
    for condition, label in {UNTOUCHED: "nothing", **CONDITIONS}.items():
        plain = _row(both[0], condition, stages=False)
        cells = [
            label,
            _cost(both[0], condition),
            with_interval(plain["accuracy"], plain["interval"]),
            _worst(plain),
        ]
        shares = [plain["selected_share"]]
        for one in both:
            cleaned = _row(one, condition, stages=True)
            cells += [number(cleaned["accuracy"]), _won_back(one, condition)]
            shares.append(cleaned["selected_share"])
        rows.append([*cells, ", ".join(number(share, 2) for share in shares)])
    head = (
        "mixed in",
        "cost, points (95 %, people)",
        "FBCCA without",
        "worst person",
        "with `asr`",
        "won back (95 %, people)",
        "with `rasr`",
        "won back",
        "flicker trials selected: without, `asr`, `rasr`",
    )
    return markdown(head, rows)


def stages(results: Results) -> str:
    """Give all stages before both decoders, all three artifacts at the strong level."""
    rows = []
    for stage in (*BY_CONDITION, *STAGES):
        cells = [f"`{stage}`"]
        for decoder in (FBCCA, PRETRAINED):
            one = results.get(_name(stage, decoder))
            cells += [""] * 3 if one is None else _before(one)
        rows.append(cells)
    of_each = ("untouched, mixed in, cleaned", "won back (95 %, people)", "worst person, cleaned")
    labels = {"FBCCA": FBCCA, "pretrained": PRETRAINED}
    head = ("stage", *(f"{label}: {one}" for label in labels for one in of_each))
    return markdown(head, rows)


def _before(one: Mapping[str, Any]) -> list[str]:
    cleaned = _row(one, STRONG, stages=True)
    untouched, mixed = (_row(one, name, stages=False) for name in (UNTOUCHED, STRONG))
    found = ", ".join(number(row["accuracy"]) for row in (untouched, mixed, cleaned))
    return [found, _won_back(one, STRONG), _worst(cleaned)]


def _cost(one: Mapping[str, Any], condition: str) -> str:
    if condition not in one["cost"]:
        return ""
    points = [100 * end for end in one["intervals"]["cost"][condition]]
    return with_interval(100 * one["cost"][condition], points, 1)


def _won_back(one: Mapping[str, Any], condition: str) -> str:
    """Give the share that is won back; a dash where it is not sure that anything was lost."""
    if condition not in one["cost"]:
        return ""
    low, _ = one["intervals"]["cost"][condition]
    if low <= 0:
        return "-"
    return with_interval(one["won_back"][condition], one["intervals"]["won_back"][condition], 2)


def _worst(row: Mapping[str, Any]) -> str:
    return f"{number(row['worst']['value'])} (person {row['worst']['who']})"


TABLES = {"mixed in": costs, "stages before decoders": stages}
