"""Gates, bad channels, the potato and FASTER: what they flag, and what the policy makes of it."""

from __future__ import annotations

import functools
import json
from typing import Any

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from tests.decoders.stages.artifact_signals import RATE_HZ, brain, run, spec_of
from volition.chunk import Chunk, FloatArray, SignalSpec
from volition.decoders.artifacts.electrodes import find_positions
from volition.decoders.stages.bad_channels import BadChannels, BadChannelsSettings
from volition.decoders.stages.faster import Faster, FasterSettings, hurst_exponent
from volition.decoders.stages.gate import Gate, GateSettings
from volition.decoders.stages.potato import Potato, PotatoSettings

LABELS = ("Fp1", "Fp2", "F3", "F4", "C3", "C4", "P3", "P4", "O1", "O2", "Fz", "Cz", "Pz")
SPEC = SignalSpec(RATE_HZ, LABELS)


def head(seconds: float, seed: int = 0) -> FloatArray:
    """Give a signal that is smooth over the head, and some noise."""
    rng = np.random.default_rng(seed)
    n = round(seconds * RATE_HZ)
    places = find_positions(LABELS)
    smooth = rng.standard_normal((n, 3)) @ places.T + rng.standard_normal((n, 1))
    signal: FloatArray = 10 * smooth + 2 * rng.standard_normal((n, len(LABELS)))
    return signal


def gate(**settings: Any) -> Gate:
    return Gate(GateSettings.model_validate(settings))


@pytest.mark.parametrize(
    ("limit", "artifact"),
    [
        ({"peak_to_peak_uv": 200.0}, np.linspace(0, 400, 500)),
        ({"gradient_uv_per_ms": 30.0}, np.where(np.arange(500) < 250, 0.0, 150.0)),
        ({"saturation_uv": 900.0}, np.full(500, 1000.0)),
    ],
)
def test_a_gate_flags_the_channel_beyond_its_limit(limit: Any, artifact: FloatArray) -> None:
    none: dict[str, Any] = {
        "peak_to_peak_uv": None,
        "gradient_uv_per_ms": None,
        "flat_uv": None,
        "saturation_uv": None,
    }
    stage = gate(policy="mask", window_s=0.5, **{**none, **limit})
    stage.prepare(SPEC)
    signal = head(6)
    signal[500:1000, 4] += artifact
    cleaned = run(stage, signal).samples
    masked = np.isnan(cleaned)
    assert masked[500:1100, 4].any()
    assert not np.delete(masked, 4, axis=1).any()
    assert not masked[:500].any()
    assert not masked[1250:].any()
    assert list(stage.state()["flagged_share"]) == ["C3"]


def test_a_flat_channel_is_flagged_and_a_missing_one_is_not() -> None:
    stage = gate(policy="mask")
    stage.prepare(SPEC)
    signal = head(6)
    signal[250:, 2] = 7.0
    signal[250:, 3] = np.nan
    run(stage, signal)
    assert stage.state()["flagged"] == ["F3"]


def test_repair_makes_the_channel_anew_out_of_the_others() -> None:
    stage = gate(lookahead_s=1.0, release_s=0.9)
    stage.prepare(SPEC)
    clean = head(6)
    given = clean.copy()
    given[500:1000, 4] += 500 * np.sin(np.arange(500))
    cleaned = run(stage, given).samples
    assert np.isfinite(cleaned).all()
    error = cleaned[500:1000, 4] - clean[500:1000, 4]
    assert np.std(error) < 0.6 * np.std(clean[500:1000, 4])
    others = np.delete(np.arange(13), 4)
    np.testing.assert_array_equal(cleaned[:, others], given[: len(cleaned), others])
    assert stage.state()["repaired_share"] > 0


def test_what_cannot_be_repaired_counts_as_missing() -> None:
    stage = gate(lookahead_s=1.0, release_s=0.9)
    stage.prepare(SPEC)
    given = head(6)
    given[500:750, :6] += 500 * np.sin(np.arange(250))[:, None]
    cleaned = run(stage, given).samples
    assert np.isnan(cleaned[500:750]).all()
    assert stage.state()["held_share"] > 0


def test_hold_drops_all_channels_while_one_is_flagged() -> None:
    stage = gate(policy="hold")
    stage.prepare(SPEC)
    given = head(6)
    given[500:750, 0] += 500 * np.sin(np.arange(250))
    missing = np.isnan(run(stage, given).samples)
    assert missing.any()
    assert (missing.all(axis=1) == missing.any(axis=1)).all()


def test_without_places_the_covariance_repairs_once_it_is_known() -> None:
    clean = brain(40, 5) + 30 * np.random.default_rng(1).standard_normal((10000, 1))
    given = clean.copy()
    given[:500, 0] += 900 * np.sin(np.arange(500))
    given[8000:8500, 0] += 900 * np.sin(np.arange(500))
    stage = gate(peak_to_peak_uv=400, lookahead_s=1.0, release_s=0.9)
    stage.prepare(spec_of(5))
    cleaned = run(stage, given).samples
    assert np.isnan(cleaned[300:500]).all()
    error = cleaned[8000:8500, 0] - clean[8000:8500, 0]
    assert np.std(error) < 0.6 * np.std(clean[8000:8500, 0])
    assert stage.state()["interpolation"] == "covariance"


