from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from volition.chunk import Chunk, FloatArray, SignalSpec
from volition.decoders.contract.intent import ClickIntent, CursorIntent, Intent, canonical_json
from volition.decoders.fitting.fitted import FittedModel
from volition.decoders.kinematics.click import OFFSET, WEIGHTS, with_click
from volition.decoders.kinematics.methods.kalman import KalmanDecoder, KalmanSettings
from volition.errors import ConfigError, DecodeError, ModelError

BIN_S = 0.02
N_UNITS = 30
SPEC = SignalSpec(1 / BIN_S, tuple(f"u{number}" for number in range(N_UNITS)))
Truths = npt.NDArray[np.bool_]


def session(seed: int, n_bins: int = 3000) -> tuple[FloatArray, FloatArray, Truths]:
    """Give features of units tuned to a movement, which ten of them change for while clicking."""
    random = np.random.default_rng(seed)
    mixing = np.random.default_rng(0).standard_normal((2, N_UNITS))
    velocities = np.zeros((n_bins, 2))
    for t in range(1, n_bins):
        velocities[t] = 0.97 * velocities[t - 1] + 0.2 * random.standard_normal(2)
    clicking = np.zeros(n_bins, dtype=np.bool_)
    for start in range(150, n_bins - 50, 150):
        clicking[start : start + 20] = True
    velocities[clicking] = 0.0
    features = velocities @ mixing + random.standard_normal((n_bins, N_UNITS))
    features[:, :10] += 1.2 * clicking[:, None]
    return features, velocities, clicking


@pytest.fixture(scope="module")
def model() -> FittedModel:
    features, velocities, clicking = session(seed=1)
    fitted = KalmanDecoder.fit(KalmanSettings(), features, velocities)
    return with_click(fitted, features, clicking)


def decoder(model: FittedModel, **click: Any) -> KalmanDecoder:
    made = KalmanDecoder(KalmanSettings.model_validate({"click": click}), model)
    made.prepare(SPEC)
    return made


def decoded(made: KalmanDecoder, features: FloatArray) -> list[Intent]:
    times: FloatArray = BIN_S * np.arange(1.0, len(features) + 1)
    return made.decode(Chunk(features.copy(), times), [])


def click_bins(intents: list[Intent]) -> list[int]:
    return [round(one.t_sample / BIN_S) - 1 for one in intents if isinstance(one, ClickIntent)]


def test_each_click_that_is_meant_is_one_click_soon_after_and_there_are_no_others(
    model: FittedModel,
) -> None:
    features, _, clicking = session(seed=2)
    starts = np.flatnonzero(clicking & ~np.roll(clicking, 1))
    found = click_bins(decoded(decoder(model), features))
    assert len(found) == len(starts)
    lateness = np.array(found) - starts
    assert lateness.min() >= 2
    assert lateness.max() <= 12


def test_the_cursor_stands_while_a_click_is_likely(model: FittedModel) -> None:
    features, _, clicking = session(seed=3)
    cursors = [one for one in decoded(decoder(model), features) if isinstance(one, CursorIntent)]
    speed = np.linalg.norm([one.velocity for one in cursors], axis=1)
    settled = clicking & np.roll(clicking, 8)
    assert (speed[settled] == 0).mean() > 0.95
    assert (speed[~clicking] == 0).mean() < 0.1


def test_a_click_that_is_held_on_is_one_and_the_next_waits_for_the_refractory_time(
    model: FittedModel,
) -> None:
    features, _, _ = session(seed=4, n_bins=400)
    features -= features.mean(axis=0)
    rest, click = np.zeros(N_UNITS), np.r_[np.full(10, 1.2), np.zeros(20)]
    held = np.tile(click, (200, 1)) + 0.2 * features[:200]
    assert len(click_bins(decoded(decoder(model), held))) == 1
    twice = np.concatenate([np.tile(one, (15, 1)) for one in (click, rest, click, rest, rest)])
    soon = click_bins(decoded(decoder(model, refractory_s=0.2), twice))
    late = click_bins(decoded(decoder(model, refractory_s=2.0), twice))
    assert len(soon) == 2
    assert late == soon[:1]


def test_a_missing_bin_begins_the_hold_anew(model: FittedModel) -> None:
    click = np.tile(np.r_[np.full(10, 1.2), np.zeros(20)], (40, 1))
    at = click_bins(decoded(decoder(model, hold_s=0.2), click))[0]
    gappy = click.copy()
    gappy[at - 1] = np.nan
    assert click_bins(decoded(decoder(model, hold_s=0.2), gappy))[0] == at - 1 + 10


def test_the_weights_are_those_of_a_discriminant_by_hand(model: FittedModel) -> None:
    features, _, clicking = session(seed=1)
    found = [features[clicking == state] for state in (False, True)]
    within = np.concatenate([part - part.mean(axis=0) for part in found])
    covariance = within.T @ within / (len(within) - 2)
    covariance = 0.9 * covariance + 0.1 * np.diag(np.diag(covariance))
    means = [part.mean(axis=0) for part in found]
    weights = np.linalg.inv(covariance) @ (means[1] - means[0])
    np.testing.assert_allclose(model.arrays[WEIGHTS], weights, rtol=1e-8)
    middle = features[:1] * 0 + (means[0] + means[1]) / 2
    assert middle @ model.arrays[WEIGHTS] + model.arrays[OFFSET] == pytest.approx(0.0, abs=1e-9)


def test_clicks_need_a_model_that_has_learned_them(model: FittedModel) -> None:
    features, velocities, clicking = session(seed=1)
    plain = KalmanDecoder.fit(KalmanSettings(), features, velocities)
    with pytest.raises(ModelError, match="click_weights"):
        decoder(plain)
    with pytest.raises(DecodeError, match="found 0 and 3000"):
        with_click(plain, features, np.zeros_like(clicking))
    with pytest.raises(DecodeError, match="truth value"):
        with_click(plain, features, clicking[:-1])
    given = {
        "transition": [[0.9]],
        "transition_covariance": [[1.0]],
        "observation": [[1.0]] * N_UNITS,
        "observation_variance": [1.0] * N_UNITS,
    }
    made = KalmanDecoder(KalmanSettings.model_validate({"matrices": given, "click": {}}))
    with pytest.raises(ConfigError, match="clicks are decoded by a fitted model"):
        made.prepare(SPEC)


def test_clicks_are_the_same_however_the_bins_come(model: FittedModel) -> None:
    features, _, _ = session(seed=5, n_bins=600)
    times: FloatArray = BIN_S * np.arange(1.0, len(features) + 1)
    whole, cut = decoder(model), decoder(model)
    pieces = [
        intent
        for start in range(0, len(features), 7)
        for intent in cut.decode(
            Chunk(features[start : start + 7].copy(), times[start : start + 7]), []
        )
    ]
    assert [canonical_json(one) for one in pieces] == [
        canonical_json(one) for one in decoded(whole, features)
    ]
