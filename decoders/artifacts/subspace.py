"""Artifact subspace reconstruction: what is too large for clean data is rebuilt from the rest.

A calibration gives the mixing matrix M, the square root of the clean covariance's robust average,
and thresholds T for the amplitude along each of M's eigenvectors. A window's covariance is then
split into components; one that is larger than T allows in its direction is removed, and its share
of the signal is rebuilt from the components that remain, by the correlations that M knows (Mullen
et al., IEEE Trans. Biomed. Eng. 62:2553, 2015).

The Riemannian variant averages by the Riemannian mean U, and splits a window's covariance C in the
tangent space at U, as Blum et al. (Front. Hum. Neurosci. 13:141, 2019) split it on the manifold:
log of U^-1/2 C U^-1/2 has the eigenvectors of that matrix itself. It is the same algorithm in
coordinates in which clean data is white, and so does not depend on reference, gains or mixing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import scipy

from volition.chunk import FloatArray
from volition.decoders.artifacts.amplitudes import fit_amplitudes, window_rms_steps
from volition.decoders.artifacts.averages import (
    block_covariances_steps,
    geometric_median_steps,
    lift,
    riemannian_mean_steps,
    spectral,
)
from volition.decoders.artifacts.steps import Steps, finish

#: Directions with less than this share of the largest variance hold no signal (an average
#: reference leaves one); they are never removed.
NO_SIGNAL = 1e-10
#: Most blocks that are averaged: what more of them would change is below what they say.
MOST_BLOCKS = 1500


@dataclass(frozen=True, slots=True, eq=False)
class Subspace:
    """What a calibration knows of clean data.

    Attributes
    ----------
    mixing : ndarray, shape (n_channels, n_channels)
        M, symmetric.
    directions : ndarray, shape (n_channels, n_channels)
        Eigenvectors of M, in columns.
    means, deviations : ndarray, shape (n_channels,)
        Mean and deviation of the amplitude (root mean square of a window) along each direction.
    to_white, from_white : ndarray, shape (n_channels, n_channels)
        To the coordinates that all the others are given in, and back; the identity but for the
        Riemannian variant.
    """

    mixing: FloatArray
    directions: FloatArray
    means: FloatArray
    deviations: FloatArray
    to_white: FloatArray
    from_white: FloatArray

    @property
    def is_white(self) -> bool:
        """Whether the coordinates are other than the channels (the Riemannian variant)."""
        return not np.array_equal(self.to_white, np.eye(len(self.to_white)))

    def limits(self, cutoff: float) -> FloatArray:
        """Give TᵀT for a cutoff in deviations: a quadratic form, largest clean variance."""
        reach = self.means + cutoff * self.deviations
        form: FloatArray = (self.directions * reach**2) @ self.directions.T
        return form

    def to_arrays(self) -> dict[str, FloatArray]:
        """Give plain data that `from_arrays` reads and `numpy.savez` keeps."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, FloatArray]) -> Subspace:
        """Take what `to_arrays` gave."""
        return cls(**{name: np.asarray(arrays[name], dtype=np.float64) for name in cls.__slots__})


def fit_subspace(
    shaped: FloatArray, rate_hz: float, *, window_s: float = 0.5, riemannian: bool = False
) -> Subspace:
    """Learn clean data.

    Parameters
    ----------
    shaped : ndarray, shape (n_samples, n_channels)
        Clean samples after the shape filter.
    rate_hz
        Their rate.
    window_s
        Length of the windows whose amplitudes make the thresholds.
    riemannian
        Average covariances by the Riemannian mean instead of the geometric median.
    """
    return finish(fit_subspace_steps(shaped, rate_hz, window_s=window_s, riemannian=riemannian))


