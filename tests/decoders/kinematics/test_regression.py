from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from volition.chunk import FloatArray
from volition.decoders.fitting.fitted import Array
from volition.decoders.kinematics.methods.regressing import REGRESSORS
from volition.decoders.kinematics.regression.gaussian_process import (
    GaussianProcess,
    GaussianProcessSettings,
    _negative_log_likelihood,
    _negative_log_likelihood_of_relevances,
    best_hyper_parameters,
)
from volition.decoders.kinematics.regression.kernel_ridge import KernelRidge, KernelRidgeSettings
from volition.decoders.kinematics.regression.linear import Linear, LinearSettings
from volition.decoders.kinematics.regression.multiple_kernel import (
    MultipleKernel,
    MultipleKernelSettings,
    octant_means,
)
from volition.decoders.kinematics.regression.nadaraya_watson import NadarayaWatson, best_bandwidth
from volition.decoders.kinematics.regression.network import NetworkRegression, NetworkSettings
from volition.decoders.kinematics.regression.random_forest import RandomForest, RandomForestSettings
from volition.decoders.kinematics.regression.regressor import RegressorSettings, squared_distances
from volition.errors import DecodeError, ModelError


def curve(n_rows: int, seed: int = 0, noise: float = 0.1) -> tuple[FloatArray, FloatArray]:
    """Give rows of four features and the states that they bend into."""
    random = np.random.default_rng(seed)
    rows = random.standard_normal((n_rows, 4))
    states = np.column_stack([np.tanh(2 * rows[:, 0]), np.sin(rows[:, 1] + rows[:, 2])])
    return rows, states + noise * random.standard_normal(states.shape)


SMALL: dict[str, RegressorSettings] = {
    "gaussian-process": GaussianProcessSettings(likelihood_points=150),
    "kernel-ridge": KernelRidgeSettings(choice_points=150, n_folds=3),
    "linear": LinearSettings(),
    "multiple-kernel": MultipleKernelSettings(),
    "nadaraya-watson": NadarayaWatson.settings_model(kind="nadaraya-watson"),
    "network": NetworkSettings(max_iterations=100),
    "random-forest": RandomForestSettings(n_trees=20),
}

each = pytest.mark.parametrize("kind", sorted(REGRESSORS))


@each
def test_a_regression_kept_as_arrays_gives_the_same_bits_when_read_back(kind: str) -> None:
    rows, states = curve(300)
    fitted = REGRESSORS[kind].fit(rows, states, SMALL[kind])
    arrays = fitted.arrays()
    again = REGRESSORS[kind].load(
        lambda name, _: np.asarray(arrays[name], dtype=np.float64, order="C"), 4
    )
    for row in rows[:20]:
        np.testing.assert_array_equal(again.predict_row(row), fitted.predict_row(row))


@each
def test_row_by_row_a_regression_says_what_it_says_of_all_rows(kind: str) -> None:
    rows, states = curve(300)
    fitted = REGRESSORS[kind].fit(rows, states, SMALL[kind])
    others = curve(40, seed=1)[0]
    single = np.array([fitted.predict_row(row) for row in others])
    assert_allclose(single, fitted.predict(others), atol=1e-9)
    np.testing.assert_array_equal(single, [fitted.predict_row(row) for row in others])


@pytest.mark.parametrize(
    "kind", ["gaussian-process", "kernel-ridge", "nadaraya-watson", "network", "random-forest"]
)
def test_a_regression_that_bends_learns_more_than_a_straight_one(kind: str) -> None:
    rows, states = curve(800)
    new_rows, truth = curve(200, seed=1, noise=0)
    straight = Linear.fit(rows, states, LinearSettings()).predict(new_rows)
    bent = REGRESSORS[kind].fit(rows, states, SMALL[kind]).predict(new_rows)
    assert ((bent - truth) ** 2).mean() < 0.5 * ((straight - truth) ** 2).mean()


def test_the_bandwidth_has_the_least_error_of_leaving_one_out() -> None:
    rows, states = curve(120)

    def error(bandwidth: float) -> float:
        total = 0.0
        for left_out in range(len(rows)):
            others = np.arange(len(rows)) != left_out
            squares = ((rows[others] - rows[left_out]) ** 2).sum(axis=1)
            weights = np.exp(-squares / (2 * bandwidth))
            guess = weights @ states[others] / weights.sum()
            total += ((guess - states[left_out]) ** 2).sum()
        return float(total)

    found = best_bandwidth(rows, states)
    grid = np.geomspace(0.02, 20, 60)
    assert error(found) <= 1.001 * min(error(value) for value in grid)


