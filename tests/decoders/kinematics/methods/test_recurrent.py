from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from tests.decoders.examples.recurrent import leaky
from volition.benchmarks.faults.hostile.onnx_files import doubler, manifest
from volition.chunk import Chunk, Event, FloatArray, SignalSpec
from volition.decoders.contract.intent import CursorIntent, IdleIntent, Intent
from volition.decoders.contract.settings import FileName
from volition.decoders.fitting.network import Network, shipped_networks
from volition.decoders.kinematics.methods.recurrent import RecurrentDecoder, RecurrentSettings
from volition.errors import DecodeError, ModelError, NotFittedError, SpecError

SPEC = SignalSpec(20.0, ("a", "b", "c"))
FEATURES = 100 * np.random.default_rng(0).standard_normal((40, 3))


def decoder(network: Network | None = None, **settings: object) -> RecurrentDecoder:
    made = RecurrentDecoder(RecurrentSettings.model_validate(settings))
    made.use(network or leaky(3))
    made.prepare(SPEC)
    return made


def decoded(
    made: RecurrentDecoder, features: FloatArray, events: tuple[Event, ...] = ()
) -> list[Intent]:
    times: FloatArray = np.arange(1.0, len(features) + 1) / SPEC.rate_hz
    return made.decode(Chunk(features.copy(), times), events)


def velocities(intents: list[Intent]) -> FloatArray:
    return np.array([one.velocity for one in intents if isinstance(one, CursorIntent)])


def by_hand(features: FloatArray) -> FloatArray:
    random = np.random.default_rng(6)
    U, V = random.standard_normal((3, 5)) / 400, random.standard_normal((5, 2))
    h, given = np.zeros(5), []
    for row in features:
        h = np.tanh(0.8 * h + row @ U)
        given.append(h @ V)
    return np.array(given)


def test_what_the_network_carries_on_goes_from_bin_to_bin() -> None:
    assert_allclose(velocities(decoded(decoder(), FEATURES)), by_hand(FEATURES), atol=1e-5)


def test_a_missing_bin_is_rest_and_leaves_what_is_carried_on_as_it_is() -> None:
    gappy = FEATURES.copy()
    gappy[10, 1] = np.nan
    intents = decoded(decoder(), gappy)
    assert isinstance(intents[10], IdleIntent)
    assert_allclose(velocities(intents), by_hand(np.delete(FEATURES, 10, axis=0)), atol=1e-5)


def test_a_trial_begins_with_nothing_carried_on() -> None:
    made = decoder(reset_markers=["trial_start"])
    intents = decoded(made, FEATURES, (Event(16 / SPEC.rate_hz, "trial_start"),))
    assert_allclose(velocities(intents)[15:], by_hand(FEATURES[15:]), atol=1e-5)


def test_one_that_takes_over_goes_on_from_what_the_other_carried() -> None:
    before, after = decoder(), decoder()
    decoded(before, FEATURES[:20])
    assert after.take_over(before)
    assert_allclose(velocities(decoded(after, FEATURES[20:])), by_hand(FEATURES)[20:], atol=1e-5)


def test_the_networks_version_and_errors_are_the_decoders() -> None:
    network = leaky(3, error_covariance=[[2.0, 0.5], [0.5, 1.0]])
    made = decoder(network)
    (intent,) = decoded(made, FEATURES[:1])
    assert isinstance(intent, CursorIntent)
    assert intent.covariance == [[2.0, 0.5], [0.5, 1.0]]
    assert made.model_version == network.version


def test_a_network_for_another_signal_is_refused_with_what_was_found() -> None:
    with pytest.raises(SpecError, match="3 channels"):
        decoder(leaky(4))
    with pytest.raises(SpecError, match=r"bins of 0\.1 s, and these are of 0\.05 s"):
        decoder(leaky(3, bin_s=0.1))
    with pytest.raises(ModelError, match="error_covariance"):
        decoder(leaky(3, error_covariance=[1.0]))
    content = doubler()
    with pytest.raises(ModelError, match="velocity"):
        decoder(Network(manifest(content, kind="recurrent"), content))


def test_without_a_network_there_is_nothing_to_prepare_and_nothing_is_fitted() -> None:
    with pytest.raises(NotFittedError, match="network"):
        RecurrentDecoder(RecurrentSettings()).prepare(SPEC)
    with pytest.raises(DecodeError, match=r"trained \(docs/kinematics\.md says how\)"):
        RecurrentDecoder.fit(RecurrentSettings(), FEATURES, FEATURES[:, :2])
    with pytest.raises(ValueError, match="features"):
        RecurrentSettings.model_validate({"features": {"n_lags": 3}})


@pytest.mark.parametrize("name", ["flint-run1-gru", "flint-run1-snn"])
def test_the_networks_that_ship_run_and_remember(name: str) -> None:
    assert name in shipped_networks()
    made = RecurrentDecoder(RecurrentSettings(network=FileName(name)))
    spec = SignalSpec(10.0, tuple("abcdefghij"))
    made.prepare(spec)
    row = np.random.default_rng(1).standard_normal((1, 10))
    times = np.array([0.1])
    first = velocities(made.decode(Chunk(row.copy(), times), []))
    second = velocities(made.decode(Chunk(row.copy(), times + 0.1), []))
    assert np.abs(second).max() < 1.0
    assert not np.array_equal(first, second)
    made.reset()
    np.testing.assert_array_equal(velocities(made.decode(Chunk(row.copy(), times), [])), first)