@pytest.mark.parametrize("kind", ["noise", "flat", "apart"])
def test_a_bad_channel_is_replaced_after_a_while_and_trusted_again_later(kind: str) -> None:
    given = head(30)
    bad = slice(2500, 5000)
    given[bad, 6] = {
        "noise": 400 * np.random.default_rng(2).standard_normal(2500),
        "flat": np.zeros(2500),
        "apart": 15 * np.random.default_rng(3).standard_normal(2500),
    }[kind]
    stage = BadChannels(BadChannelsSettings(bad_after_s=1, good_after_s=3))
    stage.prepare(SPEC)
    cleaned = run(stage, given).samples
    changed = (cleaned != given).any(axis=1)
    assert not np.delete(cleaned != given, 6, axis=1).any()
    assert not changed[:2500].any()
    assert changed[3125:5000].all()
    assert not changed[-500:].any()
    assert stage.state()["flagged"] == []


def test_a_bad_channel_does_not_flicker() -> None:
    given = head(30)
    for start in range(2500, 5000, 500):  # odd for a second, fine for a second
        given[start : start + 250, 6] = 400 * np.random.default_rng(start).standard_normal(250)
    stage = BadChannels(BadChannelsSettings(bad_after_s=1, good_after_s=3))
    stage.prepare(SPEC)
    changed = (run(stage, given).samples != given).any(axis=1)
    assert np.count_nonzero(np.diff(changed.astype(int)) == 1) == 1


def test_the_potato_drops_windows_unlike_the_clean_ones() -> None:
    given = brain(40, 6)
    given[500:900] *= 8  # artifacts in the calibration do not widen it
    given[6000:6500, :3] += 300 * np.sin(np.arange(500) / 10)[:, None]
    stage = Potato(PotatoSettings(calibration_s=15))
    stage.prepare(spec_of(6))
    missing = np.isnan(run(stage, given).samples[:, 0])
    assert missing[6150:6500].all()
    assert missing[:6000].mean() < 0.06
    assert missing[7000:].mean() < 0.06
    json.dumps(stage.state(), allow_nan=False)


def test_the_potato_follows_a_slow_drift() -> None:
    given = brain(120, 4) * np.linspace(1, 3, 30000)[:, None]
    fixed, following = (
        Potato(PotatoSettings(calibration_s=15, drift=drift)) for drift in (0.0, 0.05)
    )
    lost = []
    for stage in (fixed, following):
        stage.prepare(spec_of(4))
        lost.append(float(np.isnan(run(stage, given, step=500).samples).mean()))
    assert lost[0] > 0.3
    assert lost[1] < 0.1


def test_faster_tells_a_bad_epoch_from_a_bad_channel() -> None:
    given = head(40)
    given[5000:5250] *= 8  # an epoch that is bad throughout
    given[7000:7250, 3] += 300 * np.sin(np.arange(250))  # a channel within an epoch
    stage = Faster(FasterSettings(calibration_s=15, lookahead_s=1.0, release_s=0.75, threshold=5))
    stage.prepare(SPEC)
    cleaned = run(stage, given).samples
    assert np.isnan(cleaned[5050:5200]).all()
    repaired = cleaned[7050:7200]
    assert np.isfinite(repaired).all()
    assert np.abs(repaired[:, 3]).max() < 100
    state = stage.state()
    assert state["bad_epoch_share"] > 0
    assert state["bad_channel_in_epoch_share"] > 0
    np.testing.assert_array_equal(cleaned[3800:4500], given[3800:4500])


def test_faster_interpolates_a_channel_that_has_nothing_in_common_with_the_others() -> None:
    given = head(40)
    given[:, 5] = 10 * np.random.default_rng(9).standard_normal(len(given)).cumsum() / 40
    stage = Faster(FasterSettings(calibration_s=15, threshold=5))
    stage.prepare(SPEC)
    run(stage, given)
    assert "C4" in stage.state()["flagged"]


def test_the_hurst_exponent_is_that_of_noise_of_a_walk_and_of_a_smooth_curve() -> None:
    noise = np.random.default_rng(0).standard_normal(2**15)
    smooth = np.sin(np.arange(2**15) / 200)
    found = hurst_exponent(np.column_stack([noise, noise.cumsum(), smooth]))
    np.testing.assert_allclose(found, [0.0, 0.5, 2.0], atol=0.03)


@pytest.mark.parametrize(
    "stage",
    [
        lambda: gate(lookahead_s=0.5, peak_to_peak_uv=120.0),
        lambda: BadChannels(BadChannelsSettings(lookahead_s=0.5, bad_after_s=0.25)),
        lambda: Potato(PotatoSettings(calibration_s=3, lookahead_s=0.5)),
        lambda: Faster(FasterSettings(calibration_s=3, lookahead_s=1.0)),
    ],
    ids=["gate", "bad_channels", "potato", "faster"],
)
@hypothesis.settings(max_examples=6)
@hypothesis.given(cuts=st.lists(st.integers(0, 600), max_size=10))
def test_with_lookahead_too_cuts_change_no_bit(stage: Any, cuts: list[int]) -> None:
    given, expected = in_one_piece(stage)
    cut = stage()
    cut.prepare(SPEC)
    found = run(cut, given, cuts, step=273)
    np.testing.assert_array_equal(found.times, expected.times)
    np.testing.assert_array_equal(found.samples, expected.samples)
    assert not np.array_equal(expected.samples[1500:1800], given[1500:1800])


@functools.cache
def in_one_piece(make: Any) -> tuple[FloatArray, Chunk]:
    """Give a signal, and what the stage makes of it when it comes as a whole."""
    given = head(10)
    given[1500:1800, 2] *= 20
    given[1900:1910] = np.nan
    stage = make()
    stage.prepare(SPEC)
    return given, run(stage, given, step=len(given))
