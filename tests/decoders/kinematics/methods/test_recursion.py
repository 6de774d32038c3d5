from __future__ import annotations

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
from scipy.linalg import solve_discrete_are

from volition.chunk import FloatArray
from volition.decoders.kinematics.methods.gaussian import (
    fit_dynamics,
    fit_start,
    follows_of,
    inverse,
    made_definite,
)
from volition.decoders.kinematics.methods.recursion import (
    DiscriminativeRecursion,
    KalmanRecursion,
    Variant,
)
from volition.errors import ModelError


class Linear:
    """A linear-Gaussian world: states that follow A, seen through C, at rest from the start."""

    def __init__(self, seed: int, n_dimensions: int, n_features: int) -> None:
        random = np.random.default_rng(seed)
        n = n_dimensions
        self.A = 0.9 * np.linalg.qr(random.standard_normal((n, n)))[0]
        root = random.standard_normal((n, n))
        self.W: FloatArray = 0.1 * (root @ root.T + np.eye(n))
        self.C: FloatArray = random.standard_normal((n_features, n))
        root = random.standard_normal((n_features, n_features))
        self.R: FloatArray = root @ root.T / n_features + np.eye(n_features)
        self.S = np.eye(n)
        for _ in range(1000):  # the stationary covariance, S = A S Aᵀ + W
            self.S = self.A @ self.S @ self.A.T + self.W
        self.random = random

    def run(self, n_bins: int) -> tuple[FloatArray, FloatArray]:
        n, m = self.A.shape[0], self.C.shape[0]
        state = np.linalg.cholesky(self.S) @ self.random.standard_normal(n)
        states, features = np.empty((n_bins, n)), np.empty((n_bins, m))
        for t in range(n_bins):
            if t:
                state = self.A @ state + np.linalg.cholesky(self.W) @ self.random.standard_normal(n)
            noise = np.linalg.cholesky(self.R) @ self.random.standard_normal(m)
            states[t], features[t] = state, self.C @ state + noise
        return states, features

    def kalman(self, *, steady: bool = False) -> KalmanRecursion:
        return KalmanRecursion(
            self.A,
            self.W,
            self.C,
            self.R,
            start_mean=np.zeros(len(self.A)),
            start_covariance=self.S,
            steady=steady,
        )

    def exact_regression(self) -> tuple[FloatArray, FloatArray]:
        """Give ``B`` and ``Q`` of p(z|x) = N(B x, Q), which a linear-Gaussian world has."""
        G = self.C.T @ np.linalg.inv(self.R)
        Q: FloatArray = np.linalg.inv(np.linalg.inv(self.S) + G @ self.C).astype(np.float64)
        B: FloatArray = (Q @ G).astype(np.float64)
        return B, Q


worlds = st.builds(
    Linear, st.integers(0, 10_000), st.sampled_from([1, 2, 3]), st.sampled_from([4, 7])
)
few = hypothesis.settings(max_examples=15)


@few
@hypothesis.given(world=worlds)
def test_the_kalman_filter_is_the_textbooks_with_its_gain_and_josephs_update(world: Linear) -> None:
    _, features = world.run(25)
    ours = world.kalman()
    mean, P = np.zeros(len(world.A)), world.S
    for t, x in enumerate(features):
        if t:
            mean, P = world.A @ mean, world.A @ P @ world.A.T + world.W
        K = P @ world.C.T @ np.linalg.inv(world.C @ P @ world.C.T + world.R)
        left = np.eye(len(P)) - K @ world.C
        innovation = x - world.C @ mean
        spread = world.C @ P @ world.C.T + world.R
        mean, P = mean + K @ innovation, left @ P @ left.T + K @ world.R @ K.T

        ours.step(x)

        np.testing.assert_allclose(ours.mean, mean, atol=1e-10)
        np.testing.assert_allclose(ours.covariance, P, atol=1e-10)
        np.testing.assert_allclose(ours.gain, K, atol=1e-10)
        surprise = ours.surprise()
        assert surprise is not None
        np.testing.assert_allclose(surprise[0], innovation, atol=1e-10)
        assert surprise[1] == pytest.approx(innovation @ np.linalg.inv(spread) @ innovation)


@few
@hypothesis.given(world=worlds)
def test_with_exact_f_and_q_the_discriminative_filter_is_the_kalman_filter(world: Linear) -> None:
    B, Q = world.exact_regression()
    kalman = world.kalman()
    ways = [
        DiscriminativeRecursion(
            world.A,
            world.W,
            world.S,
            start_mean=np.zeros(len(world.A)),
            start_covariance=world.S,
            constant_Q=constant,
        )
        for constant in (Q, None)
    ]
    _, features = world.run(120)
    for t, x in enumerate(features):
        missing = t in (30, 31, 32, 80)
        kalman.step(None if missing else x)
        for way, given_Q in zip(ways, (None, Q), strict=True):
            way.step(None if missing else B @ x, given_Q)
            np.testing.assert_allclose(way.mean, kalman.mean, atol=1e-10)
            np.testing.assert_allclose(way.covariance, kalman.covariance, atol=1e-10)
    assert [way.replaced for way in ways] == [0, 0]


