"""The two-stage network: what torch gave, live against batch, what is refused, and its training."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.decoders.ssvep.methods.make_tiny_dnn import (
    FOLDER,
    N_CHANNELS,
    RATE_HZ,
    settings,
    windows,
)
from volition.chunk import Chunk, Event, SignalSpec
from volition.decoders.fitting.network import Network, load_network
from volition.decoders.ssvep.estimator import REST
from volition.decoders.ssvep.methods.dnn import DNN, DnnDecoder, logits, ready
from volition.errors import ConfigError, ModelError, NotFittedError

SPEC = SignalSpec(RATE_HZ, ("O1", "Oz", "O2", "PO3", "POz", "PO4"))


@pytest.fixture(scope="module")
def tiny() -> Network:
    return load_network(FOLDER / "tiny", "dnn")


def test_the_runtime_gives_what_torch_gave(tiny: Network) -> None:
    with np.load(FOLDER / "reference.npz") as reference:
        found = np.array([logits(tiny, window) for window in reference["windows"]])
        np.testing.assert_allclose(found, reference["logits"], atol=1e-5, rtol=0)
        assert np.ptp(reference["logits"]) > 0.01  # it says something


def test_live_and_batch_give_the_same_numbers(tiny: Network) -> None:
    signal = 5 * np.random.default_rng(5).standard_normal((300, N_CHANNELS))
    times = 10 + np.arange(300) / RATE_HZ
    decoder = DnnDecoder(settings(delay_s=0.0), tiny)
    decoder.prepare(SPEC)
    (intent,) = decoder.decode(Chunk(signal, times), [Event(float(times[200]), "cue", {})])
    batch = DNN(settings(), RATE_HZ, tiny)
    (expected,) = batch.decision_function(signal[None, :275].transpose(0, 2, 1))
    assert list(intent.evidence.values()) == expected.tolist()  # type: ignore[union-attr]  # a selection
    assert intent.target == expected.argmax()  # type: ignore[union-attr]  # a selection
    assert decoder.model_version == tiny.version


def test_below_the_confidence_wanted_nothing_is_selected(tiny: Network) -> None:
    epochs = windows(2, 3)[:, 0]
    assert (DNN(settings(), RATE_HZ, tiny).predict(epochs) != REST).all()
    assert (DNN(settings(min_confidence=0.99), RATE_HZ, tiny).predict(epochs) == REST).all()


def test_without_a_network_it_is_refused() -> None:
    with pytest.raises(NotFittedError, match="setting 'network'"):
        DnnDecoder(settings()).prepare(SPEC)


@pytest.mark.parametrize(
    ("changes", "rate_hz", "n_channels", "said"),
    [
        ({}, 256.0, N_CHANNELS, "rate_hz 250.0; found 256.0"),
        ({}, RATE_HZ, 5, "n_channels 6; found 5"),
        ({"window_s": 0.4}, RATE_HZ, N_CHANNELS, "window_s 0.3; found 0.4"),
    ],
)
def test_one_for_another_signal_is_refused(
    tiny: Network, changes: Any, rate_hz: float, n_channels: int, said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        ready(settings(**changes), tiny, rate_hz, n_channels)


def test_one_that_takes_something_else_is_refused(tiny: Network) -> None:
    with pytest.raises(ModelError, match=r"must have .*\(1, 2, 6, 75\).* found .*\(1, 3, 6, 75\)"):
        ready(settings(n_subbands=2), tiny, RATE_HZ, N_CHANNELS)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # what the exporter says of torch itself
def test_both_stages_learn_and_the_export_gives_the_same() -> None:
    torch = pytest.importorskip("torch", reason="needs the extra train")
    pytest.importorskip("onnxscript", reason="needs the extra train")
    from volition.models.training import ssvep_dnn

    torch.set_num_threads(1)

    rng = np.random.default_rng(0)
    patterns = rng.standard_normal((4, 3, N_CHANNELS, 40))
    targets = np.tile(np.arange(4), 12)

    def person(seed: int) -> Any:
        noise = np.random.default_rng(seed).standard_normal((48, 3, N_CHANNELS, 40))
        own = np.random.default_rng(seed + 50).standard_normal((4, 3, N_CHANNELS, 40))
        return 2 * (patterns[targets] + own[targets]) + 6 * noise, targets

    everyone = [person(seed) for seed in range(3)]
    stages = (ssvep_dnn.TrainingStage(25, 20, 0.1), ssvep_dnn.TrainingStage(15, 12, 0.6))
    shared, own = ssvep_dnn.two_stages(everyone, everyone[0], 4, stages=stages)
    again = person(0)[0] + np.random.default_rng(99).standard_normal((48, 3, N_CHANNELS, 40))
    right = [
        (ssvep_dnn.scores(one, again).argmax(axis=1) == targets).mean() for one in (shared, own)
    ]
    assert min(right) > 0.8
    manifest, content = ssvep_dnn.exported(
        own,
        settings(window_s=0.16),
        RATE_HZ,
        N_CHANNELS,
        name="own",
        trained_on="noise",
        licence="none",
    )
    network = Network(manifest, content)
    found = np.array([logits(network, window) for window in again])
    np.testing.assert_allclose(found, ssvep_dnn.scores(own, again), atol=1e-5, rtol=0)
