"""The table of networks against muscle in docs/artifacts.md, all trained on the same pairs.

Training takes minutes of a core for each, and the extra ``train``; the networks that ship are only
scored.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from volition.benchmarks.quality.documents.runs import (
    NOT_MEASURED,
    Made,
    Measurement,
    Results,
    markdown,
    number,
    signed_points,
    with_interval,
)
from volition.benchmarks.quality.evaluation.clustered import paired_difference
from volition.benchmarks.quality.making import denoising_training as training
from volition.errors import ConfigError

#: Batches of AT-AT and of the others, and the latter's names in the table.
STEPS = 900
BASELINES = {
    "fcnn": "FCNN",
    "rnn": "RNN (LSTM)",
    "simple_cnn": "simple CNN",
    "complex_cnn": "complex CNN",
}
OURS, SHIPPED, NOTHING = "AT-AT", "AT-AT as it ships", "untouched"
_LEVELS = ("-7", "-2", "2")


def _name(network: str) -> str:
    return f"network, {network}"


def _material(data: Path) -> training.Material:
    return training.from_denoise_mix(data / "denoise_mix", seed=0)


def _untouched(data: Path) -> dict[str, Any]:
    return training.score(lambda noisy: noisy, _material(data))


def _shipped(data: Path) -> dict[str, Any]:
    return training.score(training.stage_of().clean_segments, _material(data))


def _ours(data: Path) -> dict[str, Any]:
    material, _ = _material(data).hold_out()
    with tempfile.TemporaryDirectory() as folder, _torch():
        return training.train_atat(material, Path(folder), STEPS)


def _baseline(name: str, data: Path) -> dict[str, Any]:
    material, apart = _material(data).hold_out()
    with _torch():
        held_out = training.held_out_pairs(apart)
        return training.train_baseline(material, name, STEPS, held_out, mixed_precision=True)


@contextlib.contextmanager
def _torch() -> Iterator[None]:
    """Say what is missing where networks cannot be trained."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"networks are trained by torch, which is not installed ({error}): install the extra "
            "train (pip install 'volition[train]'), or name the other runs with --only"
        ) from None


RUNS: tuple[Measurement, ...] = (
    Made(_name(NOTHING), _untouched),
    Made(_name(SHIPPED), _shipped),
    Made(_name(OURS), _ours),
    *(Made(_name(name), partial(_baseline, name)) for name in BASELINES),
)


def table(results: Results) -> str:
    """Give every network's correlations, and AT-AT's beside each, paired by person."""
    labels = {NOTHING: NOTHING, OURS: f"**{OURS}**", SHIPPED: SHIPPED, **BASELINES}
    rows = []
    for name, label in labels.items():
        one = results.get(_name(name))
        if one is None:
            continue
        cells = [_correlation(one["levels"][level]) for level in _LEVELS]
        worst = one["levels"]["-7"]["worst"]
        rows.append(
            [
                label,
                str(one.get("n_parameters", "")),
                str(one.get("steps", "")),
                *cells,
                f"{number(worst['cc'])} (person {worst['who']})",
                number(one["cc_mean"]),
                ", ".join(number(one["levels"][level]["rrmse_time"], 2) for level in ("-7", "2")),
                number(one["clean"]["rrmse_time"]),
                _less_than_ours(results, name),
            ]
        )
    if not rows:
        return NOT_MEASURED
    head = (
        "network",
        "parameters",
        "batches of 64",
        *(f"correlation at {level} dB (95 %, people)" for level in _LEVELS),
        "worst person at -7 dB",
        "mean of ten levels",
        "relative error at -7, 2 dB",
        "clean: relative error",
        "AT-AT's correlation at -7 dB less its, hundredths, paired by person",
    )
    return markdown(head, rows)


def _correlation(level: Mapping[str, Any]) -> str:
    return with_interval(level["cc"], level["intervals"]["cc"])


def _less_than_ours(results: Results, name: str) -> str:
    ours = results.get(_name(OURS))
    if ours is None or name not in BASELINES:
        return ""
    theirs, own = (one["levels"]["-7"]["by_person"] for one in (results[_name(name)], ours))
    return signed_points(paired_difference(theirs, own))


TABLES = {"networks": table}
