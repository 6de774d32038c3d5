"""The adaptive notch: the hum goes, wherever it wanders, and its neighbourhood stays."""

from __future__ import annotations

import numpy as np
import pytest

from tests.decoders.stages.artifact_signals import RATE_HZ, brain, run, spec_of
from volition.chunk import FloatArray
from volition.decoders.stages.adaptive_notch import AdaptiveNotch, AdaptiveNotchSettings
from volition.errors import ConfigError


def hum(freq_hz: float, seconds: float, size_uv: float = 50.0) -> FloatArray:
    wave: FloatArray = size_uv * np.sin(
        2 * np.pi * freq_hz * np.arange(round(seconds * RATE_HZ)) / RATE_HZ + 1
    )
    return wave


@pytest.mark.parametrize("freq_hz", [49.8, 50.0, 50.15])
def test_the_hum_goes_whatever_its_frequency(freq_hz: float) -> None:
    clean = 0.1 * brain(40, 3)
    given = clean + hum(freq_hz, 40)[:, None] * [1.0, 0.3, -2.0]
    stage = AdaptiveNotch(AdaptiveNotchSettings())
    stage.prepare(spec_of(3))
    cleaned = run(stage, given).samples
    late = slice(30 * 250, None)
    assert np.square(cleaned[late] - clean[late]).sum() < 1e-3 * np.square(given[late]).sum()
    state = stage.state()
    assert state["freq_hz"] == pytest.approx(freq_hz, abs=0.02)
    assert state["hum_uv"][0] == pytest.approx(50 * 3.3 / 3, rel=0.1)


def test_harmonics_go_as_well() -> None:
    clean = 0.1 * brain(30, 1)
    given = clean + (hum(50.1, 30) + hum(100.2, 30, 20.0))[:, None]
    stage = AdaptiveNotch(AdaptiveNotchSettings(harmonics=5))
    stage.prepare(spec_of(1))
    cleaned = run(stage, given).samples
    late = slice(25 * 250, None)
    assert np.square(cleaned[late] - clean[late]).sum() < 2e-3 * np.square(given[late]).sum()


def test_its_width_is_that_of_its_settings() -> None:
    stage = AdaptiveNotch(AdaptiveNotchSettings(width_hz=1.0, track_hz=0.0))
    for away_hz, expected in ((0.5, np.sqrt(0.5)), (3.0, 1.0), (0.0, 0.0)):
        stage.prepare(spec_of(1))
        given = hum(50 + away_hz, 20)
        cleaned = run(stage, given[:, None]).samples[:, 0]
        assert cleaned[-1000:].std() / given[-1000:].std() == pytest.approx(expected, abs=0.03)


def test_without_hum_the_frequency_stays_near_the_nominal_one() -> None:
    stage = AdaptiveNotch(AdaptiveNotchSettings())
    stage.prepare(spec_of(2))
    signal = 0.01 * brain(20, 2)
    cleaned = run(stage, signal).samples
    assert abs(stage.state()["freq_hz"] - 50) <= 0.5
    assert np.square(cleaned - signal).sum() < 0.05 * np.square(signal).sum()


def test_a_gap_teaches_nothing() -> None:
    stage = AdaptiveNotch(AdaptiveNotchSettings(track_hz=0.0))
    stage.prepare(spec_of(1))
    given = hum(50, 12)[:, None].copy()
    given[2000:2500] = np.nan
    cleaned = run(stage, given).samples
    assert np.abs(cleaned[2500:2550]).max() < 0.5


def test_a_hum_above_half_the_rate_is_refused() -> None:
    with pytest.raises(ConfigError, match="freq_hz is 130"):
        AdaptiveNotch(AdaptiveNotchSettings(freq_hz=130)).prepare(spec_of(1))