def fit_subspace_steps(
    shaped: FloatArray, rate_hz: float, *, window_s: float = 0.5, riemannian: bool = False
) -> Steps[Subspace]:
    """Do as `fit_subspace`, in steps."""
    n_samples, n_channels = shaped.shape
    to_white = from_white = np.eye(n_channels)
    # Short blocks make the median robust; a Riemannian mean needs blocks of nearly full rank.
    block = max(10, n_samples // MOST_BLOCKS)
    if riemannian:
        block = min(n_samples, max(block, round(window_s * rate_hz), 2 * n_channels))
        covariances = lift((yield from block_covariances_steps(shaped, block)))
        middle = yield from riemannian_mean_steps(covariances, tolerance=1e-6)
        to_white, from_white = spectral(middle, -0.5), spectral(middle, 0.5)
        shaped = shaped @ to_white
        mixing = np.eye(n_channels)
        # Any axes would do but for a direction without signal, which must be one of them.
        _, directions = np.linalg.eigh(middle)
    else:
        covariances = yield from block_covariances_steps(shaped, min(block, n_samples))
        middle = yield from geometric_median_steps(covariances)
        mixing = spectral(middle, 0.5)
        mixing = (mixing + mixing.T) / 2
        _, directions = np.linalg.eigh(mixing)
    yield
    turned = shaped @ directions
    yield
    amplitudes = yield from window_rms_steps(turned, round(window_s * rate_hz), 0.66)
    fits = np.empty((n_channels, 2))
    for direction, values in enumerate(amplitudes.T):
        fits[direction] = fit_amplitudes(values)
        yield
    return Subspace(mixing, directions, fits[:, 0], fits[:, 1], to_white, from_white)


@dataclass(frozen=True, slots=True, eq=False)
class Repair:
    """How to rebuild a signal: ``matrix`` (n_channels, n_channels), ``n_removed`` components."""

    matrix: FloatArray
    n_removed: int


class RepairFinder:
    """Decides on windows by their covariances, by what a calibration knows.

    Parameters
    ----------
    subspace
        The calibration.
    cutoff
        Deviations above clean amplitudes from which on a component is removed.
    max_removed
        Most components that are removed, the largest.

    Notes
    -----
    For the components K that stay and U that go, and the clean covariance S = MM, a signal is
    rebuilt as

        M (Kᵀ M)⁺ Kᵀ = S K (Kᵀ S K)⁻¹ Kᵀ = I - U (Uᵀ S⁻¹ U)⁻¹ Uᵀ S⁻¹,

    by the inverse of a matrix in blocks. The right side needs S⁻¹ once and for all, and of a
    window's components only the few that go.
    """

    def __init__(self, subspace: Subspace, cutoff: float, max_removed: int) -> None:
        self._limits = subspace.limits(cutoff)
        self._max_removed = max_removed
        self._to_white = subspace.to_white if subspace.is_white else None
        if subspace.is_white:
            self._base = subspace.from_white @ subspace.to_white
            self._left, self._right = subspace.from_white, subspace.to_white
        else:
            # A direction without signal is left out of both sides, by M's own eigenvectors.
            values, vectors = np.linalg.eigh(subspace.mixing)
            held = vectors[:, np.square(values) > NO_SIGNAL * np.square(values).max()]
            variances = np.square(values[len(values) - held.shape[1] :])
            self._lacks_directions = held.shape[1] < len(values)
            self._right = (held / variances) @ held.T
            self._base = self._left = held @ held.T

    def find(self, covariance: FloatArray) -> Repair | None:
        """Give the repair of a window of shaped samples; None when nothing is too large.

        Parameters
        ----------
        covariance : ndarray, shape (n_channels, n_channels)
            Covariance of the shaped window, in the channels.
        """
        if self._to_white is not None:
            covariance = self._to_white @ covariance @ self._to_white
        if self._max_removed < 1 or _within(covariance, self._limits):
            return None
        # LAPACK's drivers for a few of the eigenvectors take longer than the one for all of them.
        values, vectors = np.linalg.eigh(covariance)
        allowed = ((self._limits @ vectors) * vectors).sum(axis=0)
        too_large = (values >= allowed) & (values > NO_SIGNAL * values[-1])
        too_large[: len(values) - self._max_removed] = False
        if not too_large.any():
            return None
        removed = vectors[:, too_large]
        right = removed.T @ self._right
        if self._to_white is None:
            seen = right @ removed
            if self._lacks_directions:  # what goes may lie where clean data had no signal
                right = np.linalg.pinv(seen, rcond=NO_SIGNAL, hermitian=True) @ right
            else:
                right = np.linalg.solve(seen, right)
        matrix: FloatArray = self._base - (self._left @ removed) @ right
        return Repair(matrix, removed.shape[1])


def _within(covariance: FloatArray, limits: FloatArray) -> bool:
    """Say whether every direction is within its limit, without the eigenvectors.

    That is so when limits minus covariance is positive definite, which Cholesky's factorisation
    finds out some twenty times faster than an eigendecomposition; clean data, the most of a
    signal, stop here.
    """
    if not np.isfinite(covariance).all():
        return True
    margin = limits - covariance
    margin.flat[:: len(margin) + 1] += NO_SIGNAL * np.trace(covariance)
    _, info = scipy.linalg.lapack.dpotrf(margin, lower=1, overwrite_a=0)
    return bool(info == 0)
