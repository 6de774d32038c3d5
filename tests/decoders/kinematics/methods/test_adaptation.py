from __future__ import annotations

from typing import Any

import numpy as np
import pydantic
import pytest

from volition.chunk import Chunk, FloatArray, SignalSpec
from volition.decoders.contract.intent import CursorIntent
from volition.decoders.fitting.fitted import FittedModel, load_model
from volition.decoders.kinematics import metrics
from volition.decoders.kinematics.methods.adaptation import RecursiveLikelihood, SmoothBatch
from volition.decoders.kinematics.methods.dkf import DkfDecoder, DkfSettings
from volition.decoders.kinematics.methods.kalman import KalmanDecoder, KalmanSettings
from volition.errors import ConfigError, DecodeError

BIN_S = 0.05
SPEC = SignalSpec(1 / BIN_S, tuple(f"unit{n}" for n in range(6)))
PLAIN = KalmanSettings.model_validate({"features": {"standardise": False}})
TUNING = np.random.default_rng(5).standard_normal((6, 2))


def reach(n_bins: int, seed: int, tuning: FloatArray = TUNING) -> tuple[FloatArray, FloatArray]:
    random = np.random.default_rng(seed)
    velocities = np.zeros((n_bins, 2))
    for t in range(1, n_bins):
        velocities[t] = 0.9 * velocities[t - 1] + 0.4 * random.standard_normal(2)
    return velocities @ tuning.T + 0.7 * random.standard_normal((n_bins, 6)), velocities


def error(model: FittedModel, settings: KalmanSettings, tuning: FloatArray) -> float:
    features, velocities = reach(600, 9, tuning)
    decoder = KalmanDecoder(settings, model)
    decoder.prepare(SPEC)
    intents = decoder.decode(Chunk(features, BIN_S * np.arange(600.0)), [])
    decoded = np.array([one.velocity for one in intents if isinstance(one, CursorIntent)])
    return metrics.nrmse(velocities, decoded)


@pytest.mark.parametrize("standardise", [True, False])
def test_smooth_batches_lead_from_a_wrong_model_to_the_right_one(standardise: bool) -> None:
    settings = KalmanSettings.model_validate({"features": {"standardise": standardise}})
    changed = TUNING[::-1].copy()
    wrong = KalmanDecoder.fit(settings, *reach(800, 1))
    right = KalmanDecoder.fit(settings, *reach(800, 2, changed))
    learner = SmoothBatch(wrong, half_life_s=20.0)
    errors = [error(wrong, settings, changed)]
    for batch in range(8):
        learner.update(*reach(400, 10 + batch, changed), bin_s=BIN_S)
        errors.append(error(learner.model, settings, changed))
    best = error(right, settings, changed)
    assert errors[0] > 1.5 * best
    assert errors[0] > errors[1] > errors[4]
    assert errors[-1] < 1.05 * best
    assert learner.model.facts["n_bins"] == 800 + 8 * 400


def test_a_batch_of_one_half_life_counts_half() -> None:
    model = KalmanDecoder.fit(PLAIN, *reach(500, 1))
    features, intended = reach(400, 2)
    learned = SmoothBatch(model, half_life_s=400 * BIN_S).update(features, intended, BIN_S)
    states = intended - model.arrays["state_mean"]
    C = np.linalg.lstsq(states, features, rcond=None)[0].T
    np.testing.assert_allclose(learned.arrays["C"], (model.arrays["C"] + C) / 2)
    for name in ("A", "W", "state_mean", "start_mean"):
        np.testing.assert_array_equal(learned.arrays[name], model.arrays[name])
    assert learned.facts["adapted_from"] == model.version != learned.version


def test_sums_that_do_not_fade_give_the_fit_of_all_bins() -> None:
    model = KalmanDecoder.fit(PLAIN, *reach(300, 1))
    features, intended = reach(2000, 2)
    learner = RecursiveLikelihood(model, half_life_s=1e12, bin_s=BIN_S, weight_s=1e-6)
    features_with_gap = np.insert(features, 700, np.nan, axis=0)
    learner.update(features_with_gap, np.insert(intended, 700, 0.0, axis=0))
    states = intended - model.arrays["state_mean"]
    C = np.linalg.lstsq(states, features, rcond=None)[0].T
    residual = features - states @ C.T
    found = learner.model()
    np.testing.assert_allclose(found.arrays["C"], C, atol=1e-6)
    np.testing.assert_allclose(found.arrays["R"], residual.T @ residual / 2000, atol=1e-6)


def test_fading_sums_begin_as_the_model_and_end_as_the_data() -> None:
    model = KalmanDecoder.fit(PLAIN, *reach(800, 1))
    changed = TUNING[::-1].copy()
    learner = RecursiveLikelihood(model, half_life_s=10.0, bin_s=BIN_S)
    np.testing.assert_allclose(learner.model().arrays["C"], model.arrays["C"], atol=1e-9)
    np.testing.assert_allclose(learner.model().arrays["R"], model.arrays["R"], atol=1e-9)
    learner.update(*reach(2000, 2, changed))
    np.testing.assert_allclose(learner.model().arrays["C"], changed, atol=0.2)


