"""Step-wise linear discriminant analysis: the field's reference.

Features enter a least-squares fit of the class one by one, the most significant first, and leave it
when they are no longer (Krusienski et al., J. Neural Eng. 3:299, 2006): in at p < 0.1, out at p >
0.15, at most 60 of them.
"""

from __future__ import annotations

import numpy as np
import scipy

from volition.chunk import FloatArray
from volition.decoders.codes.erp.lda import Arrays
from volition.decoders.codes.sequences import BoolArray

ENTER, LEAVE, MOST_FEATURES = 0.10, 0.15, 60
_RIDGE = 1e-9


def learn_stepwise(epochs: FloatArray, is_target: BoolArray) -> Arrays:
    """Learn the weights of epochs, shape (n_epochs, n_channels, n_times)."""
    rows = epochs.reshape(len(epochs), -1)
    mean, spread = rows.mean(axis=0), rows.std(axis=0) + 1e-300
    features = (rows - mean) / spread
    wanted = np.where(is_target, 1.0, -1.0)
    wanted = wanted - wanted.mean()
    gram, towards = features.T @ features, features.T @ wanted
    chosen: list[int] = []
    for _ in range(2 * MOST_FEATURES):
        entered = _enter(features, wanted, gram, towards, chosen)
        if entered is None or len(chosen) >= MOST_FEATURES:
            break
        chosen.append(entered)
        left = _leave(len(features), wanted, gram, towards, chosen)
        if left is not None:
            chosen.remove(left)
            if left == entered:
                break
    weights = np.zeros(rows.shape[1])
    if chosen:
        weights[chosen] = _solved(gram, towards, chosen)
    weights /= spread
    target, other = rows[is_target].mean(axis=0), rows[~is_target].mean(axis=0)
    return {"weights": weights, "offset": np.array(-float(weights @ (target + other)) / 2)}


def _solved(gram: FloatArray, towards: FloatArray, chosen: list[int]) -> FloatArray:
    among = gram[np.ix_(chosen, chosen)] + _RIDGE * len(gram) * np.eye(len(chosen))
    return np.asarray(np.linalg.solve(among, towards[chosen]), dtype=np.float64)


def _enter(
    features: FloatArray,
    wanted: FloatArray,
    gram: FloatArray,
    towards: FloatArray,
    chosen: list[int],
) -> int | None:
    """Give the feature that explains most of what is left, if it is significant."""
    n_rows = len(features)
    left: FloatArray = wanted.copy()
    own = np.diag(gram).copy()
    if chosen:
        left = left - features[:, chosen] @ _solved(gram, towards, chosen)
        among = gram[np.ix_(chosen, chosen)] + _RIDGE * len(gram) * np.eye(len(chosen))
        across = gram[chosen]
        own -= np.einsum("cf,cf->f", across, np.linalg.solve(among, across))
    gained = (features.T @ left) ** 2 / np.maximum(own, 1e-9 * n_rows)
    gained[chosen] = 0.0
    gained[own < 1e-6 * n_rows] = 0.0
    best = int(gained.argmax())
    free = n_rows - len(chosen) - 2
    rest = float(left @ left) - float(gained[best])
    if free < 1 or rest <= 0:
        return None
    p = float(scipy.special.fdtrc(1, free, gained[best] / (rest / free)))
    return best if p < ENTER else None


def _leave(
    n_rows: int, wanted: FloatArray, gram: FloatArray, towards: FloatArray, chosen: list[int]
) -> int | None:
    """Give the chosen feature that is least significant, if it is no longer."""
    among = gram[np.ix_(chosen, chosen)] + _RIDGE * len(gram) * np.eye(len(chosen))
    inverse = np.linalg.inv(among)
    weights = inverse @ towards[chosen]
    rest = float(wanted @ wanted) - float(weights @ towards[chosen])
    free = n_rows - len(chosen) - 1
    if free < 1 or rest <= 0:
        return None
    statistic = weights**2 / np.maximum(np.diag(inverse) * rest / free, 1e-300)
    worst = int(statistic.argmin())
    p = float(scipy.special.fdtrc(1, free, statistic[worst]))
    return chosen[worst] if p > LEAVE else None
