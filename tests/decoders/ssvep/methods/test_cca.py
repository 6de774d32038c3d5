"""Canonical correlation analysis: against an independent implementation, and live against batch."""

from __future__ import annotations

import numpy as np
from scipy.linalg import qr, svdvals

from volition.chunk import Chunk, Event, FloatArray, SignalSpec
from volition.decoders.contract.intent import IdleIntent, SelectionIntent
from volition.decoders.ssvep.estimator import REST, filtered_windows
from volition.decoders.ssvep.methods.cca import CCA, CcaDecoder, CcaSettings

RATE_HZ = 250.0
LABELS = ("Oz", "O1", "O2", "POz")
FREQS_HZ = (8.0, 9.4, 11.2)


def settings(**changes: object) -> CcaSettings:
    targets = [{"label": f"{freq_hz} Hz", "freq_hz": freq_hz} for freq_hz in FREQS_HZ]
    return CcaSettings.model_validate({"targets": targets, "window_s": 1.0, **changes})


def signal(freq_hz: float | None, n_samples: int, seed: int = 1) -> FloatArray:
    """Give noise, and in two channels a flicker with one harmonic, (n_channels, n_samples)."""
    microvolts: FloatArray = 4 * np.random.default_rng(seed).standard_normal((4, n_samples)) + 80
    if freq_hz is not None:
        times = np.arange(n_samples) / RATE_HZ
        microvolts[0] += 3 * np.sin(2 * np.pi * freq_hz * times + 0.3)
        microvolts[1] += 2 * np.sin(4 * np.pi * freq_hz * times + 1.0)
    return microvolts


def textbook(window: FloatArray, freq_hz: float, n_harmonics: int) -> float:
    """Give the largest canonical correlation by QR and singular values (Björck and Golub 1973)."""
    times = np.arange(window.shape[1]) / RATE_HZ
    turns = 2 * np.pi * freq_hz * np.arange(1, n_harmonics + 1)[:, None] * times
    waves = np.concatenate([np.sin(turns), np.cos(turns)])
    bases = [qr((rows - rows.mean(axis=1, keepdims=True)).T, mode="economic")[0] for rows in
             (window, waves)]  # fmt: skip
    return float(svdvals(bases[0].T @ bases[1])[0])


def test_the_scores_are_the_textbooks_canonical_correlations() -> None:
    epochs = np.stack([signal(9.4, 400), signal(None, 400, 2)])
    scores = CCA(settings(), RATE_HZ).decision_function(epochs)
    windows = filtered_windows(settings(), epochs, RATE_HZ)[:, 0]
    expected = [[textbook(window, freq_hz, 2) for freq_hz in FREQS_HZ] for window in windows]
    np.testing.assert_allclose(scores, expected, atol=1e-9)


def test_a_stream_and_a_batch_give_the_same_bits() -> None:
    microvolts = signal(11.2, 750)
    decoder = CcaDecoder(settings(delay_s=0.2))
    decoder.prepare(SignalSpec(RATE_HZ, LABELS))
    chunk = Chunk(microvolts.T.copy(), np.arange(750) / RATE_HZ)
    (intent,) = decoder.decode(chunk, [Event(1.0, "go")])
    assert isinstance(intent, SelectionIntent)
    assert (intent.label, intent.t_trigger, intent.t_sample) == ("11.2 Hz", 1.0, 549 / RATE_HZ)
    scores = CCA(settings(), RATE_HZ).decision_function(microvolts[None, :, :550])
    assert list(intent.evidence.values()) == scores[0].tolist()


def test_noise_is_idle_and_a_flicker_is_selected() -> None:
    epochs = np.stack([signal(freq_hz, 600, seed) for seed in range(10) for freq_hz in FREQS_HZ])
    noise = np.stack([signal(None, 600, 100 + seed) for seed in range(30)])
    estimator = CCA(settings(window_s=2.0), RATE_HZ)
    assert (estimator.predict(epochs) == np.tile([0, 1, 2], 10)).mean() > 0.9
    assert (estimator.predict(noise) == REST).mean() > 0.9


def test_a_marker_whose_samples_never_came_is_answered_with_idle() -> None:
    decoder = CcaDecoder(settings())
    decoder.prepare(SignalSpec(RATE_HZ, LABELS))
    decoder.decode(Chunk(signal(None, 250).T.copy(), np.arange(250) / RATE_HZ), [])
    late = Chunk(signal(None, 250).T.copy(), 5 + np.arange(250) / RATE_HZ)
    (intent,) = decoder.decode(late, [Event(2.0, "go")])
    assert isinstance(intent, IdleIntent)
    assert (intent.reason, intent.t_trigger) == ("missing_samples", 2.0)
