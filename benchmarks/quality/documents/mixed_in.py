"""The tables of docs/artifacts.md on decoding: what artifacts cost, and what stages win back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from volition.benchmarks.quality.documents.runs import Results, Run, markdown, number, with_interval
from volition.service.sessions.config import load_config

#: What is mixed in, as the data set names it, in the order of the table.
UNTOUCHED = "untouched"
CONDITIONS = {
    "blink": "blinks, strong",
    "emg": "muscle, strong",
    "pop": "pops, strong",
    "all, usual": "all three, usual",
    "all": "all three, strong",
    "all, severe": "all three, severe",
}
#: Stages before FBCCA, and those before the pretrained decoder too.
FBCCA, PRETRAINED = "fbcca-exo", "ssvep-pretrained"
STAGES: Mapping[str, Mapping[str, Any]] = {
    "asr": {},
    "rasr": {},
    "atat": {},
    "bad_channels": {"kind": "bad_channels"},
    "potato": {"kind": "potato", "calibration_s": 30, "lookahead_s": 1.0},
    "faster": {},
    "gate": {"kind": "gate", "lookahead_s": 1.0},
}
WITH_PRETRAINED = ("asr", "rasr", "atat")
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


def _stage_of(preset: str) -> dict[str, Any]:
    return load_config(preset).stages[-1].model_dump(mode="json")


RUNS = (
    *(
        Run(
            _name(stage, FBCCA),
            "ssvep_exo_mixed",
            stage if not settings else "asr",
            keep,
            cleaned_by=settings,
            folder="ssvep_exo",
        )
        for stage, settings in STAGES.items()
    ),
    *(
        Run(
            _name(stage, PRETRAINED),
            "ssvep_exo_mixed",
            "ssvep-pretrained-rasr",
            keep,
            cleaned_by=_stage_of(stage),
            folder="ssvep_exo",
        )
        for stage in WITH_PRETRAINED
    ),
)


def _row(one: Mapping[str, Any], artifacts: str, *, stages: bool) -> Mapping[str, Any]:
    wanted = (artifacts, stages)
    return next(row for row in one["rows"] if (row["artifacts"], row["stages"]) == wanted)


def costs(results: Results) -> str:
    """Give what each artifact costs FBCCA, and what both kinds of ASR win back."""
    both = {stage: results[_name(stage, FBCCA)] for stage in ("asr", "rasr")}
    asr = both["asr"]
    rows = []
    for condition, label in {UNTOUCHED: "nothing", **CONDITIONS}.items():
        plain = _row(asr, condition, stages=False)
        cells = [
            label,
            _points(asr, "cost", condition),
            with_interval(plain["accuracy"], plain["interval"]),
            _worst(plain),
        ]
        shares = [plain["selected_share"]]
        for one in both.values():
            cleaned = _row(one, condition, stages=True)
            cells += [number(cleaned["accuracy"]), _share(one, condition)]
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
    for stage in STAGES:
        cells = [f"`{stage}`"]
        for decoder in (FBCCA, PRETRAINED):
            one = results.get(_name(stage, decoder))
            cells += ["", "", "", ""] if one is None else _before(one)
        rows.append(cells)
    of_each = ("untouched: without, with", "mixed in: without, with", "won back (95 %, people)")
    head = (
        "stage",
        *(
            f"{decoder}, {one}"
            for decoder in ("FBCCA", "pretrained")
            for one in (*of_each, "worst person")
        ),
    )
    return markdown(head, rows)


def _before(one: Mapping[str, Any]) -> list[str]:
    found = [
        [number(_row(one, condition, stages=with_them)["accuracy"]) for with_them in (False, True)]
        for condition in (UNTOUCHED, "all")
    ]
    worst = _worst(_row(one, "all", stages=True))
    return [*(", ".join(pair) for pair in found), _share(one, "all"), worst]


def _points(one: Mapping[str, Any], figure: str, condition: str) -> str:
    if condition not in one[figure]:
        return ""
    found, interval = one[figure][condition], one["intervals"][figure][condition]
    return with_interval(100 * found, [100 * end for end in interval], 1)


def _share(one: Mapping[str, Any], condition: str) -> str:
    """Give the share that is won back; a dash where it is of nothing that is sure to be lost."""
    if condition not in one["cost"]:
        return ""
    low, _ = one["intervals"]["cost"][condition]
    if low <= 0:
        return "-"
    return with_interval(one["won_back"][condition], one["intervals"]["won_back"][condition], 2)


def _worst(row: Mapping[str, Any]) -> str:
    return f"{number(row['worst']['value'])} (person {row['worst']['who']})"


TABLES = {"mixed in": costs, "stages before decoders": stages}
