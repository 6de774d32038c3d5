"""The tables of docs/ssvep.md: each decoder on real and simulated people, all figures by people."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

import numpy as np

from volition.benchmarks.quality.documents import simulated_people
from volition.benchmarks.quality.documents.runs import (
    Measurement,
    Page,
    Results,
    Run,
    markdown,
    number,
    signed_points,
    with_interval,
)
from volition.benchmarks.quality.evaluation.clustered import (
    Clusters,
    paired_difference,
    ratio_interval,
)
from volition.benchmarks.quality.evaluation.promises import kept
from volition.decoders.fitting.calibration import MOST_CHANCE
from volition.decoders.fitting.metrics import luck

Choice = TypeVar("Choice")

LENGTHS_S = (1.0, 2.0, 3.0)
FREE = {"FBCCA (`fbcca-exo`)": "fbcca-exo", "pretrained": "ssvep-pretrained"}
CALIBRATED = ("ssvep-personal", "riemann-exo", "ecca-exo", "etrca-exo")
#: Settings of `ssvep_adaptive`, and the values among which each person's are chosen by the others.
_CHOSEN = ("own_ridge", "recentre", "own_share")
CHOICES = tuple(itertools.product((0.01, 0.03, 0.1), (False, True), (0.2, 0.4, 0.6, 0.8, 1.0)))
SIMULATED = "simulated"
RATIOS = (1.0, 1.05, 1.1, 1.15, 1.2, 1.25, 1.3, 1.35)
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
        "stated": {
            name: {one: found[one] for one in ("promised", "left_out")}
            for name, found in answer["per_recording"].items()
            if found["promised"] is not None
        },
        "n_refused": len(answer["refused"]),
    }


#: Others whom nothing of it was chosen on, and how FBCCA reads them.
OTHERS = {
    SIMULATED: Run("", "ssvep_simulated", "fbcca-exo", keep),
    "headband": Run(
        "",
        "muse_ssvep",
        "fbcca-exo",
        keep,
        {
            "targets": [{"label": "30 Hz", "freq_hz": 30}, {"label": "20 Hz", "freq_hz": 20}],
            "n_harmonics": 1,
            "n_subbands": 2,
            "band_high_hz": 50,
            "delay_s": 0.25,
        },
        {"notch": {"freq_hz": 60}},
        folder="muse_erp",
    ),
    "hobby amplifier": Run("", "ssvep_openbci", "fbcca-openbci", keep),
}
#: What reads them, by the name in the table; those that know their electrodes and targets read the
#: simulated people alone, who wear and look at the same.
UNTAUGHT = {"FBCCA": "fbcca", "adaptive": "ssvep_adaptive"}
TAUGHT = {"pretrained": "ssvep-pretrained", "personal": "ssvep-personal"}
#: Thresholds of idle, each tried: of a preset, which setting and values.
THRESHOLDS: Mapping[str, tuple[str, tuple[float, ...]]] = {
    "ssvep-pretrained-dynamic": ("idle_log_odds", (1.0, 1.5, 2.0, 2.5)),
    "ssvep-personal": ("min_confidence", (0.45, 0.55, 0.65, 0.75, 0.85)),
}
IDLE_LENGTH_S = 3.0
N_TARGETS = 3
#: Windows for which what calibrations state is set beside what came.
PROMISED_S = 2.0
#: Selections a minute at rest that the worst of those who choose may have, each tried.
BARS = (1.0, 0.5, 0.0)
IDLE = (
    "ssvep-pretrained",
    "fbcca-exo",
    "ssvep-adaptive",
    "ssvep-pretrained-3s",
    "ssvep-pretrained-dynamic",
)


def _name(session: str, length_s: float) -> str:
    return f"{session}, {length_s:g} s"


def _at_threshold(session: str, value: float) -> str:
    return f"{session}, {THRESHOLDS[session][0]} {value:g}"


def _elsewhere(name: str, kind: str, length_s: float) -> str:
    return f"{kind}, {name}, {length_s:g} s"


def _shipped_elsewhere(session: str) -> str:
    return f"{session}, {SIMULATED}"


def _adaptive(length_s: float, choice: tuple[float, bool, float]) -> str:
    ridge, recentred, share = choice
    background = "re-centred" if recentred else "as it is"
    return f"ssvep-adaptive, {length_s:g} s, ridge {ridge:g}, {background}, share {share:g}"


def _quiet(ratio: float) -> str:
    return f"ssvep-adaptive, {IDLE_LENGTH_S:g} s, idle ratio {ratio:g}"


RUNS: tuple[Measurement, ...] = (
    *(
        Run(_name(session, length_s), "ssvep_exo", session, keep, {"window_s": length_s})
        for session in (*FREE.values(), *CALIBRATED)
        for length_s in LENGTHS_S
    ),
    *(
        Run(
            _adaptive(length_s, choice),
            "ssvep_exo",
            "ssvep-adaptive",
            keep,
            {"window_s": length_s} | dict(zip(_CHOSEN, choice, strict=True)),
        )
        for length_s in LENGTHS_S
        for choice in CHOICES
    ),
    *(
        Run(
            _quiet(ratio),
            "ssvep_exo",
            "ssvep-adaptive",
            keep,
            {"window_s": IDLE_LENGTH_S, "idle_ratio": ratio},
        )
        for ratio in RATIOS
    ),
    Run("ssvep-adaptive", "ssvep_exo", "ssvep-adaptive", keep),
    *(
        Run(_at_threshold(session, value), "ssvep_exo", session, keep, {setting: value})
        for session, (setting, values) in THRESHOLDS.items()
        for value in values
    ),
    *(
        dataclasses.replace(
            run,
            name=_elsewhere(name, kind, length_s),
            decoder={**run.decoder, "window_s": length_s, "kind": kind},
        )
        for name, run in OTHERS.items()
        for length_s in LENGTHS_S
        for kind in UNTAUGHT.values()
    ),
    *(
        Run(
            _elsewhere(SIMULATED, session, length_s),
            "ssvep_simulated",
            session,
            keep,
            {"window_s": length_s},
        )
        for session in TAUGHT.values()
        for length_s in LENGTHS_S
    ),
    *(
        Run(_shipped_elsewhere(session), "ssvep_simulated", session, keep)
        for session in (*IDLE, "ssvep-personal")
    ),
    Run("ssvep-pretrained-3s", "ssvep_exo", "ssvep-pretrained-3s", keep),
    Run("ssvep-pretrained-dynamic", "ssvep_exo", "ssvep-pretrained-dynamic", keep),
    *simulated_people.RUNS,
)


def _by_person(results: Results, name: str, figure: str = "accuracy") -> dict[str, float]:
    return {
        who: one[figure]
        for who, one in results[name]["by_person"].items()
        if one[figure] is not None
    }


def _worst(one: Mapping[str, Any], figure: str, digits: int = 3) -> str:
    found = one["worst"][figure]
    return "-" if found is None else _of_one(found["value"], found["who"], digits)


def _of_one(value: float, who: str, digits: int = 3) -> str:
    return f"{number(value, digits)} (person {who})"


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


def adaptive(results: Results) -> str:
    """Give what the adaptive decoder gains where each person's setting is chosen by the others."""
    rows = []
    for length_s in LENGTHS_S:
        by_choice = {
            choice: _by_person(results, _adaptive(length_s, choice))
            for choice in CHOICES
            if _adaptive(length_s, choice) in results
        }
        chosen = chosen_by_others(by_choice, _mean)
        nested = {who: by_choice[choice][who] for who, choice in chosen.items()}
        fbcca = _by_person(results, _name("fbcca-exo", length_s))
        pretrained = _by_person(results, _name("ssvep-pretrained", length_s))
        worst = min(nested, key=nested.__getitem__)
        rows.append(
            [
                f"{length_s:g} s",
                "; ".join(_said(choice) for choice in sorted(set(chosen.values()))),
                number(_mean(fbcca)),
                _mean_of_people(nested),
                _of_one(nested[worst], worst),
                signed_points(paired_difference(fbcca, nested)),
                signed_points(paired_difference(pretrained, nested)),
            ]
        )
    head = (
        "window",
        "chosen: ridge, re-centred, share",
        "FBCCA, mean over people",
        "adaptive (95 %, people)",
        "worst person",
        "to FBCCA, points, paired by person",
        "to pretrained, points",
    )
    return markdown(head, rows)


