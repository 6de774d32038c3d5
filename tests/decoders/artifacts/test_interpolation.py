"""Places of electrodes, and what a bad channel would have shown."""

from __future__ import annotations

import numpy as np
import pytest

from volition.decoders.artifacts.electrodes import find_positions, from_above, positions
from volition.decoders.artifacts.interpolation import (
    Interpolator,
    covariance_weights,
    spline_weights,
)


def test_electrodes_lie_where_the_system_puts_them() -> None:
    places = positions()
    assert len(places) == 73
    for place in places.values():
        assert np.linalg.norm(place) == pytest.approx(1.0)
    np.testing.assert_allclose(places["CZ"], [0, 0, 1], atol=1e-12)
    np.testing.assert_allclose(places["C3"], [-np.sqrt(0.5), 0, np.sqrt(0.5)], atol=1e-12)
    np.testing.assert_allclose(places["FZ"], [0, np.sqrt(0.5), np.sqrt(0.5)], atol=1e-12)
    for left, right in (("F3", "F4"), ("PO7", "PO8"), ("FC5", "FC6"), ("O1", "O2")):
        np.testing.assert_allclose(places[left] * [-1, 1, 1], places[right], atol=1e-12)
    np.testing.assert_array_equal(places["T3"], places["T7"])
    assert np.isnan(find_positions(["Oz", "channel 7"])[1]).all()


def test_seen_from_above_the_ring_is_a_circle_and_distances_are_over_the_scalp() -> None:
    assert from_above("Cz") == (0.0, 0.0)
    assert from_above("fpz") == pytest.approx((0.0, 1.0), abs=1e-9)
    assert from_above("T8") == pytest.approx((1.0, 0.0), abs=1e-9)
    assert from_above("Pz") == pytest.approx((0.0, -0.5), abs=1e-9)
    assert from_above("channel 7") is None


def test_a_smooth_potential_is_interpolated() -> None:
    labels = ["Fp1", "Fp2", "F3", "F4", "C3", "C4", "P3", "P4", "O1", "O2", "Fz", "Cz", "Pz"]
    places = find_positions(labels)
    potential = 3 + places @ np.array([1.0, -2.0, 0.5])
    for bad in range(len(labels)):
        good = np.arange(len(labels)) != bad
        found = spline_weights(places[good], places[~good]) @ potential[good]
        assert found[0] == pytest.approx(potential[bad], abs=0.35)


def test_a_constant_is_interpolated_exactly() -> None:
    places = find_positions(["Fz", "Cz", "Pz", "C3", "C4"])
    assert spline_weights(places[1:], places[:1]).sum() == pytest.approx(1.0)


def test_by_covariance_a_dependent_channel_is_found_again() -> None:
    rng = np.random.default_rng(0)
    samples = rng.standard_normal((5000, 3))
    samples = np.column_stack([samples, samples @ [1.0, -2.0, 0.5]])
    weights = covariance_weights(np.cov(samples.T), np.arange(3), np.array([3]))
    np.testing.assert_allclose(weights[0], [1.0, -2.0, 0.5], atol=1e-3)


def test_without_places_or_covariance_nothing_is_made_up() -> None:
    unknown = Interpolator(find_positions(["a", "b", "c"]))
    assert unknown.by == "covariance"
    assert unknown.matrix(np.array([True, False, False])) is None
    known = Interpolator(find_positions(["Oz", "O1", "O2"]))
    assert known.by == "spline"
    assert known.matrix(np.array([True, True, False])) is None


def test_good_channels_are_left_as_they_are() -> None:
    interpolator = Interpolator(find_positions(["Oz", "O1", "O2", "POz"]))
    matrix = interpolator.matrix(np.array([True, False, False, False]))
    assert matrix is not None
    np.testing.assert_array_equal(matrix[:, 1:], np.eye(4)[:, 1:])
    assert matrix[0, 0] == 0
