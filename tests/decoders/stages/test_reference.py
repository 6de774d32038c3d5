"""Changing the reference."""

from __future__ import annotations

import numpy as np
import pytest

from volition.chunk import Chunk, FloatArray, SignalSpec
from volition.decoders.stages.reference import Reference, ReferenceSettings
from volition.errors import ConfigError

LABELS = ("A1", "Oz", "A2", "O1")


def run(samples: FloatArray, settings: ReferenceSettings) -> FloatArray:
    stage = Reference(settings)
    stage.prepare(SignalSpec(256.0, LABELS))
    return stage.process(Chunk(samples.copy(), np.arange(len(samples)) / 256)).samples


def test_the_average_reference_makes_the_channels_sum_to_nothing() -> None:
    samples = np.random.default_rng(0).standard_normal((50, 4)) + 1e3
    result = run(samples, ReferenceSettings())
    np.testing.assert_allclose(result.sum(axis=1), 0, atol=1e-10)
    np.testing.assert_allclose(np.diff(result, axis=1), np.diff(samples, axis=1), atol=1e-10)


def test_the_mean_of_named_channels_is_subtracted_from_all() -> None:
    result = run(np.array([[1.0, 10.0, 3.0, 20.0]]), ReferenceSettings(channels=["A1", "A2"]))
    np.testing.assert_array_equal(result, [[-1.0, 8.0, 1.0, 18.0]])


def test_an_excluded_channel_is_referenced_but_is_no_part_of_the_mean() -> None:
    result = run(np.array([[1.0, 10.0, 3.0, 1e6]]), ReferenceSettings(exclude=["O1", "Oz"]))
    np.testing.assert_array_equal(result, [[-1.0, 8.0, 1.0, 1e6 - 2]])


def test_a_hole_in_the_reference_is_a_hole_in_every_channel() -> None:
    samples = np.zeros((3, 4))
    samples[1, 0] = np.nan
    assert np.isnan(run(samples, ReferenceSettings())[1]).all()
    assert np.isfinite(run(samples, ReferenceSettings())[[0, 2]]).all()
    assert np.isfinite(run(samples, ReferenceSettings(exclude=["A1"]))[1, 1:]).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (ReferenceSettings(channels=["Cz"]), "no channel named Cz; found: A1, Oz, A2, O1"),
        (ReferenceSettings(exclude=["Cz"]), "no channel named Cz"),
        (ReferenceSettings(channels=["A1"], exclude=["A1"]), "exclude leaves no channel"),
    ],
)
def test_a_reference_to_channels_that_are_not_there_is_refused(
    settings: ReferenceSettings, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        Reference(settings).prepare(SignalSpec(256.0, LABELS))
