"""Where each stage and decoder is measured: its cells, as its examples and its trials tell.

A kind is put to one of four kinds of work: a stage to a made-up signal; a decoder whose trials name
targets that flicker to flicker; one whose trials name positions, and that learns from movement, to
movement; and any other to noise, by its example. One axis is moved at a time, from a base cell.

An example (`volition.decoders.registry.Example`) may say more under ``costs``, in one of its
documents, all of it optional:

    settings: {...}            # to measure it by, in place of the example's
    first: {references: 2}     # settings that hold this many of the signal's labels, the first ones
    every: {channels: 2}       # settings that hold each second label
    of_rate: {rate_hz: 0.5}    # settings that are a share of the signal's rate
    sizes: {n_targets: 16}     # of the base cell
    fixed: [channels]          # axes that it does not grow along
    variants: {NAME: {settings: {...}, sizes: {...}}}   # each measured by itself
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from volition.chunk import SignalSpec
from volition.decoders import registry
from volition.decoders.contract.settings import Settings
from volition.decoders.contract.trials import PositionTrials, TargetTrials
from volition.decoders.stages.blocks import BlockStage

Work = Literal["stage", "flicker", "movement", "example"]
Axes = dict[str, list["Cell"]]

#: Between decisions on flicker.
STEP_S = 0.2
#: Stages that calibrate know electrodes by name, of which there are this many.
MOST_ELECTRODES = 64

_STAGE_CHANNELS = (8, 16, 32, 64, 128, 256)
_STAGE_RATES_HZ = (250.0, 500.0, 1000.0, 2000.0, 4000.0)
_DECODER_CHANNELS, _DECODER_RATES_HZ = (4, 9, 18), (250.0, 500.0, 750.0)
_MOVEMENT_CHANNELS = (10, 20, 40, 80, 160)
#: Settings that a decoder is told what flickers by, and when to decide.
_FLICKER_SETTINGS = {"targets", "window_s", "trigger", "step_s"}
_PLAIN: dict[str, Any] = {"": {}}


@dataclass(frozen=True, slots=True)
class Cell:
    """One kind at one point: what is timed."""

    kind: str
    variant: str
    n_channels: int
    rate_hz: float
    n_targets: int = 0
    n_training: int = 0


def work_of(kind: str) -> Work:
    """Say what a kind is put to."""
    if kind in registry.stages():
        return "stage"
    cls, example = registry.decoders_by_kind()[kind], registry.examples(kind)[0]
    trials = cls.trials(example.settings)
    if isinstance(trials, TargetTrials) and cls.settings_model.model_fields.keys() >= (
        _FLICKER_SETTINGS
    ):
        flickers = all("freq_hz" in choice.data for choice in trials.choices)
        return "flicker" if flickers else "example"
    learns = isinstance(trials, PositionTrials) and hasattr(cls, "fit")
    return "movement" if learns else "example"


def cells_of(kind: str) -> list[tuple[Cell, Axes]]:
    """Give the base cells of a kind, one a variant, each with its sweeps by axis."""
    make = {
        "stage": _stage_cells,
        "flicker": _flicker_cells,
        "movement": _movement_cells,
        "example": _example_cells,
    }[work_of(kind)]
    fixed = _said(kind).get("fixed", ())
    return [
        (base, {axis: cells for axis, cells in axes.items() if axis not in fixed})
        for base, axes in make(kind)
    ]


def _stage_cells(kind: str) -> list[tuple[Cell, Axes]]:
    base = _sized(kind, Cell(kind, "", 32, 1000.0))
    electrodes = issubclass(registry.stages()[kind], BlockStage)
    sizes = [n for n in _STAGE_CHANNELS if not electrodes or n <= MOST_ELECTRODES]
    axes = {
        "channels": [replace(base, n_channels=n) for n in sizes],
        "rate_hz": [replace(base, rate_hz=rate_hz) for rate_hz in _STAGE_RATES_HZ],
    }
    return [(base, axes)]


def _flicker_cells(kind: str) -> list[tuple[Cell, Axes]]:
    n_training = 3 if hasattr(registry.decoders_by_kind()[kind], "estimator") else 0
    base = _sized(kind, Cell(kind, "", 9, 250.0, n_targets=40, n_training=n_training))
    axes = {
        "targets": [replace(base, n_targets=base.n_targets // part) for part in (8, 4, 2, 1)],
        "rate_hz": [replace(base, rate_hz=rate_hz) for rate_hz in _DECODER_RATES_HZ],
        "channels": [replace(base, n_channels=n) for n in _DECODER_CHANNELS],
    }
    if n_training:
        axes["training"] = [replace(base, n_training=n) for n in (2, 3, 5)]
    return [(base, axes)]


def _movement_cells(kind: str) -> list[tuple[Cell, Axes]]:
    found = []
    for variant in _said(kind).get("variants", _PLAIN):
        base = _sized(kind, Cell(kind, variant, 40, 50.0, n_training=5000))
        axes = {
            "channels": [replace(base, n_channels=n) for n in _MOVEMENT_CHANNELS],
            "training": [replace(base, n_training=base.n_training // n) for n in (8, 4, 2, 1)],
        }
        found.append((base, axes))
    return found


def _example_cells(kind: str) -> list[tuple[Cell, Axes]]:
    example = registry.examples(kind)[0]
    base = _sized(kind, Cell(kind, "", example.spec.n_channels, example.spec.rate_hz))
    axes: Axes = {}
    if example.any_channels:
        axes = {
            "channels": [replace(base, n_channels=n) for n in _DECODER_CHANNELS],
            "rate_hz": [replace(base, rate_hz=rate_hz) for rate_hz in _DECODER_RATES_HZ],
        }
    return [(base, axes)]


def _said(kind: str) -> Mapping[str, Any]:
    """Give what a kind's examples say of how it is measured."""
    return next((one.costs for one in registry.examples(kind) if one.costs), {})


