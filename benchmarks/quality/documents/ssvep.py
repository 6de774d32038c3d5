"""The tables of docs/ssvep.md: each decoder on real people, all figures by people."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from volition.benchmarks.quality.documents.runs import (
    Page,
    Results,
    Run,
    markdown,
    number,
    signed_points,
    with_interval,
)
from volition.benchmarks.quality.evaluation.clustered import paired_difference

LENGTHS_S = (1.0, 2.0, 3.0)
FREE = {"FBCCA (`fbcca-exo`)": "fbcca-exo", "pretrained": "ssvep-pretrained"}
CALIBRATED = ("ssvep-personal", "riemann-exo", "ecca-exo", "etrca-exo")
IDLE = ("ssvep-pretrained", "fbcca-exo", "ssvep-pretrained-3s", "ssvep-pretrained-dynamic")
_FIGURES = (
    "n_recordings",
    "n_trials",
    "mean_accuracy",
    "itr_bits_per_min",
    "decision_s",
    "rest_auc",
    "selected_share",
    "selected_accuracy",
    "false_selections_per_min",
    "intervals",
    "clusters",
    "worst",
    "protocol",
)
_OF_A_PERSON = ("accuracy", "false_selections_per_min", "selected_share")


def _name(session: str, length_s: float) -> str:
    return f"{session}, {length_s:g} s"


def keep(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Keep the figures, each person's, and of each recording's trials which were right."""
    people = {
        who: {name: one[name] for name in _OF_A_PERSON} for who, one in answer["by_person"].items()
    }
    return {
        **{name: answer[name] for name in _FIGURES},
        "by_person": people,
        "by_recording": {
            name: "".join("01"[right] for right in one["each_right"])
            for name, one in answer["per_recording"].items()
        },
        "n_refused": len(answer["refused"]),
    }


RUNS = (
    *(
        Run(_name(session, length_s), "ssvep_exo", session, {"window_s": length_s})
        for session in (*FREE.values(), *CALIBRATED)
        for length_s in LENGTHS_S
    ),
    Run("ssvep-pretrained-3s", "ssvep_exo", "ssvep-pretrained-3s"),
    Run("ssvep-pretrained-dynamic", "ssvep_exo", "ssvep-pretrained-dynamic"),
)


def _by_person(results: Results, name: str, figure: str = "accuracy") -> dict[str, float]:
    return {
        who: one[figure]
        for who, one in results[name]["by_person"].items()
        if one[figure] is not None
    }


def _worst(one: Mapping[str, Any], figure: str, digits: int = 3) -> str:
    found = one["worst"][figure]
    return "-" if found is None else f"{number(found['value'], digits)} (person {found['who']})"


def without_calibration(results: Results) -> str:
    """Give the table of decoders that need no trials of their user."""
    rows = []
    for length_s, (label, session) in itertools.product(LENGTHS_S, FREE.items()):
        name = _name(session, length_s)
        one, intervals = results[name], results[name]["intervals"]
        paired = "-"
        if session != "fbcca-exo":
            fbcca = _by_person(results, _name("fbcca-exo", length_s))
            paired = signed_points(paired_difference(fbcca, _by_person(results, name)))
        rows.append(
            [
                f"{length_s:g} s",
                label,
                with_interval(one["mean_accuracy"], intervals["mean_accuracy"]),
                _worst(one, "accuracy"),
                with_interval(one["itr_bits_per_min"], intervals["itr_bits_per_min"], 1),
                with_interval(one["rest_auc"], intervals["rest_auc"]),
                paired,
            ]
        )
    head = (
        "window",
        "decoder",
        "accuracy (95 %, people)",
        "worst person",
        "ITR, bits/min",
        "rest AUC",
        "to FBCCA, points, paired by person",
    )
    return markdown(head, rows)


def idle(results: Results) -> str:
    """Give the table of what is selected, at rest and not, by the presets as they ship."""
    names = {
        "ssvep-pretrained": _name("ssvep-pretrained", 2.0),
        "fbcca-exo": _name("fbcca-exo", 3.0),
    }
    rows = []
    for session in IDLE:
        if names.get(session, session) not in results:
            continue
        one = results[names.get(session, session)]
        intervals = one["intervals"]
        rows.append(
            [
                f"`{session}`",
                f"{number(one['decision_s'], 1)} s",
                with_interval(
                    one["false_selections_per_min"], intervals["false_selections_per_min"], 2
                ),
                _worst(one, "false_selections_per_min", 2),
                with_interval(one["selected_share"], intervals["selected_share"]),
                _worst(one, "selected_share"),
                with_interval(one["selected_accuracy"], intervals["selected_accuracy"]),
            ]
        )
    head = (
        "preset",
        "decision after the cue",
        "false selections a minute at rest",
        "worst person",
        "flicker trials selected",
        "worst person",
        "of these right",
    )
    return markdown(head, rows)


def calibrated(results: Results) -> str:
    """Give the table of decoders that are calibrated on their user."""
    rows = []
    for length_s, session in itertools.product(LENGTHS_S, CALIBRATED):
        name = _name(session, length_s)
        if name not in results:
            continue
        one = results[name]
        paired = [
            signed_points(
                paired_difference(
                    _people(_same_trials(results, _name(other, length_s), name)),
                    _people(one["by_recording"]),
                )
            )
            if one["n_recordings"] > 1
            else "-"
            for other in FREE.values()
        ]
        rows.append(
            [
                f"{length_s:g} s",
                f"`{session}`",
                f"{one['n_recordings']} ({one['n_trials']})",
                str(one["n_refused"]),
                with_interval(one["mean_accuracy"], one["intervals"]["mean_accuracy"]),
                _worst(one, "accuracy"),
                number(one["itr_bits_per_min"], 1),
                *paired,
            ]
        )
    head = (
        "window",
        "decoder",
        "recordings (trials) scored",
        "refused",
        "accuracy (95 %, people)",
        "worst person",
        "ITR, bits/min",
        "to FBCCA, points",
        "to pretrained, points",
    )
    return markdown(head, rows)


def _same_trials(results: Results, other: str, of: str) -> dict[str, str]:
    """Give another decoder's answers on the trials that one has scored.

    What a recording is calibrated on are its first trials; those that are scored are its last.
    """
    rights = results[other]["by_recording"]
    return {name: rights[name][-len(one) :] for name, one in results[of]["by_recording"].items()}


def _people(rights: Mapping[str, str]) -> dict[str, float]:
    """Give the mean accuracy over each person's recordings, whose names begin with the person."""
    people: dict[str, list[float]] = {}
    for name, one in rights.items():
        if one:
            people.setdefault(name.partition("_")[0], []).append(one.count("1") / len(one))
    return {who: sum(found) / len(found) for who, found in people.items()}


PAGE = Page(
    "ssvep",
    RUNS,
    keep,
    {"without calibration": without_calibration, "idle": idle, "calibrated": calibrated},
)
