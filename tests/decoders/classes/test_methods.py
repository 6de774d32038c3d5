"""Each method against another way to its numbers."""

from __future__ import annotations

import numpy as np
import pytest
import scipy

from volition.chunk import FloatArray
from volition.decoders.artifacts.averages import riemannian_distance, riemannian_mean, spectral
from volition.decoders.classes.discriminant import fit_discriminant, shrunk_covariance
from volition.decoders.classes.logistic import fit_logistic
from volition.decoders.classes.methods.csp import CSP, CspSettings, spatial_filters
from volition.decoders.classes.methods.emg_lda import EmgLda, EmgLdaSettings
from volition.decoders.classes.methods.fbcsp import information
from volition.decoders.classes.methods.mdm import MDM, MdmSettings
from volition.decoders.classes.methods.tangent import tangent_vectors

RNG = np.random.default_rng(8)
CLASSES = np.tile([0, 1], 30)


def covariances(n: int = 60, size: int = 4) -> FloatArray:
    samples = RNG.standard_normal((n, 50, size))
    samples[CLASSES[:n] == 1, :, 0] *= 3.0
    found: FloatArray = samples.transpose(0, 2, 1) @ samples / 50
    return found


def test_spatial_filters_make_one_class_loud_and_the_other_quiet() -> None:
    given = covariances()
    filters = spatial_filters(given, CLASSES, 2, 1)
    scaled = given / np.trace(given, axis1=1, axis2=2)[:, None, None]
    loud = [
        np.einsum("fi,ij,fj->f", filters, scaled[k == CLASSES].mean(axis=0), filters)
        for k in (0, 1)
    ]
    # With C_0 + C_1 whitened to the identity the two variances of a filter add up to one.
    np.testing.assert_allclose(loud[0] + loud[1], 1.0, atol=1e-9)
    # Scaled to trace one, the channel that is loud in class 1 has 9 of 12 parts there, 1 of 4 here.
    assert (loud[1] / loud[0]).max() == pytest.approx(3.0, rel=0.3)


def test_the_discriminant_of_known_normals_is_the_exact_one() -> None:
    mixing = np.array([[2.0, 0.5, 0.0], [0.0, 1.0, 0.3], [0.1, 0.0, 1.5]])
    rows = RNG.standard_normal((4000, 3)) @ mixing
    classes = np.tile([0, 1], 2000)
    means = np.array([[0.0, 0.0, 0.0], [1.0, -1.0, 0.5]])
    weights, offsets = fit_discriminant(rows + means[classes], classes, 2)

    exact = np.linalg.solve(mixing.T @ mixing, means[1])
    np.testing.assert_allclose(weights[:, 1] - weights[:, 0], exact, atol=0.15, rtol=0.1)
    middle = means[1] / 2
    assert abs(middle @ (weights[:, 1] - weights[:, 0]) + offsets[1] - offsets[0]) < 0.2


def test_shrinkage_keeps_the_trace_and_grows_as_rows_are_few() -> None:
    rows = RNG.standard_normal((2000, 5)) * [1, 2, 3, 4, 5]
    many, few = shrunk_covariance(rows), shrunk_covariance(rows[:8])

    np.testing.assert_allclose(np.trace(many), rows.var(axis=0).sum(), rtol=1e-9)
    np.testing.assert_allclose(np.diag(many), [1, 4, 9, 16, 25], rtol=0.15)
    assert np.linalg.cond(few) < 100


def test_the_regression_stands_where_its_slope_vanishes() -> None:
    features = RNG.standard_normal((120, 4))
    classes = (features @ [1.0, -1.0, 0.5, 0.0] + 0.3 * RNG.standard_normal(120) > 0).astype(int)
    weights, offsets = fit_logistic(features, classes, 2, penalty=2.0)

    probabilities = scipy.special.softmax(features @ weights + offsets, axis=1)
    slope = features.T @ (probabilities - np.eye(2)[classes]) + 2.0 * weights
    assert np.abs(slope).max() < 1e-2


def test_tangent_vectors_are_as_long_as_their_distance_from_the_mean() -> None:
    given = covariances(10)
    mean = riemannian_mean(given)
    vectors = tangent_vectors(spectral(mean, -0.5)[None], given[:, None])
    lengths = np.linalg.norm(vectors, axis=1)
    np.testing.assert_allclose(lengths, [riemannian_distance(mean, one) for one in given])


def test_the_nearest_mean_is_the_most_probable() -> None:
    method, given = MDM(MdmSettings(), 250.0), covariances()
    arrays = method.fit(given[:, None], CLASSES, 2)
    means = [riemannian_mean(given[k == CLASSES]) for k in (0, 1)]
    nearest = [np.argmin([riemannian_distance(mean, one) for mean in means]) for one in given]

    found = method.log_probabilities(arrays, given[:, None])
    np.testing.assert_array_equal(found.argmax(axis=1), nearest)
    np.testing.assert_allclose(np.exp(found).sum(axis=1), 1.0)


def test_a_feature_that_tells_more_holds_more_information() -> None:
    features = RNG.standard_normal((60, 2))
    features[:, 0] += 3.0 * CLASSES
    told = information(features, CLASSES, 2)
    assert told[0] > 0.3 > told[1]


def test_a_sine_has_the_features_of_a_sine() -> None:
    rate_hz, freq_hz, n = 1000.0, 50.0, 400
    window = 7.0 * np.sin(2 * np.pi * freq_hz * np.arange(n) / rate_hz + 0.3)[None, None]
    method = EmgLda(EmgLdaSettings(least_share=0.01), rate_hz)

    size, length, crossings, turns = method.feature(window)
    assert np.exp(size) == pytest.approx(7 / np.sqrt(2), rel=1e-3)
    assert np.exp(length) == pytest.approx(4 * 7 * freq_hz, rel=0.02)  # four amplitudes a period
    assert crossings == pytest.approx(2 * freq_hz, rel=0.05)
    assert turns == pytest.approx(2 * freq_hz, rel=0.05)


def test_csp_with_three_classes_contrasts_each_with_the_others() -> None:
    given, classes = covariances(), np.tile([0, 1, 2], 20)
    arrays = CSP(CspSettings(n_pairs=1), 250.0).fit(given[:, None], classes, 3)
    assert arrays["filters"].shape == (6, 4)
