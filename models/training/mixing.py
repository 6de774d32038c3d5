"""Pairs to train a denoiser on: clean segments, and the same with muscle activity mixed in.

The ratio of a pair is EEGdenoiseNet's, 10 log10(RMS clean / RMS artifact), drawn anew; both sides
are divided by the standard deviation of the mixed one. A share of the pairs is clean, or
nearly so: a network must know what to leave alone. Few recordings of muscle are made more by time
shifts, signs and spectral tilts, and half of the artifacts are simulated bursts: noise between 10
and 120 Hz, whose band, slope, moments and durations are drawn at random.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

#: Share of pairs that are clean, and that are between 2 and 15 dB.
CLEAN_SHARE, MILD_SHARE = 0.1, 0.1
SIMULATED_SHARE = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Mixer:
    """Draws pairs.

    Attributes
    ----------
    eeg, artifacts : ndarray, shape (n, n_samples)
        Segments of people for training alone.
    rate_hz
    snr_db
        The range that is drawn from.
    """

    eeg: FloatArray
    artifacts: FloatArray
    rate_hz: float
    snr_db: tuple[float, float] = (-7.0, 2.0)

    def draw(self, n: int, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        """Give ``n`` pairs: noisy and clean, each (n, n_samples)."""
        clean = _varied(self.eeg[rng.integers(len(self.eeg), size=n)], rng, shift=False)
        noise = _varied(self.artifacts[rng.integers(len(self.artifacts), size=n)], rng, shift=True)
        noise = _tilted(noise, rng.uniform(-0.75, 0.75, (n, 1)), self.rate_hz)
        simulated = rng.random(n) < SIMULATED_SHARE
        made = simulate_bursts(int(simulated.sum()), clean.shape[1], self.rate_hz, rng)
        noise[simulated] = made
        snr_db = rng.uniform(*self.snr_db, n)
        kind = rng.random(n)
        mild = kind < CLEAN_SHARE + MILD_SHARE
        snr_db[mild] = rng.uniform(2, 15, int(mild.sum()))
        gains = _rms(clean) / (_rms(noise) * 10 ** (snr_db / 10)[:, None])
        gains[kind < CLEAN_SHARE] = 0.0
        return scaled(clean + gains * noise, clean)


def scaled(noisy: FloatArray, clean: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Divide both by the standard deviation of each noisy segment."""
    deviation = np.maximum(noisy.std(axis=1, keepdims=True), 1e-9)
    return noisy / deviation, clean / deviation


def simulate_bursts(n: int, n_samples: int, rate_hz: float, rng: np.random.Generator) -> FloatArray:
    """Give ``n`` segments of simulated muscle activity (n, n_samples), RMS 1."""
    freqs = np.fft.rfftfreq(n_samples, 1 / rate_hz)
    low = rng.uniform(5, 30, (n, 1))
    high = rng.uniform(60, 0.47 * rate_hz, (n, 1))
    slope = rng.uniform(-1.0, 0.5, (n, 1))
    gain = (np.maximum(freqs, 1.0) / 40) ** slope
    gain = gain / (1 + (low / np.maximum(freqs, 0.5)) ** 4) / (1 + (freqs / high) ** 8)
    waves = np.fft.irfft(gain * np.fft.rfft(rng.standard_normal((n, n_samples))), n_samples)
    times = np.arange(n_samples) / rate_hz
    envelope = rng.uniform(0.02, 1.0, (n, 1)) * np.ones(n_samples)
    for _ in range(3):
        middle = rng.uniform(0, times[-1], (n, 1))
        width = rng.uniform(0.05, 0.8, (n, 1))
        height = rng.uniform(0, 1.5, (n, 1)) * (rng.random((n, 1)) < 0.6)
        envelope = envelope + height * np.exp(-0.5 * ((times - middle) / width) ** 2)
    bursts = waves * envelope
    result: FloatArray = bursts / _rms(bursts)
    return result


def _varied(segments: FloatArray, rng: np.random.Generator, *, shift: bool) -> FloatArray:
    """Turn segments round in time, and over, at random; or shift them, their end to their front."""
    n, n_samples = segments.shape
    shifts = rng.integers(n_samples, size=(n, 1)) * shift
    places = (np.arange(n_samples) + shifts) % n_samples
    backwards = rng.random(n) < 0.5
    places[backwards] = places[backwards, ::-1]
    signs = rng.choice([-1.0, 1.0], (n, 1))
    varied: FloatArray = signs * np.take_along_axis(segments, places, axis=1)
    return varied


def _tilted(segments: FloatArray, slope: FloatArray, rate_hz: float) -> FloatArray:
    n_samples = segments.shape[1]
    freqs = np.maximum(np.fft.rfftfreq(n_samples, 1 / rate_hz), 1.0)
    result: FloatArray = np.fft.irfft(
        np.fft.rfft(segments) * (freqs / 40) ** slope, n_samples, axis=1
    )
    return result


def _rms(segments: FloatArray) -> FloatArray:
    root: FloatArray = np.sqrt(np.square(segments).mean(axis=1, keepdims=True))
    return np.maximum(root, 1e-9)
