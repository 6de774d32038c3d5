"""Differential entropy by band and electrode tells states apart, and nothing else moves it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from volition.chunk import FloatArray
from volition.decoders.classes.methods.differential_entropy import (
    DifferentialEntropy,
    DifferentialEntropySettings,
    entropies,
)

RATE_HZ = 128.0


def settings(**given: Any) -> DifferentialEntropySettings:
    return DifferentialEntropySettings.model_validate({"classes": ["rest", "task"], **given})


def windows(n: int, alpha: float, seed: int) -> FloatArray:
    """Windows (n, 1 band, 2 channels, samples): noise of one variance, that of the second alpha."""
    random = np.random.default_rng(seed)
    return random.normal(0, [[[[1.0], [alpha]]]], (n, 1, 2, 256))


def test_it_is_the_entropy_of_a_gaussian_of_the_bands_variance() -> None:
    """By the integral of -p ln p, numerically."""
    variances = np.array([0.3, 2.0, 50.0])
    found = entropies(variances)

    for variance, entropy in zip(variances, found, strict=True):
        x = np.linspace(-12, 12, 20_001) * math.sqrt(variance)
        p = np.exp(-(x**2) / (2 * variance)) / math.sqrt(2 * math.pi * variance)
        assert entropy == pytest.approx(-np.trapezoid(p * np.log(p), x), abs=1e-6)


def test_a_gain_moves_every_entropy_by_its_logarithm() -> None:
    method = DifferentialEntropy(settings(), RATE_HZ)
    (window,) = windows(1, 1.0, 5)
    moved = entropies(method.feature(2.0 * window)) - entropies(method.feature(window))
    np.testing.assert_allclose(moved, math.log(2.0))


def test_states_that_differ_in_one_electrodes_power_are_told_by_that_electrode() -> None:
    method = DifferentialEntropy(settings(), RATE_HZ)
    features = np.stack(
        [method.feature(one) for one in (*windows(30, 1.0, 1), *windows(30, 2.0, 2))]
    )
    classes = np.repeat([0, 1], 30)
    arrays = method.fit(features, classes, 2)

    new = np.stack([method.feature(one) for one in (*windows(20, 1.0, 3), *windows(20, 2.0, 4))])
    log_p = method.log_probabilities(arrays, new)
    np.testing.assert_allclose(np.exp(log_p).sum(axis=1), 1.0)
    assert (log_p.argmax(axis=1) == np.repeat([0, 1], 20)).mean() > 0.95
    weights = np.abs(arrays["weights"][:, 1])
    assert weights[1] > 3 * weights[0]


def test_bands_go_from_each_edge_to_the_next() -> None:
    made = settings(edges_hz=[4, 8, 13])
    assert made.bands(RATE_HZ) == [(4.0, 8.0), (8.0, 13.0)]
    assert (made.low_hz, made.high_hz) == (4.0, 13.0)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"edges_hz": [8, 4]}, "below"),
        ({"edges_hz": [4, 8, 8]}, "rise"),
        ({"edges_hz": [4, 8], "low_hz": 3}, "leave them out"),
        ({"edges_hz": [4]}, "at least 2"),
    ],
)
def test_edges_that_make_no_bands_are_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        settings(**given)
