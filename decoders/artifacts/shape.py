"""A filter that weighs frequencies by how telling they are of artifacts.

Artifact subspace reconstruction takes its statistics from a signal in which slow (blinks, movement)
and fast (muscle) activity counts for more than the rhythms between. The wanted magnitudes are
turned into a minimum-phase impulse response by the cepstrum, and that into an eighth-order
recursion: the denominator solves the modified Yule-Walker equations of its autocorrelation
(Friedlander and Porat, IEEE Trans. Aerosp. Electron. Syst. 20:158, 1984), the numerator is the
least-squares fit of the response that remains (Shanks, Geophysics 32:33, 1967).
"""

from __future__ import annotations

import numpy as np
import scipy

from volition.chunk import FloatArray

GRID = 4096
ORDER = 8


def shape_curve(rate_hz: float) -> tuple[FloatArray, FloatArray]:
    """Give frequencies (Hz) and the gains wanted at them."""
    half = rate_hz / 2
    freqs_hz = np.array([0.0, 2.0, 3.0, 13.0, 16.0, 40.0, min(80.0, half - 1), half])
    gains = np.array([3.0, 0.75, 0.33, 0.33, 1.0, 1.0, 3.0, 3.0])
    inside = (freqs_hz < half) & (np.diff(freqs_hz, prepend=-1.0) > 0)
    inside[-1] = True
    return freqs_hz[inside], gains[inside]


def shape_sections(rate_hz: float) -> FloatArray:
    """Design the filter as second-order sections (n_sections, 6)."""
    freqs_hz, gains = shape_curve(rate_hz)
    grid_hz = np.linspace(0, rate_hz / 2, GRID // 2 + 1)
    wanted = np.interp(grid_hz, freqs_hz, gains)
    response = minimum_phase(wanted)[: GRID // 4]
    denominator = _denominator(np.fft.irfft(wanted**2))
    # The numerator: the response is the numerator's taps through 1 / denominator.
    impulse = np.zeros(len(response))
    impulse[0] = 1.0
    ringing = scipy.signal.lfilter([1.0], denominator, impulse)
    columns = scipy.linalg.toeplitz(ringing, np.zeros(ORDER + 1))
    numerator = scipy.linalg.lstsq(columns, response)[0]
    sections: FloatArray = scipy.signal.tf2sos(numerator, denominator)
    return sections


def minimum_phase(magnitudes: FloatArray) -> FloatArray:
    """Give the minimum-phase impulse response of magnitudes on an even grid from 0 to half."""
    cepstrum = np.fft.irfft(np.log(np.maximum(magnitudes, 1e-6)))
    n = len(cepstrum)
    folded = np.zeros(n)
    folded[0], folded[n // 2] = cepstrum[0], cepstrum[n // 2]
    folded[1 : n // 2] = 2 * cepstrum[1 : n // 2]
    response: FloatArray = np.fft.irfft(np.exp(np.fft.rfft(folded)), n)
    return response


def _denominator(correlation: FloatArray) -> FloatArray:
    """Solve r[k] + a_1 r[k-1] + ... = 0 over lags k that the numerator hardly reaches."""
    # From half the order on (by trial the nearest to the curve), up to where correlation ends.
    lags = np.arange(ORDER // 2 + 1, 5 * ORDER)
    matrix = correlation[np.abs(lags[:, None] - np.arange(1, ORDER + 1))]
    coefficients = scipy.linalg.lstsq(matrix, -correlation[lags])[0]
    roots = np.roots(np.concatenate([[1.0], coefficients]))
    outside = np.abs(roots) >= 1
    roots[outside] = 1 / np.conj(roots[outside])
    denominator: FloatArray = np.real(np.poly(roots))
    return denominator
