"""Linear discriminant analysis with a shrunk covariance.

The pooled covariance within classes is shrunk towards a multiple of the identity by the share that
minimises the expected squared error (Ledoit and Wolf, J. Multivar. Anal. 88:365, 2004, lemma 3.3).
Features are scaled to unit spread first, so that the identity is a fair target. Classes count as
equally likely: how often each was asked for says nothing of what will be wanted.
"""

from __future__ import annotations

import numpy as np

from volition.chunk import FloatArray
from volition.decoders.classes.method import IntArray


def shrunk_covariance(rows: FloatArray) -> FloatArray:
    """Give the shrunk covariance of ``rows`` (n_rows, n_features), whose mean is taken off."""
    n_rows, n_features = rows.shape
    centred = rows - rows.mean(axis=0)
    sample = centred.T @ centred / n_rows
    level = float(np.trace(sample)) / n_features
    target = level * np.eye(n_features)
    apart = float(np.square(sample - target).sum())
    squares = np.square(centred)
    error = float((squares.T @ squares).sum()) / n_rows**2 - float(np.square(sample).sum()) / n_rows
    share = min(1.0, max(0.0, error / apart)) if apart > 0 else 1.0
    result: FloatArray = (1 - share) * sample + share * target
    return result


def fit_discriminant(
    features: FloatArray, classes: IntArray, n_classes: int
) -> tuple[FloatArray, FloatArray]:
    """Give the weights (n_features, n_classes) and offsets (n_classes,) of each class's score.

    The score of class k is log p(x | k) up to a term that all classes share.

    Parameters
    ----------
    features : ndarray, shape (n_windows, n_features)
    classes : ndarray of int, shape (n_windows,)
    """
    spread = np.maximum(features.std(axis=0), 1e-12)
    scaled = features / spread
    means = np.stack([scaled[classes == k].mean(axis=0) for k in range(n_classes)])
    within = shrunk_covariance(scaled - means[classes])
    weights = np.linalg.solve(within + 1e-9 * np.eye(len(within)), means.T)
    offsets = -0.5 * (means * weights.T).sum(axis=1)
    return weights / spread[:, None], offsets
