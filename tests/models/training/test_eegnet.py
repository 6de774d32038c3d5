"""The networks of the EEGNet family: their sizes, what they learn, and that ONNX says the same."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.decoders.classes.people import data_of, decoded, recorded, share_right
from volition.chunk import FloatArray
from volition.decoders.classes.methods.network import (
    INPUT,
    OUTPUT,
    UNIT,
    EegNetworkSettings,
    NetworkDecoder,
    network_of,
)
from volition.decoders.fitting.network import Network
from volition.streams.simulated.imagery_participant import ImageryParticipant

pytest.importorskip("torch", reason="needs the extra train")
pytest.importorskip("onnxscript", reason="needs the extra train")

from volition.models.training import eegnet

#: Torch warns of its own use of its own parts while it exports.
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")

ARCHITECTURES = sorted(eegnet.FEATURES)
SHAPE = (8, 256)


def noise(n: int, seed: int = 0) -> FloatArray:
    return np.random.default_rng(seed).standard_normal((n, *SHAPE))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_onnx_says_what_torch_says(architecture: Any) -> None:
    settings = EegNetworkSettings(architecture=architecture, classes=["a", "b", "c"])
    network = eegnet.made(architecture, *SHAPE, 3, 128.0)
    manifest, content = eegnet.exported(network, settings, SHAPE, 128.0, architecture)
    run = Network(manifest, content)

    for window in noise(3):
        logits = run.run(**{INPUT: window[None]})[OUTPUT].astype(np.float64)
        shifted = logits - logits.max()
        ours = shifted - np.log(np.exp(shifted).sum())
        np.testing.assert_allclose(ours, eegnet.log_probabilities(network, window[None]), atol=1e-5)


def test_eegnet_has_the_published_number_of_parameters() -> None:
    # Lawhern et al. 2018, table 3, EEGNet-8,2: C channels, T samples at 128 Hz, N classes.
    network = eegnet.made("eegnet", 64, 256, 4, 128.0)
    temporal, spatial, separable = 64 * 8, 64 * 16, 16 * 16 + 16 * 16
    norms, last = 2 * (8 + 16 + 16), 4 * 16 * (256 // 32) + 4
    assert eegnet.n_parameters(network) == temporal + spatial + separable + norms + last


@pytest.mark.parametrize("architecture", ["eegnet", "shallow"])
def test_a_rhythm_that_differs_is_learned(architecture: str) -> None:
    classes = np.tile([0, 1], 40)
    windows = noise(80)
    wave = np.sin(2 * np.pi * 12 * np.arange(SHAPE[1]) / 128.0)
    windows[classes == 0, 0] += 2 * wave
    windows[classes == 1, 4] += 2 * wave
    network = eegnet.made(architecture, *SHAPE, 2, 128.0)
    training = eegnet.Training(most_passes=12, batch=16)
    eegnet.train(network, windows[:60], classes[:60], np.arange(60), training)

    found = eegnet.log_probabilities(network, windows[60:]).argmax(axis=1)
    assert (found == classes[60:]).mean() >= 0.9
    limited = [layer for layer in network.modules() if hasattr(layer, "max_norm")]
    assert limited
    for layer in limited:
        norms = layer.weight.detach().numpy().reshape(len(layer.weight), -1)
        assert np.linalg.norm(norms, axis=1).max() <= layer.max_norm * (1 + 1e-5)


def test_windows_of_a_trial_are_kept_aside_together() -> None:
    classes, trials = np.repeat([0, 1, 0, 1], 5), np.repeat([0, 1, 2, 3], 5)
    aside = eegnet._kept_aside(classes, trials, 0.5, np.random.default_rng(0))
    assert sorted(int(classes[trials == one][0]) for one in aside) == [0, 1]


def test_the_gain_over_chance_is_a_share_of_what_there_is() -> None:
    assert eegnet.gain_over_chance(0.75, 0.5) == 0.5
    assert eegnet.gain_over_chance(0.25, 0.25) == 0.0


@pytest.mark.slow
def test_a_calibration_gives_a_model_that_decodes() -> None:
    plain_to_see = ImageryParticipant(
        seed=3, rhythm_uv=12.0, weakening=0.85, latency_s=0.15, rise_s=0.1, trial_spread=0.1
    )
    day = recorded(plain_to_see, turns=8)
    settings = EegNetworkSettings(architecture="shallow", delay_s=0.5, window_s=1.5)
    data = replace(data_of(day), options={"accept": True})  # sixteen trials may tell too little
    made = eegnet.calibrate(
        settings, data, lambda *_: None, training=eegnet.Training(most_passes=10)
    )

    assert made.scores["parameters"] > 10_000
    manifest = network_of(made.model).manifest
    assert manifest.inputs[0].unit == UNIT
    assert manifest.facts["architecture"] == "shallow"
    intents = decoded(NetworkDecoder, settings, made.model, day)
    assert share_right(intents, day) >= 0.8
