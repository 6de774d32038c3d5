"""From day to day: the cap sits elsewhere, and the decoder says so, or follows."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest

from tests.decoders.classes.people import calibrated, data_of, decoded, recorded, share_right
from volition.chunk import FloatArray
from volition.decoders.artifacts.averages import riemannian_mean
from volition.decoders.classes.centre import RunningCentre, recentred
from volition.decoders.classes.methods.tangent import TangentDecoder, TangentSettings
from volition.decoders.contract.intent import ClassIntent, IdleIntent
from volition.decoders.fitting.calibration import joined
from volition.decoders.fitting.fitted import FittedModel
from volition.streams.files.recording import Recording

SETTINGS = TangentSettings(delay_s=1.0)
FOLLOWING = SETTINGS.model_copy(update={"recentre": "running"})


@pytest.fixture(scope="module")
def model() -> FittedModel:
    return calibrated(TangentDecoder, SETTINGS, data_of(recorded())).model


@pytest.fixture(scope="module")
def next_day() -> Recording:
    return recorded(day=1, seed=5)


def test_on_the_same_day_nothing_has_drifted(model: FittedModel) -> None:
    same = recorded(day=0, seed=6)
    intents = decoded(TangentDecoder, SETTINGS, model, same)
    assert all(isinstance(one, ClassIntent) for one in intents)
    assert share_right(intents, same) >= 0.9


def test_a_cap_that_moved_is_told_before_it_commands_wrongly(
    model: FittedModel, next_day: Recording
) -> None:
    intents = decoded(TangentDecoder, SETTINGS, model, next_day)

    later = [one for one in intents if one.t_sample > 15.0]
    assert all(isinstance(one, IdleIntent) and one.reason == "drifted" for one in later)
    assert share_right(intents, next_day) < 0.8  # what it would have said


def test_the_state_and_the_warnings_say_that_it_has_drifted(
    model: FittedModel, next_day: Recording
) -> None:
    decoder = TangentDecoder(SETTINGS, model)
    decoder.prepare(next_day.spec)
    assert not decoder.warnings()
    for chunk, events in next_day.chunks(64):
        decoder.decode(chunk, events)

    assert decoder.state()["drift"]["drifted"]
    assert "re-centre" in decoder.warnings()["drifted"].lower()
    assert decoder.state()["recentring"]["mode"] == "off"


def test_re_centring_brings_the_next_day_back(model: FittedModel, next_day: Recording) -> None:
    intents = decoded(TangentDecoder, FOLLOWING, model, next_day)

    assert share_right(intents, next_day) >= 0.9
    assert all(isinstance(one, ClassIntent) for one in intents)


def test_re_centring_by_rest_waits_for_the_rest(model: FittedModel, next_day: Recording) -> None:
    settings = SETTINGS.model_copy(update={"recentre": "rest", "recentre_s": 30.0})
    intents = decoded(TangentDecoder, settings, model, next_day)

    early = [one for one in intents if one.t_sample < 29.0]
    assert all(isinstance(one, IdleIntent) and one.reason == "settling" for one in early)
    assert share_right([one for one in intents if one not in early], next_day) >= 0.85


def test_whitened_covariances_forget_any_mixing_up_to_a_turn() -> None:
    rng = np.random.default_rng(0)
    samples = rng.standard_normal((40, 60, 5))
    covariances = (samples.transpose(0, 2, 1) @ samples / 60)[:, None]
    mixing = rng.standard_normal((5, 5))
    moved = mixing @ covariances @ mixing.T

    def spectra(given: Any) -> FloatArray:
        mean = np.stack([riemannian_mean(given[:, 0])])
        values: Any = np.linalg.eigvalsh(recentred(given, mean))
        return cast(FloatArray, values)

    np.testing.assert_allclose(spectra(moved), spectra(covariances), rtol=1e-6)


def test_the_running_centre_of_equal_covariances_is_that_covariance() -> None:
    centre = RunningCentre()
    covariance = np.diag([1.0, 2.0, 5.0])[None]
    for _ in range(5):
        centre.take(covariance)
    np.testing.assert_allclose(centre.recentred(covariance), np.eye(3)[None], atol=1e-12)


def test_days_that_differ_teach_that_re_centring_helps() -> None:
    days = joined([data_of(recorded(day=day, seed=day, turns=8)) for day in range(5)])
    made = calibrated(TangentDecoder, SETTINGS, days)

    assert made.scores["recentring"]["helps"]
    assert made.model.facts["recentring_helps"]


def test_days_that_are_alike_teach_that_it_does_not() -> None:
    days = joined([data_of(recorded(day=0, seed=seed, turns=6)) for seed in range(4)])
    assert not calibrated(TangentDecoder, SETTINGS, days).scores["recentring"]["helps"]