def test_adaptation_is_of_kalman_models_of_a_velocity() -> None:
    features, velocities = reach(300, 1)
    other = DkfDecoder.fit(DkfSettings(), features, velocities)
    with pytest.raises((DecodeError, pydantic.ValidationError)):
        SmoothBatch(other, 10.0).update(features, velocities, BIN_S)
    settings = KalmanSettings(state="position-velocity")
    positions = np.cumsum(velocities, axis=0) * BIN_S
    model = KalmanDecoder.fit(settings, features, velocities, positions=positions)
    with pytest.raises(DecodeError, match="whose state is a velocity"):
        SmoothBatch(model, 10.0).update(features, velocities, BIN_S)


@pytest.mark.parametrize("kind", ["kalman", "dkf"])
def test_a_running_decoder_takes_up_a_new_model_and_goes_on_from_where_it_is(kind: str) -> None:
    cls: Any = {"kalman": KalmanDecoder, "dkf": DkfDecoder}[kind]
    settings = cls.settings_model.model_validate({"features": {"n_lags": 3}})
    first = cls.fit(settings, *reach(400, 1))
    second = cls.fit(settings, *reach(400, 2))
    features, _ = reach(60, 3)
    times = BIN_S * np.arange(60.0)

    def velocities(adopt_at: int | None, model: FittedModel = second) -> FloatArray:
        decoder = cls(settings, first)
        decoder.prepare(SPEC)
        found = []
        for t in range(60):
            if t == adopt_at:
                decoder.adopt(model)
                assert decoder.model_version == model.version
            found += decoder.decode(Chunk(features[t : t + 1], times[t : t + 1]), [])
        return np.array([one.velocity for one in found])

    plain = velocities(None)
    np.testing.assert_allclose(velocities(30, first), plain, atol=1e-9)
    adopted = velocities(30)
    np.testing.assert_array_equal(adopted[:30], plain[:30])
    assert 0 < np.abs(adopted[30:] - plain[30:]).max() < 0.5 * np.abs(plain).max()


def test_a_model_that_does_not_fit_leaves_the_decoder_as_it_was() -> None:
    model = KalmanDecoder.fit(PLAIN, *reach(300, 1))
    decoder = KalmanDecoder(PLAIN, model)
    decoder.prepare(SPEC)
    other = KalmanDecoder.fit(KalmanSettings(), *reach(300, 1))
    with pytest.raises(ConfigError, match="features"):
        decoder.adopt(other)
    with pytest.raises(Exception, match="6 channels"):
        decoder.adopt(load_model("flint-run1-kalman"))
    assert decoder.model_version == model.version
    assert len(decoder.decode(Chunk(reach(5, 2)[0], BIN_S * np.arange(5.0)), [])) == 5


def test_refit_takes_the_cursor_for_where_it_is_and_moves_it_by_the_velocity() -> None:
    features, velocities = reach(3000, 1)
    positions = np.cumsum(velocities, axis=0) * BIN_S
    places = 0.5 * np.array([TUNING[::-1, 1], TUNING[::-1, 0]])  # units tell of the position too
    settings = KalmanSettings.model_validate(
        {"state": "position-velocity", "sees_cursor": True, "cursor": {"start": [0.0, 0.0]}}
    )
    model = KalmanDecoder.fit(
        settings, features + positions @ places, velocities, positions=positions
    )
    decoder = KalmanDecoder(settings, model)
    decoder.prepare(SPEC)
    features, meant = reach(400, 2)
    decoded, cursor = [], np.zeros(2)
    for t in range(400):
        seen = features[t] + cursor @ places  # what the person sees is the cursor
        (intent,) = decoder.decode(Chunk(seen[None], np.array([BIN_S * t])), [])
        assert isinstance(intent, CursorIntent)
        decoded.append(intent.velocity)
        moved = cursor + BIN_S * np.array(intent.velocity)
        np.testing.assert_allclose(np.array(intent.position), moved)
        cursor = np.array(intent.position)
    assert metrics.nrmse(meant, np.array(decoded)) < 0.5


@pytest.mark.parametrize("given", [{"state": "velocity"}, {"form": "steady"}])
def test_refit_needs_positions_and_the_full_form(given: dict[str, str]) -> None:
    with pytest.raises(pydantic.ValidationError, match="sees_cursor"):
        KalmanSettings.model_validate({"state": "position-velocity", "sees_cursor": True, **given})


def test_a_model_of_reaches_that_only_grow_can_be_adapted_too() -> None:
    random = np.random.default_rng(0)
    trials = np.repeat(np.arange(30), 10)
    directions = random.uniform(0, 2 * np.pi, 30)[trials]
    speeds = 1.5 ** np.tile(np.arange(10.0), 30)  # from rest on, and cut off at its height
    velocities = speeds[:, None] * np.column_stack([np.cos(directions), np.sin(directions)])
    features = velocities @ TUNING.T + random.standard_normal((300, 6))
    model = KalmanDecoder.fit(PLAIN, features, velocities, trials=trials)
    assert np.abs(np.linalg.eigvals(model.arrays["A"])).max() > 1
    learner = RecursiveLikelihood(model, half_life_s=10.0, bin_s=BIN_S)
    learner.update(features, np.repeat(velocities[:1], 300, axis=0))  # meant one way alone
    for array in learner.model().arrays.values():
        assert np.isfinite(array).all()
