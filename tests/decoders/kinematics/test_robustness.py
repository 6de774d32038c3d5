"""The two simulations by which the discriminative filters are known, at the sizes of the papers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from volition.chunk import Chunk, FloatArray, SignalSpec
from volition.decoders.contract.intent import CursorIntent
from volition.decoders.kinematics import metrics
from volition.decoders.kinematics.decoder import KinematicDecoder
from volition.decoders.kinematics.methods.dkf import DkfDecoder, DkfSettings
from volition.decoders.kinematics.methods.kalman import KalmanDecoder, KalmanSettings


def decoded(decoder: KinematicDecoder[Any], features: FloatArray) -> FloatArray:
    labels = tuple(str(number) for number in range(features.shape[1]))
    decoder.prepare(SignalSpec(50.0, labels))
    intents = decoder.decode(Chunk(features.copy(), np.arange(len(features)) / 50.0), [])
    return np.array([one.velocity for one in intents if isinstance(one, CursorIntent)])


def mixture(
    n_bins: int, n_features: int, random: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Give features that are Bz or, as often and with more noise, −Bz: of mean 0 whatever z is."""
    d = 10
    A = 0.95 * np.eye(d) - 0.05 * np.ones((d, d))
    root = np.linalg.cholesky(np.eye(d) - A @ A.T)
    states = random.standard_normal((n_bins, d))
    for t in range(1, n_bins):
        states[t] = A @ states[t - 1] + root @ random.standard_normal(d)
    seen = states @ random.standard_normal((d, n_features)) / np.sqrt(d)
    noise = random.standard_normal((n_bins, n_features))
    plain = random.random(n_bins) < 0.5
    return np.where(plain[:, None], seen + noise, -seen + np.sqrt(5) * noise), states


def test_where_features_have_no_mean_the_kalman_filter_is_lost_and_the_discriminative_is_not() -> (
    None
):
    features, states = mixture(2500, 100, np.random.default_rng(1))
    train, test = slice(0, 2000), slice(2000, None)
    kalman_settings = KalmanSettings()
    dkf_settings = DkfSettings.model_validate(
        {
            "regression": {"kind": "kernel-ridge", "length_scales": [0.5], "ridges": [0.1]},
            "cross_fit": 3,
        }
    )
    kalman = KalmanDecoder.fit(kalman_settings, features[train], states[train])
    dkf = DkfDecoder.fit(dkf_settings, features[train], states[train])
    lost = metrics.nrmse(
        states[test], decoded(KalmanDecoder(kalman_settings, kalman), features[test])
    )
    found = metrics.nrmse(states[test], decoded(DkfDecoder(dkf_settings, dkf), features[test]))
    assert lost > 0.95
    assert found < 0.8


N_UNITS = 40
KALMAN = KalmanSettings()
MK_DKF = DkfSettings.model_validate({"regression": {"kind": "multiple-kernel"}})
CLIPPED = DkfSettings.model_validate(
    {"regression": {"kind": "multiple-kernel"}, "features": {"saturation_sd": 2}}
)


class Population:
    """Forty cosine-tuned units, z-scored, that intend one of eight directions for a while."""

    def __init__(self) -> None:
        self.random = np.random.default_rng(0)
        self.preferred = self.random.uniform(0, 2 * np.pi, N_UNITS)
        self.modulation = self.random.uniform(0.15, 0.8, N_UNITS)
        self.train = self.bins(9000)
        self.test = self.bins(4000)

    def bins(self, n_bins: int) -> tuple[FloatArray, FloatArray]:
        directions = np.repeat(self.random.integers(0, 8, n_bins // 20) * np.pi / 4, 20)
        tuned = np.sqrt(2) * self.modulation * np.cos(directions[:, None] - self.preferred)
        noise = self.random.standard_normal((n_bins, N_UNITS))
        return tuned + noise, np.column_stack([np.cos(directions), np.sin(directions)])

    def error_deg(self, decoder: KinematicDecoder[Any], offset_sd: float) -> float:
        features, intended = self.test
        best = int(self.modulation.argmax())
        wild = features.copy()
        wild[:, best] += offset_sd * self.train[0][:, best].std()
        return float(np.degrees(metrics.angular_error_rad(intended, decoded(decoder, wild))))


@pytest.fixture(scope="module")
def population() -> Population:
    return Population()


def test_a_channel_gone_wild_hardly_moves_the_multiple_kernel_filter(
    population: Population,
) -> None:
    kalman = KalmanDecoder(KALMAN, KalmanDecoder.fit(KALMAN, *population.train))
    mk = DkfDecoder(MK_DKF, DkfDecoder.fit(MK_DKF, *population.train))

    clean, wild = population.error_deg(mk, 0), population.error_deg(mk, 5)

    assert clean < 1.15 * population.error_deg(kalman, 0)
    assert wild < 1.3 * clean
    assert wild < 0.6 * population.error_deg(kalman, 5)


def test_saturation_at_two_sd_costs_a_clean_signal_nothing(population: Population) -> None:
    plain = DkfDecoder(MK_DKF, DkfDecoder.fit(MK_DKF, *population.train))
    clipped = DkfDecoder(CLIPPED, DkfDecoder.fit(CLIPPED, *population.train))
    assert population.error_deg(clipped, 0) < 1.03 * population.error_deg(plain, 0)
    assert population.error_deg(clipped, 5) < 1.3 * population.error_deg(clipped, 0)