def test_a_row_far_from_everything_seen_still_gets_its_nearest_states() -> None:
    points = np.array([[0.0, 0.0], [1.0, 0.0]])
    kernel = NadarayaWatson(points, np.array([[1.0, 2.0], [3.0, 4.0]]), 0.01)
    assert_allclose(kernel.predict_row(np.array([1e4, 0.0])), [3.0, 4.0])


def test_the_gradient_of_the_marginal_likelihood_is_that_of_its_differences() -> None:
    rows, states = curve(60)
    distances, target = squared_distances(rows, rows), states[:, 0]
    at = np.log([1.3, 0.8, 0.3])
    _, gradient = _negative_log_likelihood(at, distances, target)
    for index in range(3):
        step = np.zeros(3)
        step[index] = 1e-5
        above = _negative_log_likelihood(at + step, distances, target)[0]
        below = _negative_log_likelihood(at - step, distances, target)[0]
        assert gradient[index] == pytest.approx((above - below) / 2e-5, rel=1e-4)


def test_so_is_the_gradient_with_a_length_scale_for_each_feature() -> None:
    rows, states = curve(60)
    at = np.log([*np.linspace(0.8, 2.0, rows.shape[1]), 0.8, 0.3])

    def value(log_hyper: FloatArray) -> float:
        return _negative_log_likelihood_of_relevances(log_hyper, rows, states)[0]

    _, gradient = _negative_log_likelihood_of_relevances(at, rows, states)
    steps = 1e-5 * np.eye(len(at))
    by_hand = [(value(at + step) - value(at - step)) / 2e-5 for step in steps]
    assert_allclose(gradient, by_hand, rtol=1e-4, atol=1e-5)


def test_features_that_tell_nothing_are_given_long_length_scales_and_do_less_harm() -> None:
    random = np.random.default_rng(5)

    def with_noise(n_bins: int, seed: int) -> tuple[FloatArray, FloatArray]:
        rows, states = curve(n_bins, seed=seed)
        return np.hstack([rows, random.standard_normal((n_bins, 3))]), states

    rows, states = with_noise(400, 0)
    new_rows, truth = with_noise(200, 1)
    plain = GaussianProcessSettings(likelihood_points=200, max_evaluations=60)
    settings = plain.model_copy(update={"relevance": True})
    one_scale = GaussianProcess.fit(rows, states, plain)
    fitted = GaussianProcess.fit(rows, states, settings)
    errors = [((one.predict(new_rows) - truth) ** 2).mean() for one in (one_scale, fitted)]
    assert errors[1] < 0.8 * errors[0]
    assert fitted.scale[-3:].min() > 2 * fitted.scale[:-3].min()
    again = GaussianProcess.fit(rows, states, fitted.as_chosen(settings, rows))
    np.testing.assert_array_equal(again.weights, fitted.weights)


def test_the_hyper_parameters_find_the_noise_that_was_put_in() -> None:
    rows, states = curve(300, noise=0.25)
    _, _, noise = best_hyper_parameters(squared_distances(rows, rows), states[:, 0], 60)
    assert noise == pytest.approx(0.25, rel=0.2)


def test_a_gaussian_process_is_the_textbooks_posterior_mean() -> None:
    rows, states = curve(80)
    fitted = GaussianProcess.fit(rows, states, SMALL["gaussian-process"])
    new_rows = curve(5, seed=2)[0]
    for dimension, (length, signal, noise) in enumerate(fitted.hyper):

        def kernel(
            a: FloatArray, b: FloatArray, length: float = length, signal: float = signal
        ) -> FloatArray:
            squares = ((a[:, None] - b[None]) ** 2).sum(axis=2)
            result: FloatArray = signal**2 * np.exp(-squares / (2 * length**2))
            return result

        K = kernel(rows, rows) + noise**2 * np.eye(80)
        expected = kernel(new_rows, rows) @ np.linalg.solve(K, states[:, dimension])
        assert_allclose(fitted.predict(new_rows)[:, dimension], expected, atol=1e-8)


def test_kernel_ridge_on_all_points_is_the_closed_form_and_on_a_part_comes_near_it() -> None:
    rows, states = curve(250)
    spread = np.sqrt(rows.var(axis=0).sum())
    one = KernelRidgeSettings(length_scales=[1.2 / spread], ridges=[0.2])
    K = np.exp(-squared_distances(rows, rows) / (2 * 1.2**2))
    expected = K @ np.linalg.solve(K + 0.2 * np.eye(250), states)
    assert_allclose(KernelRidge.fit(rows, states, one).predict(rows), expected, atol=1e-6)
    part = KernelRidge.fit(rows, states, one.model_copy(update={"max_points": 150}))
    assert len(part.points) == 150
    assert np.abs(part.predict(rows) - expected).mean() < 0.03


