"""Regression, RLS and the Wiener filter: blinks go, the rest stays, and what goes wrong is held."""

from __future__ import annotations

import functools
import json
from typing import Any

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from tests.decoders.stages.artifact_signals import RATE_HZ, blinks, brain, run
from volition.chunk import FloatArray, SignalSpec
from volition.decoders.stages.blocks import BlockStage
from volition.decoders.stages.eog_regression import EogRegression, EogRegressionSettings
from volition.decoders.stages.rls import RlsFilter, RlsSettings
from volition.decoders.stages.wiener import WienerFilter, WienerFilterSettings
from volition.errors import ConfigError, NotFittedError

SPREAD = np.array([1.0, 0.6, 0.4, 0.2, 0.1, 0.05])
AT_S = [2.0, 4.5, 7.0, 9.0, 13.0, 16.2, 19.0]
SPEC = SignalSpec(RATE_HZ, ("VEOG", "Fz", "C3", "C4", "Pz", "Oz"), kinds=("EOG", *["EEG"] * 5))

STAGES: list[Any] = [
    lambda **s: EogRegression(EogRegressionSettings(calibration_s=10, **s)),
    lambda **s: RlsFilter(RlsSettings(calibration_s=10, **s)),
    lambda **s: WienerFilter(WienerFilterSettings(calibration_s=10, **s)),
]
each = pytest.mark.parametrize("make", STAGES, ids=["regression", "rls", "mwf"])


def recording() -> tuple[FloatArray, FloatArray]:
    """Give a signal without and with blinks; the eye channel sees little of the brain."""
    clean = brain(22, 6)
    clean[:, 0] *= 0.3
    return clean, clean + 300 * blinks(len(clean), AT_S)[:, None] * SPREAD


@each
def test_a_blink_keeps_less_than_a_fifth_of_its_energy(make: Any) -> None:
    clean, given = recording()
    stage = make()
    stage.prepare(SPEC)
    cleaned = run(stage, given).samples
    during = blinks(len(clean), AT_S[4:]) > 0.2
    before = np.square((given - clean)[during][:, 1:]).sum()
    assert np.square((cleaned - clean)[during][:, 1:]).sum() < 0.2 * before
    np.testing.assert_array_equal(cleaned[:, 0], given[:, 0])
    state = stage.state()
    json.dumps(state, allow_nan=False)
    assert state["latency_s"] == 0
    assert 0 < state["repaired_share"] < 0.7


@each
def test_what_lies_between_blinks_is_left_as_it_came(make: Any) -> None:
    _, given = recording()
    stage = make()
    stage.prepare(SPEC)
    cleaned = run(stage, given).samples
    quiet = slice(2600, 3100)
    assert np.square((cleaned - given)[quiet]).sum() < 0.05**2 * np.square(given[quiet]).sum()


@each
@hypothesis.settings(max_examples=6)
@hypothesis.given(cuts=st.lists(st.integers(0, 900), max_size=10))
def test_cuts_change_no_bit(make: Any, cuts: list[int]) -> None:
    given, expected = in_one_piece(make)
    cut = make()
    cut.prepare(SPEC)
    np.testing.assert_array_equal(run(cut, given, cuts, step=411).samples, expected)
    assert not np.array_equal(expected[3310:], given[3310:])


@functools.cache
def in_one_piece(make: Any) -> tuple[FloatArray, FloatArray]:
    """Give a signal, and what the stage makes of it when it comes as a whole."""
    _, given = recording()
    given[3300:3305] = np.nan
    stage = make()
    stage.prepare(SPEC)
    return given, run(stage, given, step=len(given)).samples


@each
def test_a_reference_given_twice_is_no_trouble(make: Any) -> None:
    clean, given = recording()
    doubled = np.column_stack([given, given[:, 0]])
    spec = SignalSpec(RATE_HZ, (*SPEC.labels, "EOG2"), kinds=(*SPEC.kinds, "EOG"))
    stage = make()
    stage.prepare(spec)
    cleaned = run(stage, doubled).samples
    during = blinks(len(clean), AT_S[4:]) > 0.2
    before = np.square((given - clean)[during][:, 1:]).sum()
    assert np.square((cleaned[:, :6] - clean)[during][:, 1:]).sum() < 0.2 * before


@each
@pytest.mark.parametrize("n_channels", [2, 64, 256])
def test_2_to_256_channels_are_cleaned(make: Any, n_channels: int) -> None:
    clean = brain(13, n_channels)
    clean[:, 0] *= 0.3
    given = clean + 300 * blinks(len(clean), [*AT_S[:4], 11.5])[:, None] * np.linspace(
        1, 0.1, n_channels
    )
    labels = ("VEOG", *[f"channel {i}" for i in range(1, n_channels)])
    settings = {"taps": 1} if make is STAGES[2] else {}
    stage = make(**settings)
    stage.prepare(SignalSpec(RATE_HZ, labels, kinds=("EOG", *["EEG"] * (n_channels - 1))))
    cleaned = run(stage, given, step=250).samples
    during = blinks(len(clean), [11.5]) > 0.2
    before = np.square((given - clean)[during][:, 1:]).sum()
    assert np.square((cleaned - clean)[during][:, 1:]).sum() < 0.4 * before


