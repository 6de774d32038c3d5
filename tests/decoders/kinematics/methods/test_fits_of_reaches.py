"""The Kalman filter of the preset is fitted to reaches from rest: real ones, and made-up ones.

Where each trial begins at rest nothing is uncertain there, and the filter's prior is singular.
"""

from __future__ import annotations

from pathlib import Path

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from volition.benchmarks.quality.datasets import flint_run1, m1_reach
from volition.chunk import FloatArray
from volition.decoders.kinematics.methods.gaussian import made_definite
from volition.decoders.kinematics.methods.kalman import KalmanDecoder, KalmanSettings
from volition.decoders.kinematics.methods.recursion import KalmanRecursion
from volition.service.sessions.config import load_config

PRESET = KalmanSettings.model_validate(load_config("kalman-velocity").decoder.model_dump())
N_TRIALS, N_BINS = 40, 21


def reaches(seed: int) -> tuple[FloatArray, FloatArray, FloatArray, np.ndarray]:
    """Give features, positions, velocities and trials of reaches out from the centre, and rest."""
    random = np.random.default_rng(seed)
    trials = np.repeat(np.arange(N_TRIALS), N_BINS)
    directions = random.integers(8, size=N_TRIALS)[trials] * np.pi / 4
    speeds = np.tile(20 * np.sin(np.pi * np.arange(N_BINS) / (N_BINS - 1)) ** 2, N_TRIALS)
    velocities = speeds[:, None] * np.column_stack([np.cos(directions), np.sin(directions)])
    positions = np.cumsum(velocities.reshape(N_TRIALS, N_BINS, 2), axis=1).reshape(-1, 2) * 0.05
    tuning = random.standard_normal((2, 30))
    features = velocities @ tuning + 5 * random.standard_normal((len(velocities), 30))
    return features, positions, velocities, trials


@hypothesis.settings(max_examples=8, deadline=None)
@hypothesis.given(seed=st.integers(0, 2**16))
def test_reaches_from_rest_are_fitted_and_decoded(seed: int) -> None:
    features, positions, velocities, trials = reaches(seed)
    model = KalmanDecoder.fit(PRESET, features, velocities, positions=positions, trials=trials)
    decoded = KalmanDecoder.decoded(PRESET, model, features)
    assert np.isfinite(decoded).all()
    assert np.linalg.norm(decoded - velocities) < 0.7 * np.linalg.norm(velocities)


@pytest.mark.slow
@pytest.mark.parametrize(("state", "n_rows"), [("calibrated", 21_980), ("velocity", 21_979)])
def test_all_rows_of_a_recorded_reach_are_fitted(
    shared_data: Path, state: str, n_rows: int
) -> None:
    data = m1_reach.load(shared_data / "m1_reach")
    settings = PRESET.model_copy(update={"state": state, "delays": [0, 1]})
    assert data.positions is not None
    assert data.trials is not None
    model = KalmanDecoder.fit(
        settings,
        data.features[:n_rows],
        data.velocities[:n_rows],
        positions=data.positions[:n_rows],
        trials=data.trials[:n_rows],
    )
    assert int(model.arrays["feature_delay"]) == 1


def test_all_rows_of_another_are_fitted(shared_data: Path) -> None:
    data = flint_run1.load(shared_data / "flint_run1")
    model = KalmanDecoder.fit(PRESET, data.features, data.velocities)
    assert np.linalg.eigvalsh(model.arrays["W"])[0] > 0


def test_a_prior_that_knows_a_state_for_sure_gives_what_the_textbook_gives() -> None:
    random = np.random.default_rng(0)
    A, C = 0.9 * np.eye(4), random.standard_normal((9, 4))
    W, R = np.diag([0.0, 0.0, 0.1, 0.2]), np.diag(random.uniform(0.5, 2, 9))
    recursion = KalmanRecursion(A, W, C, R, start_mean=np.zeros(4), start_covariance=0 * W)
    mean, covariance = np.zeros(4), np.zeros((4, 4))
    for step in range(20):
        features = random.standard_normal(9)
        recursion.step(features)
        if step:
            mean, covariance = A @ mean, A @ covariance @ A.T + W
        gain = covariance @ C.T @ np.linalg.inv(C @ covariance @ C.T + R)
        mean = mean + gain @ (features - C @ mean)
        covariance = covariance - gain @ C @ covariance
        np.testing.assert_allclose(recursion.mean, mean, atol=1e-12)
        np.testing.assert_allclose(recursion.covariance, covariance, atol=1e-12)


@hypothesis.given(
    seed=st.integers(0, 2**16),
    scales=st.lists(st.floats(1e-6, 1e6), min_size=2, max_size=5),
    rank=st.integers(0, 5),
)
def test_a_floor_is_relative_to_each_dimension_and_leaves_what_is_definite_alone(
    seed: int, scales: list[float], rank: int
) -> None:
    n = len(scales)
    root = (
        np.random.default_rng(seed).standard_normal((n, min(rank, n))) * np.array(scales)[:, None]
    )
    made = made_definite(root @ root.T)
    np.linalg.cholesky(made)
    spread = np.sqrt(made.diagonal())
    assert np.linalg.eigvalsh(made / spread / spread[:, None])[0] > 0
    np.testing.assert_allclose(made, root @ root.T, atol=3e-9 * float(np.square(root).sum() or 1.0))
    definite = made + np.diag(made.diagonal())
    np.testing.assert_array_equal(made_definite(definite), definite)
