"""The decoder that others trained and its user's trials fit: its filter, its centre, its gain."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from volition.chunk import Chunk, Event, FloatArray, SignalSpec
from volition.decoders.contract.intent import IdleIntent, SelectionIntent
from volition.decoders.fitting.fitted import FittedModel, load_model
from volition.decoders.ssvep.estimator import REST, IntArray
from volition.decoders.ssvep.transfer.personal import (
    PERSONAL,
    SHARED,
    PersonalDecoder,
    PersonalSettings,
)
from volition.decoders.ssvep.transfer.pretrained import PretrainedSettings
from volition.decoders.ssvep.transfer.pretraining import PretrainedSSVEP
from volition.errors import ConfigError, DecodeError, NotFittedError

RATE_HZ = 256.0
N_CHANNELS = 8
FREQS_HZ = (9.0, 11.0, 14.0)
TARGETS = [{"label": f"{freq_hz:g} Hz", "freq_hz": freq_hz} for freq_hz in FREQS_HZ]
#: How strongly each channel has the flicker.
PATTERN = np.array([1.0, -0.6, 0.3, 0.0, 0.5, 0.0, -0.2, 0.1])


def settings(**changes: Any) -> PersonalSettings:
    return PersonalSettings.model_validate({"targets": TARGETS, "window_s": 1.0, **changes})


def trials(
    n_blocks: int, seed: int, amplitude_uv: float = 2.5, background_hz: float | None = None
) -> tuple[FloatArray, IntArray]:
    """Give epochs of 1.5 s whose flicker begins in any phase, and as many at rest."""
    rng = np.random.default_rng(seed)
    times = np.arange(round(1.5 * RATE_HZ)) / RATE_HZ
    targets = np.tile([0, 1, 2, REST], n_blocks)
    epochs = 4 * rng.standard_normal((len(targets), N_CHANNELS, len(times)))
    for number, target in enumerate(targets):
        if background_hz is not None:
            wave = np.sin(2 * np.pi * background_hz * times + rng.uniform(0, 2 * np.pi))
            epochs[number] += 3.0 * np.outer(np.ones(N_CHANNELS), wave)
        if target != REST:
            phases = 2 * np.pi * FREQS_HZ[target] * times + rng.uniform(0, 2 * np.pi)
            wave = np.sin(phases) + 0.5 * np.sin(2 * phases)
            epochs[number] += amplitude_uv * np.outer(PATTERN, wave)
    return epochs, targets


@pytest.fixture(scope="module")
def model() -> FittedModel:
    return PERSONAL(settings(), RATE_HZ).fit(*trials(6, 1))


def test_a_filter_is_the_matched_one_where_the_noise_is_known() -> None:
    rng = np.random.default_rng(0)
    noise_uv = np.linspace(1.0, 3.0, N_CHANNELS)
    n = round(RATE_HZ)
    times = np.arange(n) / RATE_HZ
    windows = noise_uv[:, None] * rng.standard_normal((3, 200, 1, N_CHANNELS, n))
    for target, freq_hz in enumerate(FREQS_HZ):
        turns = rng.uniform(0, 2 * np.pi, 200)
        waves = np.sin(2 * np.pi * freq_hz * times + turns[:, None])
        windows[target, :, 0] += PATTERN[:, None] * waves[:, None]
    found = PERSONAL(settings(n_subbands=1), RATE_HZ).learned_alone(windows)["filters"][0]
    matched = PATTERN / (noise_uv**2 + 0.03 * (noise_uv**2).mean())
    cosine = found @ matched / np.linalg.norm(found) / np.linalg.norm(matched)
    assert abs(cosine) > 0.99


def test_what_a_target_has_while_another_is_looked_at_is_taken_away() -> None:
    estimator = PERSONAL(settings(), RATE_HZ)
    epochs, targets = trials(6, 4, background_hz=FREQS_HZ[1])
    arrays = estimator.learned_alone(estimator.by_target(epochs, targets))
    centre = arrays["centre"]
    assert centre.shape == (3, 10, 5)
    np.testing.assert_allclose(centre.sum(axis=0), 0, atol=1e-12)
    assert centre[:, [0, 5], 0].argmax(axis=0).tolist() == [1, 1]
    later, wanted = trials(10, 5, background_hz=FREQS_HZ[1])
    flicker = wanted != REST
    estimator.fit(epochs, targets)
    told = estimator.predict(later)[flicker]
    assert (told == wanted[flicker]).mean() >= 0.8
    assert (told == 1).mean() < 0.5


def test_a_few_trials_of_the_person_read_more_than_what_others_taught_alone(
    model: FittedModel,
) -> None:
    epochs, targets = trials(25, 2, amplitude_uv=1.2)
    flicker = targets != REST
    ours = PERSONAL(settings(), RATE_HZ, model).predict(epochs)[flicker]
    plain = PretrainedSettings.model_validate({"targets": TARGETS, "window_s": 1.0})
    others = PretrainedSSVEP(plain, RATE_HZ, load_model("ssvep-pretrained"))
    theirs = others.predict(epochs, idle=False)[flicker]
    gain = (ours == targets[flicker]).mean() - (theirs == targets[flicker]).mean()
    assert gain > 0.05
    assert model.facts["accuracy"] > 0.8


def test_live_and_batch_give_the_same_log_odds_and_rest_is_less_probable(
    model: FittedModel,
) -> None:
    epochs, targets = trials(4, 3)
    decoder = PersonalDecoder(settings(delay_s=0.5, min_confidence=0.5), model)
    decoder.prepare(SignalSpec(RATE_HZ, tuple("abcdefgh")))
    scores = PERSONAL(settings(), RATE_HZ, model).decision_function(epochs)
    for epoch, expected in zip(epochs, scores, strict=True):
        decoder.reset()
        times = np.arange(epoch.shape[1]) / RATE_HZ
        (intent,) = decoder.decode(Chunk(epoch.T.copy(), times), [Event(0.0, "cue", {})])
        assert isinstance(intent, IdleIntent | SelectionIntent)
        np.testing.assert_allclose(list(intent.evidence.values()), expected, rtol=1e-9)
        assert isinstance(intent, SelectionIntent) == (expected.max() >= 0)
    best = scores.max(axis=1)
    assert best[targets != REST].mean() > best[targets == REST].mean() + 1


def test_it_decides_at_looks_that_it_was_fitted_for() -> None:
    stopping = {"rule": "confidence", "threshold": 0.5, "min_s": 1.0, "step_s": 0.5}
    one = settings(window_s=1.5, delay_s=0.0, stopping=stopping)
    model = PERSONAL(one, RATE_HZ).fit(*trials(4, 6, amplitude_uv=4.0))
    assert sorted(model.facts["looks"]) == ["1000ms/", "1500ms/"]
    decoder = PersonalDecoder(one, model)
    decoder.prepare(SignalSpec(RATE_HZ, tuple("abcdefgh")))
    epoch = trials(1, 7, amplitude_uv=4.0)[0][0]
    times = np.arange(epoch.shape[1]) / RATE_HZ
    (intent,) = decoder.decode(Chunk(epoch.T.copy(), times), [Event(0.0, "cue", {})])
    assert isinstance(intent, SelectionIntent)
    assert (intent.target, round(intent.t_sample, 2)) == (0, 1.0)


def test_what_it_cannot_learn_from_or_run_by_is_refused_by_name(model: FittedModel) -> None:
    with pytest.raises(DecodeError, match="not above chance"):
        PERSONAL(settings(), RATE_HZ).fit(*trials(4, 8, amplitude_uv=0.0))
    with pytest.raises(ConfigError, match=r"windows of 1, 1\.5, 2, 2\.5, 3 s; found 1\.25 s"):
        PERSONAL(settings(window_s=1.25), RATE_HZ).fit(*trials(2, 8))
    epochs, targets = trials(2, 8)
    with pytest.raises(ConfigError, match="for 8 channels; found 4"):
        PERSONAL(settings(), RATE_HZ).fit(epochs[:, :4], targets)
    with pytest.raises(ConfigError, match="learned for 5 sub-bands; found 4"):
        PERSONAL(settings(n_subbands=4), RATE_HZ).fit(epochs, targets)
    spec = SignalSpec(RATE_HZ, tuple("abcdefgh"))
    with pytest.raises(NotFittedError, match="calibrate first"):
        PersonalDecoder(settings(model=SHARED)).prepare(spec)
    with pytest.raises(NotFittedError, match="needs a fitted model"):
        PersonalDecoder(settings()).prepare(spec)
