"""The filter of a hidden Markov model, against sums over all paths, and learning one."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from pydantic import ValidationError

from volition.chunk import Chunk, FloatArray, SignalSpec
from volition.decoders.stages.hmm import Hmm, HmmSettings, log_emissions
from volition.decoders.stages.markov import fit_markov
from volition.errors import ConfigError, DecodeError

SETTINGS = HmmSettings(
    means=[[0.0, 1.0], [2.0, -1.0], [4.0, 0.0]],
    deviations=[[1.0, 2.0], [0.5, 1.0], [1.0, 1.0]],
    transitions=[[0.8, 0.1, 0.1], [0.3, 0.6, 0.1], [0.0, 0.5, 0.5]],
)
RNG = np.random.default_rng(4)


def filtered(settings: HmmSettings, rows: FloatArray) -> FloatArray:
    stage = Hmm(settings)
    stage.prepare(SignalSpec(10.0, tuple(str(k) for k in range(rows.shape[1]))))
    return stage.process(Chunk(rows.copy(), np.arange(len(rows)) / 10.0)).samples


def test_it_gives_what_the_sum_over_all_paths_gives() -> None:
    rows = RNG.normal(1.0, 2.0, (5, 2))
    likely, matrix = np.exp(log_emissions(SETTINGS, rows)), SETTINGS.matrix()
    by_last = np.zeros(3)
    for path in itertools.product(range(3), repeat=5):
        probability = float(likely[0, path[0]] * (np.ones(3) / 3 @ matrix)[path[0]])
        for t in range(1, 5):
            probability *= float(matrix[path[t - 1], path[t]] * likely[t, path[t]])
        by_last[path[-1]] += probability

    found = filtered(SETTINGS, rows)

    np.testing.assert_allclose(found[-1, :-1], by_last / by_last.sum(), rtol=1e-9)
    np.testing.assert_allclose(found[:, -1].sum(), np.log(by_last.sum()), rtol=1e-9)


def test_a_signal_that_no_state_knows_is_unlikely() -> None:
    usual = filtered(SETTINGS, RNG.normal(0.0, 1.0, (50, 2)))[:, -1].mean()
    strange = filtered(SETTINGS, RNG.normal(40.0, 1.0, (50, 2)))[:, -1].mean()
    assert strange < usual - 100


def test_a_missing_sample_stays_missing_and_moves_nothing() -> None:
    rows = RNG.normal(size=(6, 2))
    gappy = np.insert(rows, 3, np.nan, axis=0)
    found = filtered(SETTINGS, gappy)
    assert np.isnan(found[3]).all()
    np.testing.assert_allclose(np.delete(found, 3, axis=0), filtered(SETTINGS, rows))


@pytest.mark.parametrize("emission", ["gaussian", "poisson"])
def test_the_states_that_made_the_features_are_found(emission: str) -> None:
    states = np.repeat(np.tile([0, 1], 10), 40)
    means = np.array([[2.0, 9.0], [8.0, 3.0]])[states]
    rows = RNG.normal(means, 1.0) if emission == "gaussian" else RNG.poisson(means).astype(float)

    settings = fit_markov(rows, 2, emission=emission)

    np.testing.assert_allclose(sorted(row[0] for row in settings.means), [2, 8], atol=0.5)
    np.testing.assert_allclose(np.diag(settings.matrix()), 1 - 1 / 40, atol=0.02)
    decoded = filtered(settings, rows)[:, :-1].argmax(axis=1)
    assert max((decoded == states).mean(), (decoded != states).mean()) > 0.98


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValidationError, match="deviation above 0"):
        HmmSettings(means=[[0.0], [1.0]])
    with pytest.raises(ValidationError, match="add up to 1"):
        HmmSettings(means=[[0.0]], deviations=[[1.0]], transitions=[[0.5]])
    with pytest.raises(ConfigError, match="of 2 channels"):
        Hmm(SETTINGS).prepare(SignalSpec(10.0, ("a",)))
    with pytest.raises(DecodeError, match="none missing"):
        fit_markov(np.full((5, 2), np.nan), 2)
