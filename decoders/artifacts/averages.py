"""Averages of covariance matrices that a few wild ones do not move.

The geometric median (Weiszfeld's iteration) minimises the sum of distances, the Riemannian mean
(Karcher's iteration; Moakher, SIAM J. Matrix Anal. Appl. 26:735, 2005) the sum of squared affine
invariant distances. Matrices that lack full rank (an average reference, more channels than
samples) are lifted by a small multiple of the identity before a logarithm is taken.
"""

from __future__ import annotations

import numpy as np

from volition.chunk import FloatArray
from volition.decoders.artifacts.steps import Steps, finish, pieces

#: What is added to a covariance before its logarithm, as a share of its mean variance.
LIFT = 1e-6
#: Numbers that a step passes over.
NUMBERS_AT_ONCE = 2**19


def matrices_at_once(n: int) -> int:
    """Give how many matrices (n, n) a step may take apart into eigenvectors."""
    return int(max(1, 2 * NUMBERS_AT_ONCE // n**3))


def block_covariances(samples: FloatArray, block_samples: int) -> FloatArray:
    """Give the second moments of consecutive blocks; what is left at the end is dropped.

    Parameters
    ----------
    samples : ndarray, shape (n_samples, n_channels)
        Signal about zero.
    block_samples
        Length of a block.

    Returns
    -------
    ndarray, shape (n_blocks, n_channels, n_channels)
    """
    return finish(block_covariances_steps(samples, block_samples))


def block_covariances_steps(samples: FloatArray, block_samples: int) -> Steps[FloatArray]:
    """Do as `block_covariances`, in steps."""
    n_blocks, n = len(samples) // block_samples, samples.shape[1]
    blocks = samples[: n_blocks * block_samples].reshape(n_blocks, block_samples, n)
    found = np.empty((n_blocks, n, n))
    for some in pieces(n_blocks, max(1, NUMBERS_AT_ONCE // n**2)):
        found[some] = blocks[some].transpose(0, 2, 1) @ blocks[some] / block_samples
        yield
    return found


def geometric_median(points: FloatArray, tolerance: float = 1e-5, most: int = 200) -> FloatArray:
    """Give the point (or matrix) with the least sum of distances to ``points`` (n, ...).

    Weiszfeld's iteration from the mean, until a step is below ``tolerance`` of the median's norm.
    """
    return finish(geometric_median_steps(points, tolerance, most))


def geometric_median_steps(
    points: FloatArray, tolerance: float = 1e-5, most: int = 200
) -> Steps[FloatArray]:
    """Do as `geometric_median`, in steps."""
    flat = points.reshape(len(points), -1)
    middle: FloatArray = flat.mean(axis=0)
    for _ in range(most):
        distances = np.empty(len(flat))
        for some in pieces(len(flat), max(1, NUMBERS_AT_ONCE // flat.shape[1])):
            distances[some] = np.sqrt(np.square(flat[some] - middle).sum(axis=1))
            yield
        weights = 1.0 / np.maximum(distances, 1e-12 * (1e-300 + np.abs(middle).max()))
        moved: FloatArray = weights @ flat / weights.sum()
        step = np.linalg.norm(moved - middle)
        middle = moved
        yield
        if step <= tolerance * np.linalg.norm(middle):
            break
    return middle.reshape(points.shape[1:])


def lift(covariances: FloatArray) -> FloatArray:
    """Make covariances (..., n, n) positive definite by a small share of their mean variance."""
    n = covariances.shape[-1]
    scale = np.trace(covariances, axis1=-2, axis2=-1) / n
    scale = np.maximum(np.where(np.isfinite(scale), scale, 0.0), 1e-12)
    lifted: FloatArray = covariances + LIFT * scale[..., None, None] * np.eye(n)
    return lifted


def spectral(matrices: FloatArray, power: float) -> FloatArray:
    """Raise symmetric positive matrices (..., n, n) to a power, by their eigenvalues."""
    values, vectors = np.linalg.eigh(matrices)
    floor = np.finfo(float).eps * np.maximum(values[..., -1:], 1e-300)
    raised: FloatArray = (vectors * np.maximum(values, floor)[..., None, :] ** power) @ np.swapaxes(
        vectors, -1, -2
    )
    return raised


def riemannian_mean(covariances: FloatArray, tolerance: float = 1e-8, most: int = 50) -> FloatArray:
    """Give the Karcher mean of positive definite ``covariances`` (n, c, c).

    Steps are halved when the residual grows, so that the iteration converges for wide spreads.
    """
    return finish(riemannian_mean_steps(covariances, tolerance, most))


def riemannian_mean_steps(
    covariances: FloatArray, tolerance: float = 1e-8, most: int = 50
) -> Steps[FloatArray]:
    """Do as `riemannian_mean`, in steps."""
    mean: FloatArray = covariances.mean(axis=0)
    step, last = 1.0, np.inf
    at_once = matrices_at_once(len(mean))
    for _ in range(most):
        root, inverse = spectral(mean, 0.5), spectral(mean, -0.5)
        logs = np.empty_like(covariances)
        for some in pieces(len(covariances), at_once):
            values, vectors = np.linalg.eigh(inverse @ covariances[some] @ inverse)
            logs[some] = (vectors * np.log(np.maximum(values, 1e-300))[:, None, :]) @ np.swapaxes(
                vectors, 1, 2
            )
            yield
        tangent = logs.mean(axis=0)
        residual = float(np.linalg.norm(tangent))
        if residual < tolerance:
            break
        if residual > last:
            step *= 0.5
        last = residual
        turn, directions = np.linalg.eigh(tangent)
        mean = root @ ((directions * np.exp(step * turn)) @ directions.T) @ root
        mean = (mean + mean.T) / 2
    return mean


def geodesic(start: FloatArray, end: FloatArray, share: float) -> FloatArray:
    """Give the point at ``share`` of the geodesic from ``start`` (0) to ``end`` (1)."""
    root, inverse = spectral(start, 0.5), spectral(start, -0.5)
    point = root @ spectral(inverse @ end @ inverse, share) @ root
    result: FloatArray = (point + point.T) / 2
    return result


def riemannian_distance(first: FloatArray, second: FloatArray) -> float:
    """Give the affine invariant distance of two positive definite matrices."""
    inverse = spectral(first, -0.5)
    values = np.linalg.eigvalsh(inverse @ second @ inverse)
    return float(np.sqrt(np.square(np.log(np.maximum(values, 1e-300))).sum()))
