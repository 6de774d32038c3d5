"""A hidden Markov model learned from features, by the Baum-Welch iteration.

E step: forward and backward probabilities, scaled; M step: means, deviations and transitions as the
posteriors weigh them (Rabiner, Proc. IEEE 77:257, 1989, equations 40 and 53). It begins from
quantiles of the features' first principal component, so that equal features give equal models.
"""

from __future__ import annotations

import numpy as np

from volition.chunk import FloatArray
from volition.decoders.stages.hmm import HmmSettings, log_emissions
from volition.errors import DecodeError

#: Probability of staying in a state, at the start and as what transitions are pulled towards.
STAY = 0.98
_LEAST_SPREAD = 1e-3


def fit_markov(
    features: FloatArray, n_states: int, *, emission: str = "gaussian", n_rounds: int = 50
) -> HmmSettings:
    """Learn the settings of a stage `volition.decoders.stages.hmm.Hmm`.

    Parameters
    ----------
    features : ndarray, shape (n_samples, n_channels)
        In order of time.
    n_states
        How many states there are.
    emission
        ``gaussian`` or ``poisson``.
    n_rounds
        Iterations, at most; it ends when the likelihood grows by less than 1e-6 a sample.

    Raises
    ------
    DecodeError
        There are fewer samples than states, one is missing, or they are too large to be squared.
    """
    if len(features) < n_states or not np.isfinite(features).all():
        raise DecodeError(f"{n_states} states need as many samples, and none missing")
    if not np.isfinite(np.square(features).sum()):
        raise DecodeError(f"samples are too large: the largest is {np.abs(features).max():.3g}")
    settings = _beginning(features, n_states, emission)
    before = -np.inf
    for _ in range(n_rounds):
        weights, pairs, log_likelihood = _expected(settings, features)
        settings = _improved(settings, features, weights, pairs)
        if log_likelihood - before < 1e-6 * len(features):
            break
        before = log_likelihood
    return settings


def _beginning(features: FloatArray, n_states: int, emission: str) -> HmmSettings:
    centred = features - features.mean(axis=0)
    axis = np.linalg.svd(centred, full_matrices=False)[2][0]
    order = np.argsort(centred @ (axis * np.sign(axis[np.abs(axis).argmax()])), kind="stable")
    groups = np.array_split(order, n_states)
    means = np.stack([features[group].mean(axis=0) for group in groups])
    spread = np.maximum(features.std(axis=0), _LEAST_SPREAD)
    return _settings(emission, means, np.tile(spread, (n_states, 1)), None)


def _settings(
    emission: str, means: FloatArray, spread: FloatArray, transitions: FloatArray | None
) -> HmmSettings:
    return HmmSettings.model_validate(
        {
            "emission": emission,
            "means": (means if emission == "gaussian" else np.maximum(means, 1e-3)).tolist(),
            "deviations": spread.tolist() if emission == "gaussian" else [],
            "transitions": [] if transitions is None else transitions.tolist(),
            "stay": STAY,
        }
    )


def _expected(settings: HmmSettings, features: FloatArray) -> tuple[FloatArray, FloatArray, float]:
    """Give the posteriors (n_samples, n_states), expected transitions and the log likelihood."""
    emissions = log_emissions(settings, features)
    highest = emissions.max(axis=1, keepdims=True)
    likely, matrix = np.exp(emissions - highest), settings.matrix()
    n, k = likely.shape
    forward, scales = np.empty((n, k)), np.empty(n)
    prior = np.full(k, 1.0 / k)
    for t in range(n):
        joint = likely[t] * (prior if t == 0 else forward[t - 1] @ matrix)
        scales[t] = joint.sum()
        forward[t] = joint / scales[t]
    backward = np.ones((n, k))
    for t in range(n - 2, -1, -1):
        backward[t] = matrix @ (likely[t + 1] * backward[t + 1]) / scales[t + 1]
    ahead = likely[1:] * backward[1:] / scales[1:, None]
    pairs = matrix * (forward[:-1].T @ ahead)
    return forward * backward, pairs, float(np.log(scales).sum() + highest.sum())


def _improved(
    settings: HmmSettings, features: FloatArray, weights: FloatArray, pairs: FloatArray
) -> HmmSettings:
    totals = np.maximum(weights.sum(axis=0), 1e-9)[:, None]
    means = weights.T @ features / totals
    squares = weights.T @ features**2 / totals - means**2
    spread = np.sqrt(np.maximum(squares, _LEAST_SPREAD**2))
    counted = np.maximum(pairs, 1e-9)
    transitions = counted / counted.sum(axis=1, keepdims=True)
    return _settings(settings.emission, means, spread, transitions)
