"""Linear discriminant analysis with a covariance that is shrunk.

The covariance within the classes is drawn towards a multiple of the identity by as much as its own
uncertainty asks (Ledoit and Wolf, J. Multivar. Anal. 88:365, 2004, equations 12 to 15). Features of
epochs are channels by times; with ``block_toeplitz`` the covariance between two channels is taken
to depend on the time between them alone, which pays where flashes are few (Sosulski and Tangermann,
J. Neural Eng. 19:066016, 2022).
"""

from __future__ import annotations

import numpy as np
import scipy

from volition.chunk import FloatArray
from volition.decoders.codes.sequences import BoolArray

Arrays = dict[str, FloatArray]

#: Added to a covariance's diagonal, as a share of its mean.
_RIDGE = 1e-9


def shrunk_covariance(rows: FloatArray) -> FloatArray:
    """Give the covariance of rows (n_rows, n_features), shrunk as much as its uncertainty asks."""
    centred = rows - rows.mean(axis=0)
    n_rows, n_features = centred.shape
    covariance = centred.T @ centred / n_rows
    level = float(np.trace(covariance)) / n_features
    squared = float((covariance**2).sum())
    apart = squared - n_features * level**2
    if apart <= 0:
        flat: FloatArray = level * np.eye(n_features)
        return flat
    fourth = float((np.einsum("nf,nf->n", centred, centred) ** 2).sum()) / n_rows
    uncertain = (fourth - squared) / n_rows
    shrinkage = min(max(uncertain / apart, 0.0), 1.0)
    result: FloatArray = (1 - shrinkage) * covariance
    result[np.diag_indices(n_features)] += shrinkage * level + 1e-12 * level
    return result


def block_toeplitz(covariance: FloatArray, n_channels: int) -> FloatArray:
    """Give the same covariance with one value for each pair of channels and time between.

    Blocks far apart in time are means of few; they are weighed down linearly, so that the result
    stays positive definite.
    """
    n_times = len(covariance) // n_channels
    blocks = covariance.reshape(n_channels, n_times, n_channels, n_times)
    result = np.empty_like(blocks)
    for lag in range(n_times):
        late, early = np.arange(lag, n_times), np.arange(n_times - lag)
        mean = blocks[:, late, :, early].mean(axis=0) * (1 - lag / n_times)
        result[:, late, :, early] = mean
        result[:, early, :, late] = mean.T
    return result.reshape(covariance.shape)


def learn_lda(epochs: FloatArray, is_target: BoolArray, *, toeplitz: bool = False) -> Arrays:
    """Learn the weights of epochs, shape (n_epochs, n_channels, n_times)."""
    rows = epochs.reshape(len(epochs), -1)
    target, other = rows[is_target].mean(axis=0), rows[~is_target].mean(axis=0)
    within = rows - np.where(is_target[:, None], target, other)
    covariance = shrunk_covariance(within)
    if toeplitz:
        covariance = block_toeplitz(covariance, epochs.shape[1])
    level = float(np.trace(covariance)) / len(covariance)
    covariance[np.diag_indices_from(covariance)] += _RIDGE * level + 1e-300
    weights = scipy.linalg.solve(covariance, target - other, assume_a="pos")
    return {"weights": weights, "offset": np.array(-float(weights @ (target + other)) / 2)}


def score_lda(arrays: Arrays, epochs: FloatArray) -> FloatArray:
    """Give each epoch's score, shape (n_epochs,): above 0 it is more like a target."""
    result: FloatArray = epochs.reshape(len(epochs), -1) @ arrays["weights"] + arrays["offset"]
    return result
