from __future__ import annotations

import dataclasses

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from volition.decoders.kinematics.features import FeatureMap, FeatureSettings

SIGNAL = np.random.default_rng(0).standard_normal((80, 6)) * [1, 2, 3, 4, 5, 0] + 7


@hypothesis.given(
    settings=st.builds(
        FeatureSettings,
        standardise=st.booleans(),
        saturation_sd=st.sampled_from([None, 1.0]),
        n_components=st.sampled_from([None, 2, 9]),
        n_lags=st.integers(1, 4),
        lag_decay=st.sampled_from([1.0, 0.7]),
    ),
    delay=st.integers(0, 3),
)
def test_bin_by_bin_features_are_prepared_as_all_at_once(
    settings: FeatureSettings, delay: int
) -> None:
    fitted = dataclasses.replace(FeatureMap.fit(SIGNAL, settings), delay=delay)
    rows = fitted.rows(SIGNAL)
    assert rows.shape == (80, fitted.n_outputs)
    stream = fitted.stream()
    for features, expected in zip(SIGNAL, rows, strict=True):
        row = stream.push(features)
        assert row is not None
        np.testing.assert_allclose(row, expected, atol=1e-12)


def test_lags_are_the_newest_first_and_weigh_less_the_older() -> None:
    settings = FeatureSettings(standardise=False, n_lags=3, lag_decay=0.5)
    rows = FeatureMap.fit(SIGNAL, settings).rows(np.arange(1.0, 6.0)[:, None] * np.ones((1, 6)))
    assert rows[3, ::6].tolist() == [4.0, 1.5, 0.5]
    assert rows[0, ::6].tolist() == [1.0, 0.0, 0.0]


def test_components_are_uncorrelated_and_of_unit_variance() -> None:
    mixed = SIGNAL @ np.random.default_rng(1).standard_normal((6, 6))
    fitted = FeatureMap.fit(mixed, FeatureSettings(n_components=3))
    covariance = np.cov(fitted.scores(mixed), rowvar=False)
    np.testing.assert_allclose(covariance, np.eye(3), atol=1e-9)


def test_saturation_clips_a_z_score_and_leaves_the_rest() -> None:
    fitted = FeatureMap.fit(SIGNAL, FeatureSettings(saturation_sd=2))
    wild = SIGNAL[:1].copy()
    wild[0, 2] = 1e9
    scores = fitted.scores(wild)[0]
    assert scores[2] == 2.0
    np.testing.assert_allclose(np.delete(scores, 2), np.delete(fitted.scores(SIGNAL[:1])[0], 2))


@pytest.mark.parametrize(("n_lags", "delay"), [(1, 0), (3, 0), (1, 2), (2, 2)])
def test_a_row_is_missing_while_it_covers_a_missing_bin(n_lags: int, delay: int) -> None:
    fitted = FeatureMap.fit(SIGNAL, FeatureSettings(n_lags=n_lags))
    stream = dataclasses.replace(fitted, delay=delay).stream()
    given = [stream.push(None if t == 10 else SIGNAL[t]) is not None for t in range(20)]
    assert [t for t, whole in enumerate(given) if not whole] == list(range(10, 10 + n_lags + delay))
    stream.push(None)
    stream.reset()
    row = stream.push(SIGNAL[0])
    assert row is not None
    np.testing.assert_allclose(row, dataclasses.replace(fitted, delay=delay).rows(SIGNAL[:1])[0])


def test_the_best_features_are_those_that_the_movement_explains_most() -> None:
    random = np.random.default_rng(0)
    velocities = random.standard_normal((400, 2))
    noise = random.standard_normal((400, 6))
    features = noise + velocities @ random.standard_normal((2, 6)) * [3, 0.01, 2, 0.01, 0.01, 4]
    fitted = FeatureMap.fit(features, FeatureSettings(n_best=3), velocities)
    assert fitted.kept is not None
    assert fitted.kept.tolist() == [0, 2, 5]
    assert fitted.n_given == 6
    assert fitted.rows(features).shape == (400, 3)


def test_a_feature_map_comes_back_from_its_arrays() -> None:
    settings = FeatureSettings(n_best=4, n_components=2, n_lags=2)
    fitted = FeatureMap.fit(SIGNAL, settings, SIGNAL[:, :2])
    arrays = fitted.arrays()
    again = FeatureMap.load(
        lambda name, _: np.asarray(arrays[name], dtype=np.float64), settings, arrays
    )
    np.testing.assert_array_equal(again.rows(SIGNAL), fitted.rows(SIGNAL))
