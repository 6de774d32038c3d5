"""Every stage and decoder has its place in the table of costs, and growth is fitted rightly."""

from __future__ import annotations

import numpy as np
import pytest

from volition.benchmarks.speed import cells, costs, packages
from volition.chunk import SignalSpec
from volition.decoders import registry
from volition.decoders.kinematics.methods.regressing import REGRESSORS

TINY = costs.Extent(passes=1, stage_s=0.5, decoder_s=2.0, sweep=False)
SPEC = SignalSpec(250.0, ())


@pytest.mark.parametrize("kind", sorted(registry.stages()))
def test_every_stage_is_swept_over_channels_and_rates(kind: str) -> None:
    ((base, axes),) = cells.cells_of(kind)
    _, _, spec = costs.stage_data(base.n_channels, base.rate_hz, 0.1)
    assert cells.settings_of(base, spec).kind == kind
    assert {len(swept) >= costs.FITTED_SIZES for swept in axes.values()} == {True}


@pytest.mark.parametrize("kind", sorted(registry.decoders_by_kind()))
def test_every_decoder_is_swept_and_its_settings_are_valid(kind: str) -> None:
    for base, axes in cells.cells_of(kind):
        # Networks that ship are of one size.
        assert axes or (kind == "recurrent" and base.n_training == 0)
        assert all(len(swept) >= costs.FITTED_SIZES for swept in axes.values())
        assert cells.settings_of(base, SignalSpec(base.rate_hz, ())).kind == kind


def test_decoders_of_flicker_and_of_movement_are_put_to_that() -> None:
    assert {cells.work_of(kind) for kind in registry.stages()} == {"stage"}
    assert {cells.work_of(kind) for kind in ("fbcca", "dnn", "ssvep_personal")} == {"flicker"}
    assert {cells.work_of(kind) for kind in ("dkf", "kalman", "wiener")} == {"movement"}


def test_every_regression_is_measured() -> None:
    found = [cells.settings_of(base, SPEC) for base, _ in cells.cells_of("dkf")]
    assert {one.model_dump()["regression"]["kind"] for one in found} == set(REGRESSORS)


def test_the_base_of_flicker_and_of_movement_are_those_that_are_published() -> None:
    (flicker,) = [base for base, _ in cells.cells_of("fbcca")]
    settings = cells.settings_of(flicker, SPEC).model_dump()
    assert (flicker.n_targets, flicker.n_channels, flicker.rate_hz) == (40, 9, 250.0)
    assert (settings["n_subbands"], settings["window_s"]) == (5, 1.0)
    movement = {base.variant: base for base, _ in cells.cells_of("dkf")}
    assert movement["nadaraya-watson"].n_training == 5000
    assert {base.n_channels for base in movement.values()} == {40}


def test_a_stage_and_decoders_are_measured() -> None:
    report = costs.measure(["bandpass", "kalman", "fbcca"], TINY)
    (stage,) = report["stages"]
    assert (stage["kind"], stage["axis"], stage["n_channels"]) == ("bandpass", "base", 32)
    assert [row["variant"] for row in report["decoders"]] == ["steady", "full", ""]
    rows = [*report["stages"], *report["decoders"]]
    assert all(0 < row["median_us"] <= row["slowest_us"] for row in rows)
    # What fills a step is part of what a decision costs.
    fbcca = report["decoders"][-1]
    assert fbcca["mean_us"] > 0.5 * fbcca["median_us"]
    assert [row["kind"] for row in report["peers"]] == ["bandpass", "kalman", "kalman", "fbcca"]
    for row in report["peers"]:
        assert row["why_none"] if row["package"] is None else row["ratio"] > 0


@pytest.mark.parametrize("power", [0.0, 1.0, 2.5])
def test_growth_is_fitted_to_the_largest_sizes(power: float) -> None:
    small = [(1.0, 77.0), (2.0, 77.0)]  # what a call costs by itself
    large = [(size, 3 * size**power) for size in (64.0, 128.0, 256.0)]
    assert costs.exponent([*large, *small]) == pytest.approx(power)


def test_a_row_that_was_refused_has_no_part_in_growth() -> None:
    rows = [
        {"kind": "a", "variant": "", "axis": "channels", "n_channels": n, "mean_us": 2.0 * n}
        for n in (8, 16, 32)
    ]
    refused = {"kind": "a", "variant": "", "axis": "channels", "n_channels": 64, "refused": "no"}
    (found,) = costs.growth([*rows, refused])
    assert (found["exponent"], found["sizes"]) == (1.0, [8, 16, 32])


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(name: str) -> None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr("importlib.import_module", gone)
    _, signal, spec = costs.stage_data(8, 250.0, 0.5)
    why = packages.stage_peer("bandpass", [signal], signal, spec)
    assert why == "ezmsg is not installed here (ezmsg.sigproc.butterworthfilter is missing)"


def test_signals_wider_than_there_are_electrodes_have_labels_of_their_own() -> None:
    _, signal, spec = costs.stage_data(256, 250.0, 0.5)
    assert signal.shape == (125, 256)
    assert len(set(spec.labels)) == 256
    np.testing.assert_array_equal(signal[:, 0], signal[:, cells.MOST_ELECTRODES])
