"""The tables of simulated people in docs/ssvep.md: spectra, forty targets, and a fit meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from volition.benchmarks.quality.documents.runs import (
    Made,
    Measurement,
    Results,
    markdown,
    number,
    with_interval,
)
from volition.benchmarks.quality.simulated import spectrum
from volition.benchmarks.quality.simulated.speller import CALIBRATED, WINDOWS_S, speller
from volition.benchmarks.speed.during_fit import during_fit
from volition.streams import lsl

SHOWN_HZ = (1, 2, 4, 6, 8, 10, 12, 15, 20, 25, 30, 40, 60)
N_SPELLERS = 8
_SPECTRUM, _SPELLER, _DURING = "spectrum", "speller", "during a fit"


def _spectra(data: Path) -> dict[str, Any]:
    found = spectrum.spectra(data / "ssvep_exo")
    places = [int(np.argmin(np.abs(np.array(found["freqs_hz"]) - hz))) for hz in SHOWN_HZ]
    shown = {name: [found[name][place] for place in places] for name in ("real", "simulated")}
    return {"freqs_hz": SHOWN_HZ, **shown, "n": [found["n_real"], found["n_simulated"]]}


def _spelled(window_s: float, data: Path) -> dict[str, Any]:
    del data
    return speller(N_SPELLERS, (window_s,), say=lambda _: None, network=False)


def _during(data: Path) -> dict[str, Any]:
    del data
    with lsl.own_network():
        return during_fit()


RUNS: tuple[Measurement, ...] = (
    Made(_SPECTRUM, _spectra),
    *(Made(f"{_SPELLER}, {window_s:g} s", partial(_spelled, window_s)) for window_s in WINDOWS_S),
    Made(_DURING, _during),
)


def spectra(results: Results) -> str:
    """Give both spectra."""
    found = results[_SPECTRUM]
    rows = [
        [f"{name}, {n}", *(number(one, 2) for one in found[name])]
        for name, n in zip(("real", "simulated"), found["n"], strict=True)
    ]
    return markdown(("Hz", *(f"{hz:g}" for hz in found["freqs_hz"])), rows)


def forty_targets(results: Results) -> str:
    """Give each decoder's accuracy and rate by the window's length."""
    names = ("FBCCA", *(name for name, *_ in CALIBRATED))
    rows = []
    for window_s in WINDOWS_S:
        found = results[f"{_SPELLER}, {window_s:g} s"]["rows"]
        by_name: Mapping[str, Any] = {row["decoder"]: row for row in found}
        rows.append([f"{window_s:g} s", *(_cell(by_name[name]) for name in names)])
    return markdown(("window", *names), rows)


def _cell(row: Mapping[str, Any]) -> str:
    accuracy = with_interval(row["accuracy"], row["interval"], 2)
    return f"{accuracy}, worst {number(row['worst']['accuracy'], 2)}; {row['itr_bits_per_min']:.0f}"


def during(results: Results) -> str:
    """Give how late intents are while a calibration is fitted."""
    found = results[_DURING]
    cells = [
        f"{found[when]['p50_ms']:.1f} / {found[when]['p99_ms']:.1f}"
        for when in ("before", "during")
    ]
    row = [
        f"`{found['decoder']}`",
        f"{found['fits']}, {found['fit_s']:.1f} s",
        *cells,
        f"{found['lost']} of {found['samples']}",
        str(found["intents_lost"]),
        f"{found['swap_ms']:.0f} ms",
    ]
    head = (
        "calibrated",
        "fits, each",
        "before",
        "while it is fitted",
        "samples lost",
        "intents lost",
        "change of the model",
    )
    return markdown(head, [row])


TABLES = {"spectrum": spectra, "forty targets": forty_targets, "during a fit": during}
