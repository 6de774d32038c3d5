"""What the stages that make features compute; the battery holds them to everything else."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pydantic
import pytest

from volition.chunk import Chunk, FloatArray, SignalSpec
from volition.decoders.contract.stage import Stage
from volition.decoders.stages.band_power import BandPower, BandPowerSettings
from volition.decoders.stages.saturate import Saturate, SaturateSettings
from volition.decoders.stages.spike_counts import SpikeCounts, SpikeCountsSettings
from volition.decoders.stages.threshold_crossings import (
    ThresholdCrossings,
    ThresholdCrossingsSettings,
)
from volition.decoders.stages.zscore import ZScore, ZScoreSettings
from volition.errors import ConfigError


def run(
    stage: Stage[Any], samples: FloatArray, times: FloatArray | None = None, rate_hz: float = 1000.0
) -> Chunk:
    labels = tuple(f"c{number}" for number in range(samples.shape[1]))
    stage.prepare(SignalSpec(rate_hz, labels))
    if times is None:
        times = np.arange(float(len(samples))) / rate_hz
    return stage.process(Chunk(samples.copy(), times))


NOISE = np.random.default_rng(0).standard_normal((2000, 3)) * [1.0, 10.0, 100.0]


def test_band_power_is_the_mean_square_of_each_bin() -> None:
    expected = (NOISE.reshape(100, 20, 3) ** 2).mean(axis=1)
    scales = {"power": expected, "amplitude": np.sqrt(expected), "log": np.log(expected)}
    for scale, values in scales.items():
        settings = BandPowerSettings.model_validate({"bin_s": 0.02, "scale": scale})
        result = run(BandPower(settings), NOISE)
        np.testing.assert_allclose(result.samples, values)
        np.testing.assert_allclose(result.times, np.arange(19, 2000, 20) / 1000)


def test_the_logarithm_of_a_flat_channel_is_a_number() -> None:
    settings = BandPowerSettings(bin_s=0.02, scale="log")
    assert np.isfinite(run(BandPower(settings), np.zeros((40, 2))).samples).all()


def test_a_bin_without_a_sample_is_refused_with_the_shortest_allowed() -> None:
    with pytest.raises(ConfigError, match=r"at least 0\.001"):
        run(BandPower(BandPowerSettings(bin_s=0.0001)), NOISE)


def crossings_by_hand(signal: FloatArray, threshold: float) -> int:
    count = 0
    for before, now in itertools.pairwise(signal):
        count += bool(now < threshold and not before < threshold)
    return count


def test_crossings_are_counted_once_a_dip_and_across_the_edges_of_bins() -> None:
    settings = ThresholdCrossingsSettings(bin_s=0.007, threshold=-12.0)
    counts = run(ThresholdCrossings(settings), NOISE).samples
    whole = len(counts) * 7
    by_hand = [crossings_by_hand(channel[:whole], -12.0) for channel in NOISE.T]
    assert counts.sum(axis=0).tolist() == by_hand
    assert by_hand[2] > 200


def test_a_threshold_in_rms_suits_channels_of_any_size() -> None:
    noise = np.random.default_rng(1).standard_normal((30_000, 3)) * [1.0, 10.0, 1000.0]
    noise[::500] -= 8 * np.array([1.0, 10.0, 1000.0])  # a spike each half second
    settings = ThresholdCrossingsSettings(bin_s=0.02, rms_factor=-4.0)
    counts = run(ThresholdCrossings(settings), noise).samples
    np.testing.assert_allclose(counts[50:].sum(axis=0), 58, atol=3)


def test_a_spike_after_a_missing_stretch_is_not_made_up() -> None:
    signal = np.full((40, 1), -5.0)
    signal[10:20] = np.nan
    settings = ThresholdCrossingsSettings(bin_s=0.01, threshold=-1.0)
    counts = run(ThresholdCrossings(settings), signal).samples[:, 0]
    assert counts.tolist()[0] == 0
    assert np.isnan(counts[1])
    assert counts.tolist()[2:] == [0, 0]


def test_events_are_binned_by_their_time_stamps_and_an_empty_bin_is_a_bin() -> None:
    times = np.array([10.01, 10.02, 10.19, 10.52, 10.61])
    units = np.array([[3.0], [5.0], [3.0], [9.0], [3.0]])
    stage = SpikeCounts(SpikeCountsSettings(bin_s=0.1, units=[3, 5]))
    spec = stage.prepare(SignalSpec(0.0, ("spike",)))
    assert (spec.rate_hz, spec.labels) == (10.0, ("unit3", "unit5"))
    result = stage.process(Chunk(units, times))
    np.testing.assert_allclose(result.times, [10.1, 10.2, 10.3, 10.4, 10.5, 10.6])
    assert result.samples.tolist() == [[1, 1], [1, 0], [0, 0], [0, 0], [0, 0], [0, 0]]


def test_events_come_to_the_same_bins_one_by_one() -> None:
    random = np.random.default_rng(0)
    times = np.cumsum(random.exponential(0.01, 500))
    counts = random.poisson(1.0, (500, 2)).astype(float)
    whole = run(SpikeCounts(SpikeCountsSettings(bin_s=0.05)), counts, times, 0.0)
    stage = SpikeCounts(SpikeCountsSettings(bin_s=0.05))
    stage.prepare(SignalSpec(0.0, ("a", "b")))
    pieces = [
        stage.process(Chunk(one[None], np.array([time])))
        for one, time in zip(counts, times, strict=True)
    ]
    np.testing.assert_array_equal(np.concatenate([p.samples for p in pieces]), whole.samples)
    closed = times < whole.times[-1]
    np.testing.assert_array_equal(whole.samples.sum(axis=0), counts[closed].sum(axis=0))


def test_an_unknown_spike_makes_its_bin_unknown() -> None:
    stage = SpikeCounts(SpikeCountsSettings(bin_s=1.0, units=[1]))
    result = run(stage, np.array([[1.0], [np.nan], [1.0], [1.0]]), np.array([0.1, 1.2, 2.1, 3.5]))
    assert np.isnan(result.samples[:, 0]).tolist() == [False, True, False]


def test_a_break_of_hours_is_not_filled_with_empty_bins() -> None:
    stage = SpikeCounts(SpikeCountsSettings(bin_s=0.1, longest_silence_s=5.0))
    result = run(stage, np.ones((3, 1)), np.array([0.05, 90_000.05, 90_000.15]))
    assert result.times == pytest.approx([0.1, 90_000.1])


def test_units_need_a_stream_of_one_channel() -> None:
    with pytest.raises(ConfigError, match="one channel"):
        run(SpikeCounts(SpikeCountsSettings(bin_s=0.1, units=[1, 2])), NOISE)


def test_running_z_scores_are_those_of_all_samples_before_the_time_constant() -> None:
    scores = run(ZScore(ZScoreSettings(time_s=1e6)), NOISE).samples
    for n in (10, 500, 2000):
        seen = NOISE[:n]
        expected = (seen[-1] - seen.mean(axis=0)) / seen.std(axis=0)
        np.testing.assert_allclose(scores[n - 1], expected, atol=1e-6)


def test_running_statistics_follow_a_signal_that_drifts_away() -> None:
    signal = np.random.default_rng(0).standard_normal((20_000, 1))
    signal[10_000:] = 50 + 3 * signal[10_000:]
    scores = run(ZScore(ZScoreSettings(time_s=0.5)), signal).samples[-3000:]
    assert abs(scores.mean()) < 0.15
    assert scores.std() == pytest.approx(1.0, abs=0.1)


def test_missing_samples_leave_running_statistics_as_they_were() -> None:
    with_gap = np.insert(NOISE, 100, np.full((50, 3), np.nan), axis=0)
    scores = run(ZScore(ZScoreSettings(time_s=0.3)), with_gap).samples
    plain = run(ZScore(ZScoreSettings(time_s=0.3)), NOISE).samples
    np.testing.assert_array_equal(np.delete(scores, slice(100, 150), axis=0), plain)
    assert np.isnan(scores[100:150]).all()


def test_given_statistics_are_used_as_given_and_clipped() -> None:
    settings = ZScoreSettings(mean=[1.0, 0.0, -1.0], scale=[2.0, 1.0, 10.0], limit=1.5)
    expected = np.clip((NOISE - [1, 0, -1]) / [2, 1, 10], -1.5, 1.5)
    np.testing.assert_allclose(run(ZScore(settings), NOISE).samples, expected)
    with pytest.raises(ConfigError, match="3 means"):
        run(ZScore(settings), NOISE[:, :2])


@pytest.mark.parametrize(
    "given", [{"mean": [1.0]}, {"mean": [1.0], "scale": [1.0, 2.0]}, {"mean": [1.0], "scale": [0]}]
)
def test_statistics_that_do_not_fit_each_other_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(pydantic.ValidationError):
        ZScoreSettings.model_validate(given)


def test_saturation_clips_and_leaves_missing_samples_missing() -> None:
    signal = np.array([[1.0, -9.0], [np.nan, 3.0]])
    result = run(Saturate(SaturateSettings(limit=2.0)), signal).samples
    np.testing.assert_array_equal(result, [[1.0, -2.0], [np.nan, 2.0]])