@few
@hypothesis.given(world=worlds)
def test_the_steady_gain_solves_the_riccati_equation_in_the_features(world: Linear) -> None:
    M = solve_discrete_are(world.A.T, world.C.T, world.W, world.R)
    K = M @ world.C.T @ np.linalg.inv(world.C @ M @ world.C.T + world.R)
    steady = world.kalman(steady=True)
    steady.step(world.run(1)[1][0])
    np.testing.assert_allclose(steady.gain, K, atol=1e-9)


@few
@hypothesis.given(world=worlds)
def test_the_steady_filter_equals_the_full_one_once_that_has_converged(world: Linear) -> None:
    full, steady = world.kalman(), world.kalman(steady=True)
    _, features = world.run(300)
    for x in features:
        full.step(x)
        steady.step(x)
    np.testing.assert_allclose(steady.mean, full.mean, atol=1e-9)
    np.testing.assert_allclose(steady.covariance, full.covariance, atol=1e-9)
    ours, theirs = steady.surprise(), full.surprise()
    assert ours is not None
    assert theirs is not None
    np.testing.assert_allclose(ours[0], theirs[0], atol=1e-8)
    assert ours[1] == pytest.approx(theirs[1], abs=1e-7)


def test_the_normalised_innovation_of_a_right_model_averages_the_number_of_features() -> None:
    world = Linear(3, 2, 7)
    B, Q = world.exact_regression()
    kalman = world.kalman()
    dkf = DiscriminativeRecursion(
        world.A,
        world.W,
        world.S,
        start_mean=np.zeros(2),
        start_covariance=world.S,
        constant_Q=Q,
    )
    of_kalman: list[float] = []
    of_dkf: list[float] = []
    for x in world.run(3000)[1]:
        kalman.step(x)
        dkf.step(B @ x)
        for recursion, values in ((kalman, of_kalman), (dkf, of_dkf)):
            surprise = recursion.surprise()
            assert surprise is not None
            values.append(surprise[1])
    assert np.mean(of_kalman) == pytest.approx(7, rel=0.05)
    assert np.mean(of_dkf) == pytest.approx(2, rel=0.08)


def test_without_observations_a_filter_predicts_and_its_covariance_goes_to_the_states() -> None:
    world = Linear(5, 2, 4)
    B, Q = world.exact_regression()
    kalman = world.kalman()
    dkf = DiscriminativeRecursion(
        world.A, world.W, world.S, start_mean=np.zeros(2), start_covariance=world.S, constant_Q=Q
    )
    for x in world.run(40)[1]:
        kalman.step(x)
        dkf.step(B @ x)
    expected = world.A @ kalman.mean
    for recursion in (kalman, dkf):
        recursion.step(None)
        np.testing.assert_allclose(recursion.mean, expected, atol=1e-10)
        assert recursion.surprise() is None
        for _ in range(400):
            recursion.step(None)
        np.testing.assert_allclose(recursion.covariance, world.S, atol=1e-8)
        np.testing.assert_allclose(recursion.mean, 0, atol=1e-8)


@pytest.mark.parametrize("variant", ["standard", "alternative", "robust"])
def test_errors_larger_than_the_states_own_spread_never_break_the_filter(variant: Variant) -> None:
    S = np.diag([1.0, 2.0])
    recursion = DiscriminativeRecursion(
        0.9 * np.eye(2),
        0.19 * S,
        S,
        start_mean=np.zeros(2),
        start_covariance=S,
        variant=variant,
    )
    random = np.random.default_rng(0)
    for _ in range(200):
        root = random.standard_normal((2, 2)) * 3
        recursion.step(random.standard_normal(2), root @ root.T + 0.1 * np.eye(2))
        assert np.linalg.eigvalsh(recursion.covariance)[0] > 0
        assert np.isfinite(recursion.mean).all()
    assert (recursion.replaced > 100) == (variant != "robust")


def test_a_q_that_says_no_more_than_the_prior_leaves_the_prediction_as_it_is() -> None:
    S = np.diag([1.0, 2.0])
    recursion = DiscriminativeRecursion(
        0.9 * np.eye(2),
        0.19 * S,
        S,
        start_mean=np.zeros(2),
        start_covariance=S,
        variant="alternative",
    )
    recursion.step(np.array([0.3, -0.4]), 0.2 * S)
    expected = 0.9 * recursion.mean
    recursion.step(np.zeros(2), 5 * S)  # clipped to S: f is the prior's mean, and worth nothing
    np.testing.assert_allclose(recursion.mean, expected, atol=1e-12)
    np.testing.assert_allclose(recursion.covariance[0, 1], 0, atol=1e-12)


