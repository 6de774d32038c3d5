"""The repair, by its algebra."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import sosfreqz

from volition.chunk import FloatArray
from volition.decoders.artifacts.shape import shape_curve, shape_sections
from volition.decoders.artifacts.subspace import RepairFinder, Subspace, fit_subspace


def clean_signal(n_channels: int, seed: int = 0) -> FloatArray:
    rng = np.random.default_rng(seed)
    mixing = rng.standard_normal((n_channels, n_channels)) + 2 * np.eye(n_channels)
    signal: FloatArray = 5 * rng.standard_normal((6000, n_channels)) @ mixing
    return signal


both = pytest.mark.parametrize("riemannian", [False, True])


@both
def test_a_clean_window_needs_no_repair(riemannian: bool) -> None:
    signal = clean_signal(6)
    subspace = fit_subspace(signal, 250.0, riemannian=riemannian)
    window = signal[1000:1125]
    assert RepairFinder(subspace, 5.0, 4).find(window.T @ window / 125) is None


@both
def test_the_repair_removes_what_is_too_large_and_keeps_what_is_orthogonal(
    riemannian: bool,
) -> None:
    signal = clean_signal(6)
    subspace = fit_subspace(signal, 250.0, riemannian=riemannian)
    direction = np.array([1.0, 1.0, 0.0, 0.0, 0.0, 0.0])
    artifact = 2000 * np.sin(np.arange(125) / 9)[:, None] * direction
    window = signal[1000:1125] + artifact
    repair = RepairFinder(subspace, 5.0, 4).find(window.T @ window / 125)
    assert repair is not None
    assert repair.n_removed == 1
    residue = np.square(artifact @ repair.matrix.T).sum() / np.square(artifact).sum()
    assert residue < 1e-3
    # What is removed is a projection: repaired twice is repaired once.
    np.testing.assert_allclose(repair.matrix @ repair.matrix, repair.matrix, atol=1e-8)


@both
def test_the_quick_test_and_the_eigenvectors_agree(riemannian: bool) -> None:
    signal = clean_signal(5)
    subspace = fit_subspace(signal, 250.0, riemannian=riemannian)
    limits = subspace.limits(1.0)
    finder = RepairFinder(subspace, 1.0, 4)
    rng = np.random.default_rng(2)
    verdicts = set()
    for scale in np.geomspace(0.5, 3.0, 40):
        window = scale * signal[rng.integers(5000) :][:125]
        covariance = window.T @ window / 125
        whitened = subspace.to_white @ covariance @ subspace.to_white
        values, vectors = np.linalg.eigh(whitened)
        within = bool((values < np.einsum("ij,ik,kj->j", vectors, limits, vectors)).all())
        definite = bool((np.linalg.eigvalsh(limits - whitened) > 0).all())
        repair = finder.find(covariance)
        assert (repair is None) == (definite or within)
        verdicts.add(repair is None)
    assert verdicts == {True, False}


@both
@pytest.mark.parametrize("max_removed", [1, 3, 5])
def test_the_repair_is_the_published_pseudoinverse(riemannian: bool, max_removed: int) -> None:
    """R = M (Kᵀ M)⁺ Kᵀ, of all the eigenvectors and by singular values (Mullen et al. 2015)."""
    signal = clean_signal(6)
    subspace = fit_subspace(signal, 250.0, riemannian=riemannian)
    limits = subspace.limits(3.0)
    finder = RepairFinder(subspace, 3.0, max_removed)
    rng = np.random.default_rng(3)
    counts = set()
    for height in np.geomspace(20, 5000, 20):
        window = signal[rng.integers(5000) :][:125].copy()
        window += height * rng.standard_normal((125, 2)) @ rng.standard_normal((2, 6))
        repair = finder.find(window.T @ window / 125)
        whitened = subspace.to_white @ (window.T @ window / 125) @ subspace.to_white
        values, vectors = np.linalg.eigh(whitened)
        keep = values < np.einsum("ij,ik,kj->j", vectors, limits, vectors)
        keep[: 6 - max_removed] = True
        kept, mixing = vectors[:, keep], subspace.mixing
        expected = mixing @ np.linalg.pinv(kept.T @ mixing) @ kept.T
        expected = subspace.from_white @ expected @ subspace.to_white
        if repair is None:
            assert keep.all()
            continue
        counts.add(repair.n_removed)
        assert repair.n_removed == (~keep).sum()
        np.testing.assert_allclose(repair.matrix, expected, atol=1e-6 * np.abs(expected).max())
    assert counts
    assert max(counts) <= max_removed


@both
def test_an_average_reference_is_no_artifact_and_crashes_nothing(riemannian: bool) -> None:
    signal = clean_signal(6)
    signal -= signal.mean(axis=1, keepdims=True)
    subspace = fit_subspace(signal, 250.0, riemannian=riemannian)
    window = signal[500:625].copy()
    finder = RepairFinder(subspace, 5.0, 4)
    assert finder.find(window.T @ window / 125) is None
    artifact = 3000 * np.array([1.0, -1, 0, 0, 0, 0])
    window += np.sin(np.arange(125) / 5)[:, None] * artifact
    repair = finder.find(window.T @ window / 125)
    assert repair is not None
    assert np.isfinite(repair.matrix).all()
    assert np.linalg.norm(repair.matrix @ artifact) < 0.05 * np.linalg.norm(artifact)


def test_a_calibration_is_kept_as_plain_data() -> None:
    subspace = fit_subspace(clean_signal(3), 250.0)
    again = Subspace.from_arrays(subspace.to_arrays())
    np.testing.assert_array_equal(again.limits(7.0), subspace.limits(7.0))


@pytest.mark.parametrize("rate_hz", [100.0, 128.0, 250.0, 512.0, 1000.0])
def test_the_shape_filter_is_stable_and_follows_its_curve(rate_hz: float) -> None:
    sections = shape_sections(rate_hz)
    for section in sections:
        assert np.abs(np.roots(section[3:])).max() < 1
    freqs_hz, gains = shape_curve(rate_hz)
    grid_hz = np.linspace(0.5, 0.95 * rate_hz / 2, 300)
    found = np.abs(sosfreqz(sections, grid_hz, fs=rate_hz)[1])
    error_db = 20 * np.log10(found / np.interp(grid_hz, freqs_hz, gains))
    assert np.median(np.abs(error_db)) < 2