def elsewhere(results: Results) -> str:
    """Give what the presets read of others, as they ship, beside FBCCA."""
    rows = []
    for name, length_s in itertools.product(OTHERS, LENGTHS_S):
        fbcca = _elsewhere(name, "fbcca", length_s)
        for label, kind in {**UNTAUGHT, **TAUGHT}.items():
            ours = _elsewhere(name, kind, length_s)
            if ours not in results:
                continue
            one, people = results[ours], _people(results[ours]["by_recording"])
            theirs = _people(_same_trials(results, fbcca, ours))
            # A difference between people where there are several; recordings are no people.
            is_paired = len(one["by_person"]) > 1 and kind != "fbcca"
            rows.append(
                [
                    name,
                    f"{length_s:g} s",
                    label,
                    f"{len(one['by_person'])} ({one['n_trials']})",
                    with_interval(one["mean_accuracy"], one["intervals"]["mean_accuracy"]),
                    _worst(one, "accuracy") if len(one["by_person"]) > 1 else "-",
                    signed_points(paired_difference(theirs, people)) if is_paired else "-",
                ]
            )
    head = (
        "others",
        "window",
        "decoder",
        "people (trials)",
        "accuracy (95 %, people)",
        "worst person",
        "to FBCCA, points, paired by person",
    )
    return markdown(head, rows)


