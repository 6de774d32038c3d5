"""Spatial filters by xDAWN, covariances with the mean responses, and their tangent space.

xDAWN finds the filters behind which a class's mean response stands out most (Rivet et al., IEEE
Trans. Biomed. Eng. 56:2035, 2009). A filtered epoch is stacked under the filtered mean responses,
so that the covariance of all says how alike they are; covariances are laid out on the tangent
space at their mean (Barachant and Congedo, arXiv:1409.0107, 2014) and told apart by a logistic
regression.
"""

from __future__ import annotations

import numpy as np
import scipy

from volition.chunk import FloatArray
from volition.decoders.codes.erp.lda import Arrays
from volition.decoders.codes.sequences import BoolArray

_RIDGE = 1e-6
_MOST_STEPS = 20
#: Weight of the regression's penalty, with features of a deviation of 1. Of 1, 10 and 50 the last
#: two read people of the data sets p300_speller and bi2012 best.
PENALTY = 20.0


def learn_xdawn(epochs: FloatArray, is_target: BoolArray, n_filters: int) -> Arrays:
    """Learn from epochs, shape (n_epochs, n_channels, n_times)."""
    n_channels = epochs.shape[1]
    total = np.einsum("nct,ndt->cd", epochs, epochs) / len(epochs)
    total += _RIDGE * float(np.trace(total)) / n_channels * np.eye(n_channels)
    filters, prototypes = [], []
    for chosen in (is_target, ~is_target):
        mean = epochs[chosen].mean(axis=0)
        _, vectors = scipy.linalg.eigh(mean @ mean.T, total)
        best = vectors[:, ::-1][:, : min(n_filters, n_channels)].T
        filters.append(best)
        prototypes.append(best @ mean)
    arrays: Arrays = {
        "filters": np.concatenate(filters),
        "prototypes": np.concatenate(prototypes),
    }
    covariances = _covariances(arrays, epochs)
    middle = riemannian_mean(covariances)
    values, vectors = np.linalg.eigh(middle)
    arrays["whitener"] = (vectors / np.sqrt(values)) @ vectors.T
    features = _tangent(arrays, covariances)
    arrays["feature_mean"] = features.mean(axis=0)
    arrays["feature_sd"] = features.std(axis=0) + 1e-12
    scaled = (features - arrays["feature_mean"]) / arrays["feature_sd"]
    weights, offset = logistic_regression(scaled, is_target)
    return {**arrays, "weights": weights, "offset": np.array(offset)}


def score_xdawn(arrays: Arrays, epochs: FloatArray) -> FloatArray:
    """Give each epoch's log odds to be a target's, shape (n_epochs,)."""
    features = _tangent(arrays, _covariances(arrays, epochs))
    scaled = (features - arrays["feature_mean"]) / arrays["feature_sd"]
    result: FloatArray = scaled @ arrays["weights"] + arrays["offset"]
    return result


def _covariances(arrays: Arrays, epochs: FloatArray) -> FloatArray:
    """Give the covariance of each filtered epoch with the mean responses, shrunk (Ledoit-Wolf)."""
    filtered = arrays["filters"] @ epochs
    prototypes = np.broadcast_to(arrays["prototypes"], (len(epochs), *arrays["prototypes"].shape))
    rows = np.concatenate([prototypes, filtered], axis=1)
    rows = rows - rows.mean(axis=2, keepdims=True)
    n_rows, n_times = rows.shape[1:]
    covariances = rows @ rows.transpose(0, 2, 1) / n_times
    level = np.trace(covariances, axis1=1, axis2=2) / n_rows
    squared = (covariances**2).sum(axis=(1, 2))
    apart = np.maximum(squared - n_rows * level**2, 1e-300)
    fourth = ((rows**2).sum(axis=1) ** 2).mean(axis=1)
    shrinkage = np.clip((fourth - squared) / n_times / apart, 1e-6, 1.0)
    result: FloatArray = (1 - shrinkage)[:, None, None] * covariances
    result += (shrinkage * level + 1e-300)[:, None, None] * np.eye(n_rows)
    return result


def riemannian_mean(covariances: FloatArray) -> FloatArray:
    """Give the matrix nearest to all on their manifold (fixed-point steps; Moakher 2005)."""
    mean: FloatArray = covariances.mean(axis=0)
    for _ in range(_MOST_STEPS):
        values, vectors = np.linalg.eigh(mean)
        half = (vectors * np.sqrt(values)) @ vectors.T
        inverse = (vectors / np.sqrt(values)) @ vectors.T
        step = _logarithms(inverse @ covariances @ inverse).mean(axis=0)
        moves, along = np.linalg.eigh(step)
        mean = half @ ((along * np.exp(moves)) @ along.T) @ half
        if float(np.abs(moves).max()) < 1e-6:
            break
    return mean


def _logarithms(matrices: FloatArray) -> FloatArray:
    values, vectors = np.linalg.eigh(matrices)
    logs = np.log(np.maximum(values, 1e-12))
    result: FloatArray = (vectors * logs[:, None, :]) @ vectors.transpose(0, 2, 1)
    return result


def _tangent(arrays: Arrays, covariances: FloatArray) -> FloatArray:
    """Give the coordinates on the tangent space, shape (n_epochs, n (n + 1) / 2)."""
    logs = _logarithms(arrays["whitener"] @ covariances @ arrays["whitener"])
    rows, columns = np.triu_indices(logs.shape[1])
    weights = np.where(rows == columns, 1.0, np.sqrt(2))
    result: FloatArray = logs[:, rows, columns] * weights
    return result


def logistic_regression(features: FloatArray, is_target: BoolArray) -> tuple[FloatArray, float]:
    """Give the weights and offset of a penalised logistic regression, by Newton's steps."""
    n_rows, n_features = features.shape
    with_one = np.concatenate([features, np.ones((n_rows, 1))], axis=1)
    penalty = np.full(n_features + 1, PENALTY)
    penalty[-1] = 0.0
    weights = np.zeros(n_features + 1)
    for _ in range(_MOST_STEPS):
        likely = scipy.special.expit(with_one @ weights)
        slope = with_one.T @ (likely - is_target) + penalty * weights
        curvature = (with_one.T * (likely * (1 - likely))) @ with_one
        curvature[np.diag_indices_from(curvature)] += penalty + 1e-9
        step = scipy.linalg.solve(curvature, slope, assume_a="pos")
        weights -= step
        if float(np.abs(step).max()) < 1e-6:
            break
    return weights[:-1], float(weights[-1])
