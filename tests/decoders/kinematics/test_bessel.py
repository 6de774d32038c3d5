from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.signal import bessel, sosfiltfilt

from volition.chunk import Chunk, FloatArray, SignalSpec
from volition.decoders.contract.intent import CursorIntent, IdleIntent, Intent
from volition.decoders.kinematics import metrics
from volition.decoders.kinematics.bessel import BesselBlock, BesselSettings
from volition.decoders.kinematics.methods.wiener import WienerDecoder, WienerSettings
from volition.errors import ConfigError

BIN_S = 0.004
N_BINS = 32
LOW = BesselSettings()
HIGH = BesselSettings(variant="high-accuracy")


def movement(n_bins: int, noise: float, seed: int = 0) -> tuple[FloatArray, FloatArray]:
    random = np.random.default_rng(seed)
    times = BIN_S * np.arange(n_bins)
    true = np.column_stack([np.sin(2 * np.pi * f * times) for f in (0.9, 1.3)])
    return true, true + noise * random.standard_normal(true.shape)


def filtered(settings: BesselSettings, velocities: FloatArray) -> tuple[FloatArray, list[float]]:
    block = BesselBlock(settings, BIN_S, velocities.shape[1])
    given = [block.push(velocity) for velocity in velocities]
    return np.array([one for one, _ in given]), [delay for _, delay in given]


@pytest.mark.parametrize(("settings", "behind"), [(LOW, 0), (HIGH, N_BINS // 2)])
def test_each_value_is_that_of_scipys_filter_run_both_ways_over_the_newest_block(
    settings: BesselSettings, behind: int
) -> None:
    _, noisy = movement(100, 0.5)
    found, delays = filtered(settings, noisy)
    sos = bessel(4, 5.0, fs=1 / BIN_S, norm="phase", output="sos")
    for newest in (N_BINS - 1, 57, 99):
        block = noisy[newest - N_BINS + 1 : newest + 1]
        both_ways = sosfiltfilt(sos, block, axis=0, padlen=15)
        assert_allclose(found[newest], both_ways[N_BINS - 1 - behind], atol=1e-12)
        assert delays[newest] == pytest.approx(behind * BIN_S)
    assert delays[0] == 0.0


def test_it_takes_out_noise_and_is_late_by_no_more_than_it_says() -> None:
    true, noisy = movement(2000, 0.5)
    settled = slice(N_BINS, None)
    errors = {}
    for settings, behind in ((LOW, 0), (HIGH, N_BINS // 2)):
        found, _ = filtered(settings, noisy)
        then = true[N_BINS - behind : len(true) - behind]
        errors[settings.variant] = metrics.nrmse(then, found[settled])
    raw = metrics.nrmse(true[settled], noisy[settled])
    assert errors["low-latency"] < 0.8 * raw
    assert errors["high-accuracy"] < 0.5 * raw


def decoder(bessel: BesselSettings | None, rate_hz: float = 1 / BIN_S) -> WienerDecoder:
    true, noisy = movement(500, 0.5)
    settings = WienerSettings.model_validate({"features": {}, "bessel": bessel})
    made = WienerDecoder(settings, WienerDecoder.fit(settings, noisy, true))
    made.prepare(SignalSpec(rate_hz, ("a", "b")))
    return made


def intents(made: WienerDecoder, features: FloatArray) -> list[Intent]:
    times: FloatArray = BIN_S * np.arange(1.0, len(features) + 1)
    return made.decode(Chunk(features.copy(), times), [])


def test_a_decoders_intents_say_how_far_behind_they_are() -> None:
    _, noisy = movement(80, 0.5)
    plain = intents(decoder(None), noisy)
    smooth = intents(decoder(HIGH), noisy)
    velocities = np.array([one.velocity for one in plain if isinstance(one, CursorIntent)])
    expected, _ = filtered(HIGH, velocities)
    found = [one for one in smooth if isinstance(one, CursorIntent)]
    assert_allclose([one.velocity for one in found], expected, atol=1e-12)
    assert found[-1].delay_s == pytest.approx(0.064)
    assert all(one.delay_s == 0.0 for one in plain if isinstance(one, CursorIntent))


def test_a_block_does_not_reach_over_a_missing_bin() -> None:
    _, noisy = movement(80, 0.5)
    noisy[40] = np.nan
    smooth = intents(decoder(LOW), noisy)
    assert isinstance(smooth[40], IdleIntent)
    alone = intents(decoder(LOW), noisy[41:])
    after = [one for one in smooth[41:] if isinstance(one, CursorIntent)]
    fresh = [one for one in alone if isinstance(one, CursorIntent)]
    assert_allclose([one.velocity for one in after], [one.velocity for one in fresh], atol=1e-12)


def test_bins_too_long_for_the_block_or_the_cut_off_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"block_s of 0\.128 s holds 3 bins"):
        decoder(LOW, rate_hz=20.0)
    with pytest.raises(ConfigError, match="cutoff_hz must lie below 5 Hz"):
        decoder(BesselSettings(block_s=1.0), rate_hz=10.0)