def idle_elsewhere(results: Results) -> str:
    """Give what the presets select of simulated people, as they ship."""
    names = {f"`{session}`": _shipped_elsewhere(session) for session in (*IDLE, "ssvep-personal")}
    return _selections(results, "preset", names)


def quiet(results: Results) -> str:
    """Give the adaptive decoder's idle where each person's threshold is chosen by the others.

    It is the lowest with which the worst of the others is below a bar.
    """
    false, selected = (
        {
            ratio: _by_person(results, _quiet(ratio), figure)
            for ratio in RATIOS
            if _quiet(ratio) in results
        }
        for figure in ("false_selections_per_min", "selected_share")
    )
    rows = []
    for bar in BARS:
        chosen = chosen_by_others(false, partial(_keeps, bar))
        at_rest = {who: false[ratio][who] for who, ratio in chosen.items()}
        share = {who: selected[ratio][who] for who, ratio in chosen.items()}
        loudest = max(at_rest, key=at_rest.__getitem__)
        rows.append(
            [
                f"at most {bar:g}",
                ", ".join(f"{ratio:g}" for ratio in sorted(set(chosen.values()))),
                _mean_of_people(at_rest, 2),
                _of_one(at_rest[loudest], loudest, 2),
                _mean_of_people(share),
            ]
        )
    head = (
        "false selections a minute of the worst of the others",
        "`idle_ratio` chosen",
        "false selections a minute at rest, mean over people",
        "worst person",
        "flicker trials selected, mean over people",
    )
    return markdown(head, rows)


def _keeps(bar: float, found: Mapping[str, float]) -> float:
    """Say whether nobody's figure is above a bar: 1 or 0."""
    return float(max(found.values()) <= bar)


def _said(choice: tuple[float, bool, float]) -> str:
    ridge, recentred, share = choice
    return f"{ridge:g}, {'yes' if recentred else 'no'}, {share:g}"


