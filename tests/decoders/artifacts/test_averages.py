"""Averages of covariances, against closed forms and pyriemann where it is installed."""

from __future__ import annotations

import numpy as np
import pytest

from volition.chunk import FloatArray
from volition.decoders.artifacts.averages import (
    block_covariances,
    geodesic,
    geometric_median,
    lift,
    riemannian_distance,
    riemannian_mean,
    spectral,
)


def covariances(n: int, size: int, seed: int = 0) -> FloatArray:
    rng = np.random.default_rng(seed)
    mixing = rng.standard_normal((size, size))
    samples = rng.standard_normal((n, 4 * size, size)) @ mixing
    result: FloatArray = samples.transpose(0, 2, 1) @ samples / (4 * size)
    return result


def test_the_median_of_points_on_a_line_is_the_middle_one() -> None:
    points = np.array([[0.0], [1.0], [2.0], [50.0], [-3.0]])
    assert geometric_median(points, tolerance=1e-10, most=2000)[0] == pytest.approx(1.0, abs=1e-3)


def test_a_wild_covariance_moves_the_median_far_less_than_the_mean() -> None:
    clean = covariances(40, 4)
    wild = np.concatenate([clean, 1e4 * clean[:4]])
    moved = np.linalg.norm(geometric_median(wild) - geometric_median(clean))
    assert moved < 0.2 * np.linalg.norm(clean.mean(axis=0))
    assert np.linalg.norm(wild.mean(axis=0) - clean.mean(axis=0)) > 100 * moved


def test_the_riemannian_mean_of_two_is_the_middle_of_their_geodesic() -> None:
    first, second = covariances(2, 5)
    mean = riemannian_mean(np.array([first, second]))
    np.testing.assert_allclose(mean, geodesic(first, second, 0.5), rtol=1e-6)
    assert riemannian_distance(first, mean) == pytest.approx(riemannian_distance(mean, second))


def test_the_riemannian_mean_of_diagonals_is_their_geometric_mean() -> None:
    diagonals = np.array([[1.0, 4.0], [4.0, 1.0], [2.0, 16.0]])
    mean = riemannian_mean(np.array([np.diag(d) for d in diagonals]))
    np.testing.assert_allclose(np.diag(mean), np.exp(np.log(diagonals).mean(axis=0)), rtol=1e-8)


def test_the_riemannian_mean_does_not_hang_on_the_mixing_of_channels() -> None:
    given = covariances(12, 4)
    mixing = np.random.default_rng(1).standard_normal((4, 4))
    mixed = riemannian_mean(mixing @ given @ mixing.T)
    np.testing.assert_allclose(mixed, mixing @ riemannian_mean(given) @ mixing.T, rtol=1e-5)


def test_mean_and_distance_are_those_of_pyriemann() -> None:
    mean = pytest.importorskip("pyriemann.utils.mean", reason="needs the extra bench")
    distance = pytest.importorskip("pyriemann.utils.distance", reason="needs the extra bench")
    given = covariances(20, 6)
    np.testing.assert_allclose(riemannian_mean(given), mean.mean_riemann(given), rtol=1e-5)
    assert riemannian_distance(given[0], given[1]) == pytest.approx(
        float(distance.distance_riemann(given[0], given[1]))
    )


def test_powers_and_lifts_survive_a_matrix_without_full_rank() -> None:
    flat = np.diag([4.0, 1.0, 0.0])
    assert np.isfinite(spectral(flat, -0.5)).all()
    assert np.linalg.eigvalsh(lift(flat))[0] > 0
    assert np.isfinite(riemannian_mean(lift(np.array([flat, 2 * flat])))).all()
    assert np.linalg.eigvalsh(lift(np.zeros((2, 2))))[0] > 0


def test_blocks_are_averaged_whole_and_the_rest_is_dropped() -> None:
    samples = np.arange(14.0).reshape(7, 2)
    found = block_covariances(samples, 3)
    assert found.shape == (2, 2, 2)
    np.testing.assert_allclose(found[1], samples[3:6].T @ samples[3:6] / 3)
