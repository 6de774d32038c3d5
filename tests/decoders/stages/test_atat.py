"""AT-AT on made-up signals: what it leaves alone, what it takes away, how long it waits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from volition.chunk import Chunk, FloatArray, SignalSpec
from volition.decoders.fitting.network import load_network
from volition.decoders.stages.atat import Atat, AtatSettings
from volition.errors import ConfigError, ModelError

RATE_HZ = 256.0
LABELS = ("Oz", "O1", "O2")


def prepared(rate_hz: float = RATE_HZ, **settings: object) -> Atat:
    stage = Atat(AtatSettings.model_validate({"kind": "atat", **settings}))
    stage.prepare(SignalSpec(rate_hz, LABELS))
    return stage


def rhythm(seconds: float) -> FloatArray:
    """Give what EEG is like: slow noise and an alpha rhythm, nothing above 40 Hz."""
    rng = np.random.default_rng(3)
    times = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    freqs = np.fft.rfftfreq(len(times), 1 / RATE_HZ)
    gain = np.where((freqs > 1) & (freqs < 35), 1 / np.maximum(freqs, 1.0), 0.0)
    noise = np.fft.irfft(
        np.fft.rfft(rng.standard_normal((len(LABELS), len(times)))) * gain, len(times)
    )
    signal: FloatArray = (15 * noise / noise.std() + 10 * np.sin(20 * np.pi * times)).T
    return signal


def bursts(n_samples: int) -> FloatArray:
    """Give muscle: noise above 30 Hz from the second to the third second of every four."""
    rng = np.random.default_rng(4)
    freqs = np.fft.rfftfreq(n_samples, 1 / RATE_HZ)
    white = np.fft.rfft(rng.standard_normal((len(LABELS), n_samples)))
    noise = np.fft.irfft(white * (freqs > 30), n_samples)
    times = np.arange(n_samples) / RATE_HZ
    muscle: FloatArray = (noise / noise.std() * ((times % 4 > 2) & (times % 4 < 3))).T
    return muscle


def run(stage: Atat, samples: FloatArray) -> FloatArray:
    times = np.arange(len(samples)) / RATE_HZ
    given = [
        stage.process(Chunk(samples[i : i + 100].copy(), times[i : i + 100].copy()))
        for i in range(0, len(samples), 100)
    ]
    found = np.concatenate([chunk.times for chunk in given])
    np.testing.assert_array_equal(found, times[: len(found)])
    return np.concatenate([chunk.samples for chunk in given])


def test_what_is_like_eeg_passes_to_the_bit() -> None:
    stage = prepared()
    signal = rhythm(12)
    cleaned = run(stage, signal)
    assert stage.state()["repaired_share"] == 0
    np.testing.assert_array_equal(cleaned, signal[: len(cleaned)])


@pytest.mark.parametrize(("step_s", "left"), [(1.0, 0.25), (0.125, 0.35)])
def test_bursts_of_muscle_are_taken_away_and_the_signal_stays(step_s: float, left: float) -> None:
    stage = prepared(step_s=step_s)
    clean = rhythm(16)
    muscle = 40 * bursts(len(clean))
    cleaned = run(stage, clean + muscle)
    n = len(cleaned)
    seconds = np.arange(n) / RATE_HZ
    within = (muscle[:n] != 0).any(axis=1) & (seconds > 4)
    error = np.square(cleaned[within] - clean[:n][within]).mean()
    assert error < left**2 * np.square(muscle[:n][within]).mean()
    state = stage.state()
    assert state["latency_s"] == pytest.approx(2 * step_s)
    assert 0 < state["repaired_share"] < 1
    assert 0 < state["removed_share_of_energy_where_repaired"] < 1


def test_a_sample_waits_for_no_longer_than_was_said() -> None:
    stage = prepared(step_s=0.125)
    signal = rhythm(5)
    cleaned = run(stage, signal)
    assert len(signal) - len(cleaned) <= stage.latency_s * RATE_HZ


def test_a_rate_that_the_networks_do_not_know_is_refused_and_the_way_out_named() -> None:
    with pytest.raises(ConfigError, match="500 Hz; put a resample stage"):
        prepared(500.0)
    assert prepared(250.0).latency_s == pytest.approx(2.0)


def test_another_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no network"):
        prepared(autoencoder=str(tmp_path / "none"))
    with pytest.raises(ModelError, match="takes both"):
        prepared(autoencoder="atat-transformer")
    with pytest.raises(ValueError, match="less than clean_above"):
        prepared(noisy_below=0.95)


def test_the_networks_that_ship_are_small_and_say_what_they_learned_from() -> None:
    networks = [load_network(name, "atat") for name in ("atat-autoencoder", "atat-transformer")]
    for network in networks:
        assert "biceps" in network.manifest.trained_on
        scores = network.manifest.scores["segments"]
        assert isinstance(scores, dict)
        assert isinstance(scores["n_parameters"], int)
        assert scores["n_parameters"] < 1_000_000
