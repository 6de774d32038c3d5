"""The fit of clean amplitudes, and the choice of clean windows."""

from __future__ import annotations

import numpy as np
import pytest

from volition.decoders.artifacts.amplitudes import clean_samples, fit_amplitudes, window_rms


@pytest.mark.parametrize("share", [0.0, 0.1, 0.3])
def test_the_fit_tells_the_bulk_from_a_tail_of_artifacts(share: float) -> None:
    rng = np.random.default_rng(3)
    n_bad = round(2000 * share)
    values = np.concatenate([rng.normal(10, 1, 2000 - n_bad), rng.uniform(15, 60, n_bad)])
    mean, deviation = fit_amplitudes(values)
    assert mean == pytest.approx(10, abs=0.6)
    assert deviation == pytest.approx(1, abs=0.45)


def test_the_fit_is_that_of_meegkit() -> None:
    theirs = pytest.importorskip("meegkit.utils.asr", reason="needs the extra bench")
    rng = np.random.default_rng(0)
    for tail in (0, 60, 120):
        values = np.concatenate([rng.normal(10, 1, 500 - tail), rng.uniform(14, 40, tail)])
        mean, deviation, *_ = theirs.fit_eeg_distribution(values)
        assert fit_amplitudes(values) == pytest.approx((mean, deviation), rel=0.02)


def test_few_or_equal_values_are_fitted_by_their_median() -> None:
    assert fit_amplitudes(np.full(100, 3.0)) == (3.0, 0.0)
    assert fit_amplitudes(np.array([1.0, 2.0, 9.0]))[0] == 2.0


def test_windows_with_artifacts_do_not_calibrate() -> None:
    rng = np.random.default_rng(1)
    samples = 10 * rng.standard_normal((6000, 8))
    samples[2000:2400] *= 20
    samples[4000:4300] *= 0.001
    kept = clean_samples(samples, 100)
    assert not kept[2050:2350].any()
    assert not kept[4050:4250].any()
    assert kept[:1900].mean() > 0.95


def test_one_bad_channel_costs_no_window() -> None:
    rng = np.random.default_rng(2)
    samples = rng.standard_normal((3000, 8))
    samples[1000:1500, 0] *= 100
    assert clean_samples(samples, 100).mean() > 0.95


def test_something_is_kept_of_a_calibration_that_is_bad_throughout() -> None:
    rng = np.random.default_rng(4)
    samples = rng.standard_normal((1000, 2)) * np.geomspace(1, 1e5, 1000)[:, None]
    assert clean_samples(samples, 100).any()


def test_the_size_of_windows_is_their_root_mean_square() -> None:
    samples = np.random.default_rng(5).standard_normal((100, 3))
    rms = window_rms(samples, 20, 0.5)
    np.testing.assert_allclose(rms[1], np.sqrt(np.square(samples[10:30]).mean(axis=0)))
