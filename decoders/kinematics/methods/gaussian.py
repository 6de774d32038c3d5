"""Small covariance matrices: the algebra that the Kalman filter and its kin share."""

from __future__ import annotations

import numpy as np
import scipy

from volition.chunk import FloatArray
from volition.errors import DecodeError


def inverse(matrix: FloatArray) -> FloatArray:
    """Give the inverse of a symmetric, positive definite matrix, exactly symmetric."""
    if matrix.shape == (2, 2):  # two dimensions are the common case, and this is six times as fast
        (a, b), (_, c) = matrix.tolist()
        determinant = a * c - b * b
        if determinant > 0:
            scale = 1.0 / determinant
            return np.array([[c * scale, -b * scale], [-b * scale, a * scale]])
        matrix = made_definite(matrix)  # definite but for its last digits
    whole: FloatArray = np.linalg.inv(matrix).astype(np.float64, copy=False)
    return symmetric(whole)


def symmetric(matrix: FloatArray) -> FloatArray:
    """Give the symmetric part."""
    result: FloatArray = (matrix + matrix.T) * 0.5
    return result


def made_definite(covariance: FloatArray) -> FloatArray:
    """Give ``covariance``, with as little added to its diagonal as makes it positive definite.

    Raises
    ------
    DecodeError
        It has diverged: no number that is added makes infinity definite.
    """
    covariance = symmetric(covariance)
    if not np.isfinite(covariance).all():
        raise DecodeError("a covariance of the filter has diverged; its model is unstable")
    size = len(covariance)
    # An all-zero matrix (a constant signal) has no scale of its own.
    scale = float(np.trace(covariance)) / size or 1.0
    jitter = 0.0
    while True:
        candidate: FloatArray = covariance + jitter * scale * np.eye(size)
        try:
            scipy.linalg.cholesky(candidate, lower=True)
        except np.linalg.LinAlgError:
            jitter = max(1e-9, jitter * 10)
            continue
        return candidate


def fit_dynamics(
    states: FloatArray, follows: np.ndarray[tuple[int], np.dtype[np.bool_]]
) -> tuple[FloatArray, FloatArray]:
    """Fit ``z_t = A z_{t-1} + w`` by least squares without an intercept.

    Parameters
    ----------
    states : ndarray, shape (n_bins, n_dimensions)
        With their mean subtracted.
    follows : ndarray of bool, shape (n_bins,)
        Whether a bin follows the one before it (false at the first and where a trial begins).

    Returns
    -------
    A, W : ndarray, shape (n_dimensions, n_dimensions)
        Transition, and covariance of ``w``.
    """
    after = states[1:][follows[1:]]
    before = states[:-1][follows[1:]]
    A: FloatArray = np.linalg.lstsq(before, after, rcond=None)[0].T.astype(np.float64, copy=False)
    residual = after - before @ A.T
    return A, made_definite(residual.T @ residual / len(residual))


def follows_of(
    n_bins: int, trials: np.ndarray | None
) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Say of each bin whether it follows the one before it in the same trial."""
    follows = np.ones(n_bins, dtype=np.bool_)
    follows[0] = False
    if trials is not None:
        follows[1:] = trials[1:] == trials[:-1]
    return follows


def fit_start(
    states: FloatArray, follows: np.ndarray[tuple[int], np.dtype[np.bool_]]
) -> tuple[FloatArray, FloatArray]:
    """Give mean and covariance of the state where a trial begins.

    With too few beginnings to tell, those of all bins: a start about which nothing is known.
    """
    begins = states[~follows]
    known = begins if len(begins) > 4 * states.shape[1] else states
    mean = known.mean(axis=0)
    centred = known - mean
    return mean, made_definite(centred.T @ centred / len(centred))