def chosen_by_others(
    by_setting: Mapping[Choice, Mapping[str, float]],
    worth: Callable[[Mapping[str, float]], float],
) -> dict[str, Choice]:
    """Choose for each person the setting that is worth most by the figures of all others.

    The first of several settings that are equally good is chosen.
    """
    people = next(iter(by_setting.values()))
    return {
        who: max(
            by_setting,
            key=lambda setting: worth(
                {other: found for other, found in by_setting[setting].items() if other != who}
            ),
        )
        for who in people
    }


def _mean(by_person: Mapping[str, float]) -> float:
    return sum(by_person.values()) / len(by_person)


def _mean_of_people(by_person: Mapping[str, float], digits: int = 3) -> str:
    """Give the mean over people with its interval."""
    clusters = Clusters.by_name("people", list(by_person))
    interval = ratio_interval(clusters, list(by_person.values()), np.ones(len(by_person)))
    return with_interval(_mean(by_person), interval, digits)


def idle(results: Results) -> str:
    """Give the table of what is selected, at rest and not, by the presets as they ship."""
    names = {
        "ssvep-pretrained": _name("ssvep-pretrained", 2.0),
        "fbcca-exo": _name("fbcca-exo", 3.0),
    }
    return _selections(
        results, "preset", {f"`{session}`": names.get(session, session) for session in IDLE}
    )


def thresholds(session: str, results: Results) -> str:
    """Give the same of one preset at several thresholds of idle."""
    setting, values = THRESHOLDS[session]
    names = {f"{value:g}": _at_threshold(session, value) for value in values}
    return _selections(results, f"`{setting}`", names)


def _selections(results: Results, of: str, names: Mapping[str, str]) -> str:
    rows = []
    for label, name in names.items():
        if name not in results:
            continue
        one, intervals = results[name], results[name]["intervals"]
        rows.append(
            [
                label,
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
        of,
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


def promised(results: Results) -> str:
    """Give what calibrations on earlier recordings stated, beside what the next one gave."""
    rows = []
    for session in CALIBRATED:
        one = results[_name(session, PROMISED_S)]
        for of, label in {"recordings": "several recordings", "blocks": "one recording"}.items():
            stated = {
                name: {"promised": said["promised"], "accuracy": _share(one["by_recording"][name])}
                for name, said in one["stated"].items()
                if said["left_out"] == of
            }
            if stated:
                told = [one["by_recording"][name] for name in stated]
                n_held = sum(map(_would_be_accepted, told))
                found = kept({"per_recording": stated})
                rows.append([f"`{session}`", label, f"{n_held} of {len(told)}", *_kept(found)])
    head = (
        "decoder",
        "calibrated on",
        "recordings that followed above chance",
        "came less stated (95 %, people)",
        "rank correlation",
        "fell short by most",
    )
    return markdown(head, rows)


def _would_be_accepted(right: str) -> bool:
    """Say whether a recording's trials are above chance by the test that calibrations must pass."""
    return luck(right.count("1"), len(right), 1 / N_TARGETS) <= MOST_CHANCE


def _kept(found: Mapping[str, Any]) -> list[str]:
    name, (said, came) = found["worst"]["recording"], found["worst"]["promised_given"]
    return [
        with_interval(found["gap"], found["interval"]),
        number(found["rank_correlation"], 2),
        f"{name}: {number(said)} stated, {number(came)} came",
    ]


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
            people.setdefault(name.partition("_")[0], []).append(_share(one))
    return {who: sum(found) / len(found) for who, found in people.items()}


def _share(right: str) -> float:
    return right.count("1") / len(right)


PAGE = Page(
    "ssvep",
    RUNS,
    {
        "without calibration": without_calibration,
        "adaptive": adaptive,
        "elsewhere": elsewhere,
        "idle": idle,
        "idle elsewhere": idle_elsewhere,
        "quiet": quiet,
        "dynamic": partial(thresholds, "ssvep-pretrained-dynamic"),
        "personal": partial(thresholds, "ssvep-personal"),
        "calibrated": calibrated,
        "promised": promised,
        **simulated_people.TABLES,
    },
)
