"""Band-pass, high-pass, low-pass, notch: what they pass, what they stop, what they refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from volition.chunk import Chunk, SignalSpec
from volition.decoders.stages.bandpass import Bandpass, BandpassSettings
from volition.decoders.stages.highpass import Highpass, HighpassSettings
from volition.decoders.stages.lowpass import Lowpass, LowpassSettings
from volition.decoders.stages.notch import Notch, NotchSettings
from volition.errors import ConfigError

RATE_HZ = 256.0
HALF_POWER = 1 / np.sqrt(2)


def gain(stage: Any, freq_hz: float) -> float:
    """Measure a stage's gain: a sine in, the amplitude of what comes out when it has settled."""
    stage.prepare(SignalSpec(RATE_HZ, ("Oz",)))
    times = np.arange(8 * 256) / RATE_HZ
    sine = np.sin(2 * np.pi * freq_hz * times)[:, None]
    settled = stage.process(Chunk(sine, times)).samples[-1024:, 0]
    wave = np.exp(2j * np.pi * freq_hz * times[-1024:])
    return float(2 * np.abs(settled @ wave) / 1024)


@pytest.mark.parametrize(
    ("freq_hz", "expected"),
    [(2, 0.0), (8, HALF_POWER), (15, 1.0), (30, HALF_POWER), (100, 0.0)],
)
def test_a_bandpass_passes_its_band(freq_hz: float, expected: float) -> None:
    stage = Bandpass(BandpassSettings(low_hz=8, high_hz=30, order=4))
    assert gain(stage, freq_hz) == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize(("freq_hz", "expected"), [(1, 0.0), (10, HALF_POWER), (60, 1.0)])
def test_a_highpass_passes_what_is_above(freq_hz: float, expected: float) -> None:
    stage = Highpass(HighpassSettings(cutoff_hz=10, order=4))
    assert gain(stage, freq_hz) == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize(("freq_hz", "expected"), [(1, 1.0), (10, HALF_POWER), (60, 0.0)])
def test_a_lowpass_passes_what_is_below(freq_hz: float, expected: float) -> None:
    stage = Lowpass(LowpassSettings(cutoff_hz=10))
    assert gain(stage, freq_hz) == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize(
    ("freq_hz", "expected"),
    [(20, 1.0), (50, 0.0), (50 - 50 / 60, HALF_POWER), (75, 1.0), (100, 0.0)],
)
def test_a_notch_stops_the_hum_and_its_harmonics(freq_hz: float, expected: float) -> None:
    assert gain(Notch(NotchSettings(harmonics=5)), freq_hz) == pytest.approx(expected, abs=0.02)


def test_a_band_that_the_rate_cannot_hold_is_refused_with_what_is_allowed() -> None:
    stage = Bandpass(BandpassSettings(low_hz=5, high_hz=130))
    with pytest.raises(ConfigError, match=r"high_hz is 130 Hz.*half the rate, 128 Hz"):
        stage.prepare(SignalSpec(RATE_HZ, ("Oz",)))


@pytest.mark.parametrize(
    "stage",
    [
        Highpass(HighpassSettings(cutoff_hz=200)),
        Lowpass(LowpassSettings(cutoff_hz=128)),
        Notch(NotchSettings(freq_hz=150)),
    ],
)
def test_a_cutoff_above_half_the_rate_is_refused(stage: Any) -> None:
    with pytest.raises(ConfigError, match="128 Hz"):
        stage.prepare(SignalSpec(RATE_HZ, ("Oz",)))


def test_a_filter_refuses_a_signal_without_a_rate() -> None:
    with pytest.raises(ConfigError, match="regularly sampled"):
        Lowpass(LowpassSettings(cutoff_hz=10)).prepare(SignalSpec(0.0, ("Oz",)))


def test_a_band_upside_down_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"low_hz \(40\) must be below high_hz \(5\)"):
        BandpassSettings(low_hz=40, high_hz=5)
