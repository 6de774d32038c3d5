"""Canonical correlation from sums: the same number as by QR and SVD, and where it is known."""

from __future__ import annotations

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from volition.chunk import FloatArray
from volition.decoders.ssvep.scores.correlation import (
    Moments,
    ReferenceFactor,
    noise_edge,
    phases,
    references,
    squared_correlations,
    turn,
)

RATE_HZ = 256.0
FREQS_HZ = np.array([8.0, 13.0, 21.0])


def textbook(bands: FloatArray, radians: FloatArray) -> FloatArray:
    """Give rho^2 by QR of signal and references and the singular values of their product.

    Bjorck and Golub, Math. Comp. 27:579, 1973. Bands: (n_bands, n_channels, n_samples).
    """
    samples = np.arange(bands.shape[2])
    result = np.empty((len(bands), len(radians)))
    for row, band in enumerate(bands):
        signal, _ = np.linalg.qr((band - band.mean(axis=1, keepdims=True)).T)
        for column, harmonics in enumerate(radians):
            angles = samples[:, None] * harmonics
            waves = np.concatenate([np.sin(angles), np.cos(angles)], axis=1)
            basis, _ = np.linalg.qr(waves - waves.mean(axis=0))
            result[row, column] = np.linalg.svd(signal.T @ basis, compute_uv=False)[0] ** 2
    return result


def by_sums(bands: FloatArray, radians: FloatArray, start: int = 0) -> FloatArray:
    n_bands, n_channels, n_samples = bands.shape
    waves = references(radians, start, n_samples)
    moments = Moments(n_bands, n_channels, len(waves) - 1)
    moments.measure(bands, waves)
    return squared_correlations(
        moments, ReferenceFactor.of(radians, n_samples).starting_at(radians, start)
    )


@hypothesis.given(
    n_channels=st.integers(1, 12),
    n_samples=st.integers(60, 300),
    n_harmonics=st.integers(1, 5),
    start=st.integers(-1000, 1000),
    seed=st.integers(0, 1000),
)
def test_sums_give_what_the_textbook_gives(
    n_channels: int, n_samples: int, n_harmonics: int, start: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    mixing = np.eye(n_channels) + 0.3 * rng.standard_normal((n_channels, n_channels))
    hypothesis.assume(np.linalg.cond(mixing) < 30)
    bands = mixing @ rng.standard_normal((2, n_channels, n_samples)) + 3.0
    radians = phases(FREQS_HZ, n_harmonics, RATE_HZ)
    np.testing.assert_allclose(
        by_sums(bands, radians, start), textbook(bands, radians), rtol=0, atol=1e-9
    )


def test_a_pure_flicker_correlates_fully_and_another_not_at_all() -> None:
    # One second holds whole periods of each frequency, so they are orthogonal.
    times = np.arange(256) / RATE_HZ
    signal = np.sin(2 * np.pi * 13 * times + 0.7)[None, None]
    result = by_sums(signal, phases(FREQS_HZ, 2, RATE_HZ))
    np.testing.assert_allclose(result, [[0.0, 1.0, 0.0]], atol=1e-9)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_in_a_mixture_the_squared_correlation_is_the_share_of_power(share: float) -> None:
    times = np.arange(256) / RATE_HZ
    flicker = np.sqrt(share) * np.sin(2 * np.pi * 13 * times)
    other = np.sqrt(1 - share) * np.sin(2 * np.pi * 40 * times + 1)
    result = by_sums((flicker + other)[None, None], phases(FREQS_HZ, 2, RATE_HZ))
    assert result[0, 1] == pytest.approx(share, abs=1e-9)


def test_noise_common_to_two_channels_is_cancelled() -> None:
    times = np.arange(256) / RATE_HZ
    noise = 50 * np.random.default_rng(0).standard_normal(256)
    channels = np.stack([noise, noise + np.sin(2 * np.pi * 21 * times)])[None]
    assert by_sums(channels, phases(FREQS_HZ, 1, RATE_HZ))[0, 2] == pytest.approx(1.0, abs=1e-6)


def test_dependent_flat_and_silent_channels_change_nothing() -> None:
    rng = np.random.default_rng(3)
    good = rng.standard_normal((2, 3, 200))
    radians = phases(FREQS_HZ, 3, RATE_HZ)
    flat, silent = np.full((2, 1, 200), 1e3), np.zeros((2, 1, 200))
    doubled = np.concatenate([good, good[:, :1], good[:, 1:2] - good[:, 2:], flat, silent], axis=1)
    np.testing.assert_allclose(by_sums(doubled, radians), textbook(good, radians), atol=1e-6)


def test_a_silent_signal_correlates_with_nothing() -> None:
    np.testing.assert_array_equal(
        by_sums(np.zeros((2, 4, 200)), phases(FREQS_HZ, 2, RATE_HZ)), np.zeros((2, 3))
    )


def test_the_scale_of_a_channel_does_not_matter() -> None:
    bands = np.random.default_rng(5).standard_normal((1, 4, 200))
    radians = phases(FREQS_HZ, 2, RATE_HZ)
    scaled = bands * np.array([1e-6, 1.0, 1e6, 30.0])[:, None]
    np.testing.assert_allclose(by_sums(scaled, radians), by_sums(bands, radians), atol=1e-9)


def test_sums_of_pieces_add_up_whatever_their_origins_were() -> None:
    rng = np.random.default_rng(1)
    bands = rng.standard_normal((2, 3, 150))
    radians = phases(FREQS_HZ, 2, RATE_HZ)
    first, second = Moments(2, 3, 12), Moments(2, 3, 12)
    first.measure(bands[:, :, :100].copy(), references(radians, 0, 100))
    turn(first.cross, radians, 100)
    second.measure(bands[:, :, 100:].copy(), references(radians, 0, 50))
    second.flat += first.flat
    result = squared_correlations(
        second, ReferenceFactor.of(radians, 150).starting_at(radians, -100)
    )
    np.testing.assert_allclose(result, textbook(bands, radians), atol=1e-9)


@pytest.mark.parametrize(("n_channels", "n_references"), [(8, 4), (3, 10), (30, 10)])
def test_chance_correlations_stay_about_below_the_edge_of_noise(
    n_channels: int, n_references: int
) -> None:
    n_samples = 400
    radians = phases(np.array([13.0]), n_references // 2, RATE_HZ)
    noise = np.random.default_rng(0).standard_normal((500, n_channels, n_samples))
    ratio = by_sums(noise, radians)[:, 0] / noise_edge(n_channels, n_references, n_samples)
    assert 0.6 < np.median(ratio) < 1
    assert (ratio > 1.2).mean() < 0.05


def test_the_edge_of_noise_is_known_where_both_sides_are_equal() -> None:
    # p = q: (2 sqrt(p (1 - p)))^2
    assert noise_edge(10, 10, 100) == pytest.approx(4 * 0.1 * 0.9)
    assert noise_edge(10, 10, 20) == 1.0
    assert noise_edge(50, 10, 20) == 1.0