def test_the_robust_variant_shrinks_what_the_standard_one_does_not() -> None:
    S = np.eye(2)
    means = {}
    variants: list[Variant] = ["standard", "robust"]
    for variant in variants:
        recursion = DiscriminativeRecursion(
            0.5 * S,
            0.75 * S,
            S,
            start_mean=np.zeros(2),
            start_covariance=S,
            variant=variant,
        )
        recursion.step(np.array([1.0, 0.0]), 0.5 * S)
        means[variant] = recursion.mean
    np.testing.assert_allclose(means["standard"], [1.0, 0.0])
    np.testing.assert_allclose(means["robust"], [2 / 3, 0.0])


def test_a_constant_q_comes_to_rest_and_wakes_after_a_missing_bin() -> None:
    world = Linear(8, 2, 5)
    B, Q = world.exact_regression()
    dkf, kalman = (
        DiscriminativeRecursion(
            world.A,
            world.W,
            world.S,
            start_mean=np.zeros(2),
            start_covariance=world.S,
            constant_Q=Q,
        ),
        world.kalman(),
    )
    for t, x in enumerate(world.run(400)[1]):
        dkf.step(None if t == 300 else B @ x)
        kalman.step(None if t == 300 else x)
        np.testing.assert_allclose(dkf.mean, kalman.mean, atol=1e-10)
        if t in (299, 399):
            assert dkf._frozen is not None
        elif t == 300:
            assert dkf._frozen is None


def test_a_filter_without_a_steady_state_says_so() -> None:
    with pytest.raises(ModelError, match="steady"):
        KalmanRecursion(
            2.0 * np.eye(2),
            np.eye(2),
            np.zeros((3, 2)),
            np.eye(3),
            start_mean=np.zeros(2),
            start_covariance=np.eye(2),
            steady=True,
        )


def test_dynamics_are_fitted_within_trials_and_not_across_them() -> None:
    world = Linear(2, 2, 4)
    states = np.concatenate([world.run(30)[0] for _ in range(400)])
    trials = np.repeat(np.arange(400), 30)
    A, W = fit_dynamics(states, follows_of(len(states), trials))
    np.testing.assert_allclose(A, world.A, atol=0.03)
    np.testing.assert_allclose(W, world.W, atol=0.02)
    across, _ = fit_dynamics(states, follows_of(len(states), None))
    assert np.abs(across - world.A).max() > np.abs(A - world.A).max()


def test_a_start_is_that_of_trials_where_there_are_enough_of_them() -> None:
    random = np.random.default_rng(0)
    states = random.standard_normal((200, 2))
    states[::10] = 5.0 + 0.1 * states[::10]
    mean, covariance = fit_start(states, follows_of(200, np.repeat(np.arange(20), 10)))
    np.testing.assert_allclose(mean, 5.0, atol=0.1)
    assert covariance[0, 0] < 0.05
    mean, covariance = fit_start(states, follows_of(200, None))
    assert mean[0] < 1


@hypothesis.given(seed=st.integers(0, 1000), size=st.sampled_from([2, 3]))
def test_the_inverse_of_a_covariance_is_one_and_symmetric(seed: int, size: int) -> None:
    root = np.random.default_rng(seed).standard_normal((size, size))
    matrix = root @ root.T + 0.1 * np.eye(size)
    np.testing.assert_allclose(inverse(matrix) @ matrix, np.eye(size), atol=1e-9)
    np.testing.assert_array_equal(inverse(matrix), inverse(matrix).T)


@pytest.mark.parametrize("matrix", [np.zeros((3, 3)), np.ones((3, 3)), np.diag([1.0, 0.0, 2.0])])
def test_a_covariance_that_is_not_definite_is_made_so_by_little(matrix: FloatArray) -> None:
    made = made_definite(matrix)
    assert np.linalg.eigvalsh(made)[0] > 0
    np.testing.assert_allclose(made, matrix, atol=1e-6)


def test_a_covariance_that_rounding_made_singular_still_has_an_inverse() -> None:
    for matrix in (np.ones((2, 2)), np.full((2, 2), 1e-200), np.diag([1e-300, 1e-300])):
        assert np.isfinite(inverse(matrix)).all()


def test_what_was_observed_is_kept_when_its_buffer_is_written_again() -> None:
    world = Linear(1, 2, 4)
    for steady in (True, False):
        recursion = world.kalman(steady=steady)
        buffer = np.ones(4)
        recursion.step(buffer)
        recursion.step(buffer)
        before = recursion.surprise()
        buffer[:] = 1e6
        after = recursion.surprise()
        assert before is not None
        assert after is not None
        assert after[1] == before[1]
