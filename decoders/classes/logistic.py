"""Multinomial logistic regression with a quadratic penalty, by L-BFGS."""

from __future__ import annotations

import numpy as np
import scipy

from volition.chunk import FloatArray
from volition.decoders.classes.method import IntArray, normalised


def fit_logistic(
    features: FloatArray, classes: IntArray, n_classes: int, penalty: float = 1.0
) -> tuple[FloatArray, FloatArray]:
    """Give the weights (n_features, n_classes) and offsets (n_classes,) of the log probabilities.

    They minimise -sum log p(class | x) + penalty / 2 ||weights||^2 (Bishop, Pattern Recognition
    and Machine Learning, 2006, equation 4.108, with a Gaussian prior); offsets are free.

    Parameters
    ----------
    features : ndarray, shape (n_windows, n_features)
    classes : ndarray of int, shape (n_windows,)
    """
    n_rows, n_features = features.shape
    wanted = np.eye(n_classes)[classes]
    inputs = np.hstack([features, np.ones((n_rows, 1))])
    decay = np.full((n_features + 1, 1), penalty)
    decay[-1] = 0.0

    def loss(flat: FloatArray) -> tuple[float, FloatArray]:
        weights = flat.reshape(n_features + 1, n_classes)
        log_p = normalised(inputs @ weights)
        slope = inputs.T @ (np.exp(log_p) - wanted) + decay * weights
        value = -float((wanted * log_p).sum()) + 0.5 * float((decay * weights**2).sum())
        return value, slope.ravel()

    start = np.zeros((n_features + 1) * n_classes)
    found = scipy.optimize.minimize(
        loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 500}
    ).x.reshape(n_features + 1, n_classes)
    return found[:-1], found[-1]
