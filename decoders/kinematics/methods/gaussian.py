"""Small covariance matrices: the algebra that the Kalman filter and its kin share."""

from __future__ import annotations

import numpy as np
import scipy

from volition.chunk import FloatArray
from volition.errors import DecodeError


def inverse(matrix: FloatArray) -> FloatArray:
    """Give the inverse of a symmetric, positive definite matrix, exactly symmetric.

    One that is definite but for its last digits is made so first (`made_definite`).
    """
    if matrix.shape == (2, 2):  # two dimensions are the common case, and this is six times as fast
        (a, b), (_, c) = matrix.tolist()
        determinant = a * c - b * b
        if determinant > 0:
            scale = 1.0 / determinant
            return np.array([[c * scale, -b * scale], [-b * scale, a * scale]])
        matrix = made_definite(matrix)
    try:
        whole: FloatArray = np.linalg.inv(matrix).astype(np.float64, copy=False)
    except np.linalg.LinAlgError:
        whole = np.linalg.inv(made_definite(matrix)).astype(np.float64, copy=False)
    return symmetric(whole)


def symmetric(matrix: FloatArray) -> FloatArray:
    """Give the symmetric part."""
    result: FloatArray = (matrix + matrix.T) * 0.5
    return result


#: Least eigenvalue of a covariance whose every variance is scaled to one.
LEAST_EIGENVALUE = 1e-9
#: Largest eigenvalue of a transition whose states have a covariance in the long run.
LARGEST_RADIUS = 0.9995
#: Least variance of a dimension, as a share of the mean variance.
LEAST_VARIANCE = 1e-12


def made_definite(covariance: FloatArray) -> FloatArray:
    """Give ``covariance``, with as little added to its diagonal as makes it positive definite.

    Each dimension is judged by its own variance, so that one in other units, or one that hardly
    varies, counts as much as the rest: what is added is a share of that variance. A covariance
    that is definite enough (`LEAST_EIGENVALUE`) is given as it is, to the bit.

    Raises
    ------
    DecodeError
        It has diverged: no number that is added makes infinity definite.
    """
    covariance = symmetric(covariance)
    if not np.isfinite(covariance).all():
        raise DecodeError("a covariance of the filter has diverged; its model is unstable")
    variances = np.maximum(covariance.diagonal(), 0.0)
    # An all-zero matrix (a constant signal) has no scale of its own.
    level = float(variances.mean()) or 1.0
    floors = np.maximum(variances, LEAST_VARIANCE * level)
    scale = np.sqrt(floors)
    least = float(np.linalg.eigvalsh(covariance / scale / scale[:, None])[0])
    if least >= LEAST_EIGENVALUE:
        return covariance
    result: FloatArray = covariance + np.diag((2 * LEAST_EIGENVALUE - least) * floors)
    return result


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


def stationary(A: FloatArray, W: FloatArray) -> FloatArray:
    """Give the covariance of the state at any time, under dynamics that forget.

    A transition that grows, as reaches from rest that are cut off at their height may give, has no
    such covariance; it is shrunk to `LARGEST_RADIUS`.
    """
    radius = float(np.abs(np.linalg.eigvals(A)).max())
    shrunk = A * min(1.0, LARGEST_RADIUS / radius) if radius > 0 else A
    spread = scipy.linalg.solve_discrete_lyapunov(shrunk, W)
    return symmetric(spread.astype(np.float64))


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
