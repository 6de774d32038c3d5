"""Changing the rate: the signal stays, later by what is said, and nothing is folded into it."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.signal import firwin, upfirdn

from volition.chunk import Chunk, FloatArray, SignalSpec
from volition.decoders.stages.resample import Resample, ResampleSettings
from volition.errors import ConfigError

RATES = [(1000.0, 250.0), (256.0, 250.0), (250.0, 256.0), (100.0, 300.0), (1000.0, 600.0)]


def run(
    samples: FloatArray, rate_in_hz: float, settings: ResampleSettings
) -> tuple[Resample, Chunk]:
    stage = Resample(settings)
    spec = stage.prepare(SignalSpec(rate_in_hz, ("Oz",)))
    assert spec.rate_hz == settings.rate_hz
    return stage, stage.process(Chunk(samples[:, None], 7.0 + np.arange(len(samples)) / rate_in_hz))


@pytest.mark.parametrize(("rate_in_hz", "rate_out_hz"), RATES)
def test_the_times_are_those_of_the_new_rate(rate_in_hz: float, rate_out_hz: float) -> None:
    _, result = run(np.zeros(1000), rate_in_hz, ResampleSettings(rate_hz=rate_out_hz))
    np.testing.assert_allclose(
        result.times, 7.0 + np.arange(len(result)) / rate_out_hz, rtol=0, atol=1e-9
    )
    assert len(result) == pytest.approx(1000 * rate_out_hz / rate_in_hz, abs=1)


@pytest.mark.parametrize(("rate_in_hz", "rate_out_hz"), RATES)
def test_a_slow_sine_comes_out_as_itself_later_by_the_group_delay(
    rate_in_hz: float, rate_out_hz: float
) -> None:
    sine = np.sin(2 * np.pi * 5 * np.arange(1000) / rate_in_hz)
    stage, result = run(sine, rate_in_hz, ResampleSettings(rate_hz=rate_out_hz))
    settled = result.times > 7.0 + 2 * stage.group_delay_s
    expected = np.sin(2 * np.pi * 5 * (result.times - 7.0 - stage.group_delay_s))
    np.testing.assert_allclose(result.samples[settled, 0], expected[settled], atol=3e-3)


@pytest.mark.parametrize(("rate_in_hz", "rate_out_hz"), RATES)
def test_it_is_the_polyphase_filter_that_scipy_makes(rate_in_hz: float, rate_out_hz: float) -> None:
    signal = np.random.default_rng(0).standard_normal(800)
    stage, result = run(signal, rate_in_hz, ResampleSettings(rate_hz=rate_out_hz))
    up, down = stage._up, stage._down
    longest = max(up, down)
    low_pass = up * firwin(2 * 10 * longest + 1, 1 / longest, window=("kaiser", 5.0))
    expected = upfirdn(low_pass, signal, up, down)[: len(result)]
    settled = result.times > 7.0 + 2 * stage.group_delay_s + 1 / rate_in_hz
    # Each phase is brought to gain 1, which the design meets to some 1e-3.
    np.testing.assert_allclose(result.samples[settled, 0], expected[settled], atol=5e-3)


def test_what_the_new_rate_cannot_hold_is_not_folded_back() -> None:
    sine = np.sin(2 * np.pi * 230 * np.arange(4000) / 1000)
    _, result = run(sine, 1000.0, ResampleSettings(rate_hz=250.0))
    assert np.abs(result.samples[100:]).max() < 2e-3


def test_a_constant_stays_what_it_is_from_the_first_sample() -> None:
    _, result = run(np.full(500, 1e5), 256.0, ResampleSettings(rate_hz=250.0))
    np.testing.assert_allclose(result.samples, 1e5, rtol=1e-12)


def test_the_rate_that_it_has_is_no_filter() -> None:
    signal = np.random.default_rng(0).standard_normal(100)
    stage, result = run(signal, 256.0, ResampleSettings(rate_hz=256.0))
    assert stage.group_delay_s == 0
    np.testing.assert_array_equal(result.samples[:, 0], signal)


def test_one_missing_sample_between_two_outputs_is_missed_in_the_later() -> None:
    signal = np.zeros(100)
    signal[42] = np.nan
    _, result = run(signal, 1000.0, ResampleSettings(rate_hz=250.0))
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(result.samples[:, 0])), [11])


@given(st.integers(12_500, 37_500).map(lambda hundredths: hundredths / 100))
@example(229.93)
@example(243.37)
@example(249.81)
@example(250.03)
@settings(max_examples=15)
def test_a_rate_as_it_was_measured_is_resampled_or_the_nearest_that_can_be_is_told(
    rate_in_hz: float,
) -> None:
    try:
        Resample(ResampleSettings(rate_hz=250.0)).prepare(SignalSpec(rate_in_hz, ("Oz",)))
    except ConfigError as error:
        told = re.search(r"of ([0-9.]+) Hz it is", error.message)
        assert told is not None
        nearest_hz = float(told[1])
        assert nearest_hz == pytest.approx(rate_in_hz, rel=2e-4)
        rate_in_hz = nearest_hz
    sine = np.sin(2 * np.pi * 5 * np.arange(500) / rate_in_hz)
    stage, result = run(sine, rate_in_hz, ResampleSettings(rate_hz=250.0))
    settled = result.times > 7.0 + 2 * stage.group_delay_s
    expected = np.sin(2 * np.pi * 5 * (result.times - 7.0 - stage.group_delay_s))
    np.testing.assert_allclose(result.samples[settled, 0], expected[settled], atol=5e-3)
    assert np.diff(result.times) == pytest.approx(1 / 250, rel=1e-5)


@pytest.mark.parametrize(("rate_in_hz", "rate_out_hz"), [(30_000.0, 50.0), (1.0, 600.0)])
def test_a_step_of_more_than_512_times_is_refused(rate_in_hz: float, rate_out_hz: float) -> None:
    stage = Resample(ResampleSettings(rate_hz=rate_out_hz))
    with pytest.raises(ConfigError, match="more than 512 times; do it in two stages"):
        stage.prepare(SignalSpec(rate_in_hz, ("Oz",)))


def test_a_ratio_of_large_numbers_is_refused() -> None:
    stage = Resample(ResampleSettings(rate_hz=np.pi))
    with pytest.raises(ConfigError, match="whole numbers"):
        stage.prepare(SignalSpec(256.0, ("Oz",)))