def test_kernel_ridge_chooses_the_ridge_that_the_noise_asks_for() -> None:
    settings = KernelRidgeSettings(ridges=[0.01, 1.0], choice_points=400)
    clean, noisy = (KernelRidge.fit(*curve(400, noise=noise), settings) for noise in (0.01, 1.0))
    assert (clean.ridge, noisy.ridge) == (0.01, 1.0)


def test_a_network_trains_to_what_one_hidden_layer_can_say() -> None:
    rows = np.random.default_rng(0).standard_normal((500, 3))
    states = np.tanh(rows @ np.array([[1.0, -1.0], [0.5, 0.0], [0.0, 2.0]]))
    settings = NetworkSettings(weight_decay=0, max_iterations=2000)
    fitted = NetworkRegression.fit(rows, states, settings)
    assert np.abs(fitted.predict(rows) - states).max() < 0.05


def test_prototypes_are_the_means_of_the_octants_that_hold_anything() -> None:
    angles = np.deg2rad([0, 10, -10, 90, 100, 80, 180])
    states = np.column_stack([np.cos(angles), np.sin(angles)])
    states = np.vstack([states, [0.0, 0.0]])  # at rest: no direction
    rows = np.arange(8.0)[:, None]
    points, targets = octant_means(rows, states)
    assert sorted(points[:, 0]) == [1.0, 4.0, 6.0]
    assert_allclose(np.abs(targets).max(axis=1), [0.9899, 0.9899, 1.0], atol=1e-4)


def test_a_wild_feature_costs_a_multiple_kernel_no_more_than_its_share() -> None:
    random = np.random.default_rng(0)
    kernel = MultipleKernel(
        random.standard_normal((8, 40)), random.standard_normal((8, 2)), length_scale=2.0
    )
    row = random.standard_normal(40)
    wild = row.copy()
    wild[7] = 1e6
    most = np.abs(kernel.weights).sum(axis=0) / 40
    assert (np.abs(kernel.predict_row(wild) - kernel.predict_row(row)) <= most + 1e-12).all()


@pytest.mark.parametrize(
    ("states", "message"),
    [(np.ones((20, 3)), "two dimensions"), (np.tile([1.0, 0.1], (20, 1)), "at least two octants")],
)
def test_octants_need_directions(states: FloatArray, message: str) -> None:
    with pytest.raises(DecodeError, match=message):
        MultipleKernel.fit(np.ones((20, 4)), states, MultipleKernelSettings())


def test_a_split_leaves_the_least_squared_error_of_all_that_leave_enough_rows() -> None:
    rows, states = curve(200)
    settings = RandomForestSettings(
        n_trees=1, max_depth=1, feature_share=1.0, n_thresholds=31, least_leaf=5, seed=3
    )
    forest = RandomForest.fit(rows, states, settings)
    drawn = np.random.default_rng(3).integers(len(rows), size=len(rows))
    seen, wanted = rows[drawn], states[drawn]

    def error(feature: int, threshold: float) -> float:
        above = seen[:, feature] > threshold
        if min(above.sum(), (~above).sum()) < 5:
            return np.inf
        parts = (wanted[above], wanted[~above])
        return float(sum(((part - part.mean(axis=0)) ** 2).sum() for part in parts))

    thresholds = np.quantile(rows, np.linspace(0, 1, 33)[1:-1], axis=0)
    least = min(error(f, value) for f in range(4) for value in thresholds[:, f])
    assert error(int(forest.feature[0]), float(forest.threshold[0])) == pytest.approx(least)
    above = seen[:, forest.feature[0]] > forest.threshold[0]
    far = seen[above][0]
    assert_allclose(forest.predict_row(far), wanted[above].mean(axis=0))


def test_a_forest_whose_arrays_point_outside_of_it_is_refused() -> None:
    rows, states = curve(100)
    arrays = RandomForest.fit(rows, states, RandomForestSettings(n_trees=2)).arrays()
    for broken in ("feature", "child", "roots"):
        for wrong in (-1, 10**6):
            found = {**arrays, broken: np.full_like(arrays[broken], wrong)}

            def parameter(
                name: str, shape: tuple[int | None, ...], found: dict[str, Array] = found
            ) -> FloatArray:
                return np.asarray(found[name], np.float64)

            with pytest.raises(ModelError, match="outside"):
                RandomForest.load(parameter, 4)
