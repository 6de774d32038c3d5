"""How well a movement was decoded. Arrays are of shape (n_bins, n_dimensions)."""

from __future__ import annotations

import numpy as np

from volition.chunk import FloatArray


def nrmse(true: FloatArray, decoded: FloatArray) -> float:
    """Give ``‖decoded − true‖ / ‖true‖``: deciding for 0 always scores 1."""
    return float(np.linalg.norm(decoded - true) / np.linalg.norm(true))


def angular_error_rad(true: FloatArray, decoded: FloatArray) -> float:
    """Give the mean of `angular_errors_rad`. Chance is about π/2."""
    return float(angular_errors_rad(true, decoded).mean())


def angular_errors_rad(true: FloatArray, decoded: FloatArray) -> FloatArray:
    """Give each bin's absolute angle between true and decoded direction, for two dimensions.

    A decoded velocity of 0 counts as pointing along the first axis.
    """
    difference = np.arctan2(decoded[:, 1], decoded[:, 0]) - np.arctan2(true[:, 1], true[:, 0])
    wrapped: FloatArray = np.abs((difference + np.pi) % (2 * np.pi) - np.pi)
    return wrapped


def loss(true: FloatArray, decoded: FloatArray) -> float:
    """Give what choices among decoders go by: size of the error, and in two dimensions direction.

    The sum of `nrmse` and, for two dimensions, `angular_error_rad`: either alone is easily had at
    the other's cost.
    """
    size = nrmse(true, decoded)
    return size + angular_error_rad(true, decoded) if true.shape[1] == 2 else size


def r2(true: FloatArray, decoded: FloatArray) -> list[float]:
    """Give the share of variance explained, a dimension: 1 − SSE / SST."""
    residual = ((true - decoded) ** 2).sum(axis=0)
    total = ((true - true.mean(axis=0)) ** 2).sum(axis=0)
    return [float(value) for value in 1.0 - residual / total]


def correlation(true: FloatArray, decoded: FloatArray) -> list[float]:
    """Give Pearson's correlation, a dimension."""
    return [float(np.corrcoef(t, d)[0, 1]) for t, d in zip(true.T, decoded.T, strict=True)]