@each
def test_without_a_channel_near_the_eyes_the_settings_are_refused(make: Any) -> None:
    with pytest.raises(ConfigError, match="shows the eyes"):
        make().prepare(SignalSpec(RATE_HZ, ("Oz", "O1")))


@each
def test_frontal_electrodes_stand_in_for_eye_channels(make: Any) -> None:
    clean, given = recording()
    stage = make()
    stage.prepare(SignalSpec(RATE_HZ, ("Fp1", "Fz", "C3", "C4", "Pz", "Oz")))
    cleaned = run(stage, given).samples
    during = blinks(len(clean), AT_S[4:]) > 0.2
    for channels, most in ((slice(1, 3), 0.25), (slice(0, 1), 0.35)):
        before = np.square((given - clean)[during][:, channels]).sum()
        assert np.square((cleaned - clean)[during][:, channels]).sum() < most * before


def test_the_weights_are_those_of_least_squares() -> None:
    _, given = recording()
    stage = EogRegression(EogRegressionSettings(open_at=0))
    found = stage.fit(given, SPEC)
    telling = np.abs(given[:, 0]) > 3 * found["deviations"][0]
    expected = np.linalg.lstsq(given[telling][:, :1], given[telling], rcond=None)[0][0]
    np.testing.assert_allclose(found["weights"][0, 1:], expected[1:], rtol=1e-9)


def test_rls_finds_the_weights_that_least_squares_finds() -> None:
    _, given = recording()
    stage = RlsFilter(RlsSettings(taps=2, forgetting=1.0, sigma=1e-6, calibration_s=22))
    stage.prepare(SPEC)
    run(stage, given)
    n_seen = len(given) // stage.block_samples * stage.block_samples
    taps = np.column_stack([given[:, 0], np.concatenate([[0.0], given[:-1, 0]])])[:n_seen]
    expected = np.linalg.lstsq(taps, given[:n_seen, 1:], rcond=None)[0]
    np.testing.assert_allclose(stage._weights, expected, rtol=1e-4, atol=1e-6)


def test_rls_learns_nothing_from_a_flat_reference_and_goes_on_after_it() -> None:
    _, given = recording()
    given[2600:3000, 0] = 12.0
    stage = RlsFilter(RlsSettings(calibration_s=5))
    stage.prepare(SPEC)
    run(stage, given[:2750])
    frozen = stage._weights.copy()
    run(stage, given[2750:2990])
    np.testing.assert_array_equal(stage._weights, frozen)
    run(stage, given[2990:])
    assert not np.array_equal(stage._weights, frozen)
    assert 0.04 < stage.state()["frozen_share"] < 0.1


def test_rls_recovers_from_an_exploding_p() -> None:
    rng = np.random.default_rng(0)
    signal = brain(20, 6)
    signal[:, 0] = 3.0 + 1e-6 * rng.standard_normal(len(signal))
    stage = RlsFilter(RlsSettings(forgetting=0.9, flat_uv=0.0, calibration_s=1, open_at=0))
    stage.prepare(SPEC)
    cleaned = run(stage, signal).samples
    assert stage.state()["restarts"] > 0
    assert np.isfinite(cleaned).all()
    assert np.abs(cleaned[:, 1:]).max() < 10 * np.abs(signal[:, 1:]).max()


def test_the_wiener_filter_waits_for_blinks() -> None:
    clean, given = recording()
    stage = WienerFilter(WienerFilterSettings(calibration_s=5))
    with pytest.raises(NotFittedError, match="blink now and then"):
        stage.fit(clean, SPEC, np.zeros(len(clean), dtype=bool))
    stage.prepare(SPEC)
    quiet = np.clip(clean, -20, 20)
    run(stage, quiet[:1300])
    assert "blink" in stage.state()["calibration"]["problem"]
    run(stage, given)
    assert stage.state()["calibration"] == {"done": True}


@each
def test_a_calibration_given_beforehand_works_from_the_first_sample(make: Any) -> None:
    clean, given = recording()
    stage: BlockStage[Any] = make()
    stage.use(stage.fit(given, SPEC))
    stage.prepare(SPEC)
    cleaned = run(stage, given).samples
    during = blinks(len(clean), [4.5]) > 0.2
    before = np.square((given - clean)[during][:, 1:]).sum()
    assert np.square((cleaned - clean)[during][:, 1:]).sum() < 0.6 * before
