"""The Riemannian decoder: distances in closed form, pyriemann beside it, rest, and free phases."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.linalg import block_diag

from volition.chunk import Chunk, Event, FloatArray, SignalSpec
from volition.decoders.contract.intent import IdleIntent, SelectionIntent
from volition.decoders.ssvep.estimator import REST, IntArray, filtered_windows
from volition.decoders.ssvep.methods.riemann import (
    RIEMANN,
    RiemannDecoder,
    RiemannSettings,
    shrunk_covariances,
    squared_distances,
)
from volition.errors import DecodeError

RATE_HZ = 128.0
FREQS_HZ = (9.0, 13.0, 17.0)
N_CHANNELS = 4


def settings(**changes: Any) -> RiemannSettings:
    targets = [{"label": f"{freq_hz:g}", "freq_hz": freq_hz} for freq_hz in FREQS_HZ]
    return RiemannSettings.model_validate({"targets": targets, "window_s": 1.5, **changes})


def trials(n_blocks: int, seed: int, amplitude_uv: float = 2.0) -> tuple[FloatArray, IntArray]:
    """Give epochs of 2.5 s whose flicker begins in any phase, and as many at rest."""
    rng = np.random.default_rng(seed)
    times = np.arange(round(2.5 * RATE_HZ)) / RATE_HZ
    targets = np.tile([0, 1, 2, REST], n_blocks)
    epochs = 4 * rng.standard_normal((len(targets), N_CHANNELS, len(times)))
    for number, target in enumerate(targets):
        if target != REST:
            wave = np.sin(2 * np.pi * FREQS_HZ[target] * times + rng.uniform(0, 2 * np.pi))
            epochs[number] += amplitude_uv * np.outer([1.0, 0.8, 0.5, 0.2], wave)
    return epochs, targets


def test_a_distance_is_that_of_its_closed_form() -> None:
    rng = np.random.default_rng(0)
    spreads = rng.uniform(0.5, 2, (2, 3))
    whitening = np.stack([np.diag(spread**-0.5) for spread in spreads])
    other = rng.uniform(0.5, 2, (2, 3))
    found = squared_distances(whitening[None], np.stack([np.diag(one) for one in other]))
    np.testing.assert_allclose(found[0], (np.log(other / spreads) ** 2).sum(axis=1))


def test_a_covariance_is_shrunk_to_the_identity_where_channels_are_alike_and_samples_few() -> None:
    rng = np.random.default_rng(1)
    few = rng.standard_normal((1, 6, 8))
    away = np.triu(few[0] @ few[0].T / 8, 1)
    assert np.abs(np.triu(shrunk_covariances(few)[0], 1)).max() < 0.5 * np.abs(away).max()
    long = rng.standard_normal((1, 6, 20_000)) * np.arange(1.0, 7)[:, None]
    np.testing.assert_allclose(
        np.diag(shrunk_covariances(long)[0]), np.arange(1.0, 7) ** 2, rtol=0.1
    )


def test_it_finds_flickers_that_begin_in_any_phase_and_knows_rest() -> None:
    estimator = RIEMANN(settings(), RATE_HZ)
    model = estimator.fit(*trials(12, 0))
    assert model.facts["accuracy"] > 0.8
    epochs, targets = trials(10, 1)
    flicker = targets != REST
    right = estimator.predict(epochs)[flicker] == targets[flicker]
    assert right.mean() > 0.8
    decoder = RiemannDecoder(settings(delay_s=1.0), model)
    decoder.prepare(SignalSpec(RATE_HZ, ("O1", "Oz", "O2", "POz")))
    kinds = {True: 0, False: 0}
    for epoch, target in zip(epochs, targets, strict=True):
        decoder.reset()
        times = np.arange(epoch.shape[1]) / RATE_HZ
        (intent,) = decoder.decode(Chunk(epoch.T.copy(), times), [Event(0.0, "cue", {})])
        assert isinstance(intent, IdleIntent | SelectionIntent)
        kinds[bool(target == REST)] += isinstance(intent, SelectionIntent)
    assert kinds[False] > 2 * kinds[True]  # flicker is selected, rest seldom; 3 to 1 in number


def test_trials_without_a_flicker_are_refused_as_a_calibration() -> None:
    epochs, targets = trials(6, 2, amplitude_uv=0.0)
    with pytest.raises(DecodeError, match="not above chance"):
        RIEMANN(settings(), RATE_HZ).fit(epochs, targets)


def test_its_distances_are_those_of_pyriemanns_classifier() -> None:
    classification = pytest.importorskip(
        "pyriemann.classification", reason="pyriemann is a peer of benchmarks"
    )
    epochs, targets = trials(6, 3)
    flicker = targets != REST
    one = settings()
    estimator = RIEMANN(one, RATE_HZ)
    estimator.fit(epochs[flicker], targets[flicker])
    windows = filtered_windows(one, epochs[flicker], RATE_HZ)
    stacked = np.stack([block_diag(*shrunk_covariances(window)) for window in windows])
    peer = classification.MDM().fit(stacked, targets[flicker])
    np.testing.assert_allclose(
        -estimator.decision_function(epochs[flicker]), peer.transform(stacked) ** 2, rtol=1e-4
    )