def _sized(kind: str, cell: Cell) -> Cell:
    said = _said(kind)
    sizes = said.get("variants", _PLAIN).get(cell.variant, {}).get("sizes", {})
    return replace(cell, **{**said.get("sizes", {}), **sizes})


# -- settings -----------------------------------------------------------------------------------


def settings_of(cell: Cell, spec: SignalSpec) -> Settings:
    """Give the settings by which a kind is measured in a cell, on a signal of ``spec``."""
    said, example = _said(cell.kind), registry.examples(cell.kind)[0]
    usual = example.settings.model_dump(mode="json", exclude_unset=True)
    chosen = said.get("variants", _PLAIN).get(cell.variant, {}).get("settings")
    settings = dict(said.get("settings", usual) if chosen is None else chosen)
    settings |= {name: list(spec.labels[:n]) for name, n in said.get("first", {}).items()}
    settings |= {name: list(spec.labels[::n]) for name, n in said.get("every", {}).items()}
    settings |= {name: part * spec.rate_hz for name, part in said.get("of_rate", {}).items()}
    if work_of(cell.kind) == "flicker":
        settings = said.get("settings", {}) | _flicker_settings(cell)
    known = registry.stages().get(cell.kind) or registry.decoders_by_kind()[cell.kind]
    return known.settings_model.model_validate({**settings, "kind": cell.kind})


def _flicker_settings(cell: Cell) -> dict[str, Any]:
    """Give windows of 1 s and a decision every `STEP_S`."""
    return {
        "targets": [{"label": f"{f:g}", "freq_hz": f} for f in target_freqs(cell.n_targets)],
        "window_s": 1.0,
        "trigger": "sliding",
        "step_s": STEP_S,
    }


def target_freqs(n_targets: int) -> list[float]:
    """Give frequencies from 8 Hz to below 16 Hz, as those of the Benchmark speller."""
    return [round(8 + 8 * i / n_targets, 3) for i in range(n_targets)]
