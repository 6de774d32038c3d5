"""What a window says of each target, in numbers that mean the same for every target.

For each sub-band: the squared canonical correlation with each of the first three harmonics apart,
with the first two together and with all three; and the same, on average, at two frequencies beside
the target's, where nobody flickers: what the background reaches there. Nothing depends on which
frequency a target has, so what is learned from some frequencies can be tried on others.
"""

from __future__ import annotations

import numpy as np

from volition.chunk import FloatArray
from volition.decoders.ssvep.scores.correlation import (
    Moments,
    ReferenceFactor,
    correlation_matrices,
    largest_eigenvalues,
    phases,
    references,
)

N_HARMONICS = 3
#: Correlations of each sub-band: harmonic 1, 2 and 3 apart, 1 and 2 together, all three.
N_KINDS = 5
#: Which of them is the first two harmonics together.
FIRST_TWO = 3
#: Distance of the frequencies beside a target, in units of one over the window's length.
BESIDE = 2.0


class _Correlations:
    """Squared correlations of a window at some frequencies."""

    def __init__(
        self,
        freqs_hz: FloatArray,
        n_bands: int,
        n_channels: int,
        rate_hz: float,
        window_samples: int,
    ) -> None:
        radians = phases(freqs_hz, N_HARMONICS, rate_hz)
        self._factor = ReferenceFactor.of(radians, window_samples)
        self._waves = references(radians, 0, window_samples)
        self._moments = Moments(n_bands, n_channels, len(self._waves) - 1)

    def measure(self, filtered: FloatArray) -> FloatArray:
        """Give them, shape (n_freqs, n_bands, N_KINDS)."""
        self._moments.measure(filtered, self._waves)
        inner = correlation_matrices(self._moments, self._factor)
        blocks = [slice(0, 2), slice(2, 4), slice(4, 6), slice(0, 4), slice(0, 6)]
        kinds = [largest_eigenvalues(inner[..., block, block]) for block in blocks]
        return np.ascontiguousarray(np.stack(kinds, axis=-1).transpose(1, 0, 2))


class Contrast:
    """Correlations at the targets and beside them.

    Parameters
    ----------
    freqs_hz
        Flicker frequency of each target.
    n_bands, n_channels, rate_hz
        Properties of the filtered signal.
    window_samples
        Length of a window.
    """

    def __init__(
        self,
        freqs_hz: FloatArray,
        n_bands: int,
        n_channels: int,
        rate_hz: float,
        window_samples: int,
    ) -> None:
        self._n_targets = len(freqs_hz)
        step_hz = BESIDE * rate_hz / window_samples
        beside_hz = np.concatenate([freqs_hz - step_hz, freqs_hz + step_hz])
        self._at = _Correlations(freqs_hz, n_bands, n_channels, rate_hz, window_samples)
        self._beside = _Correlations(beside_hz, n_bands, n_channels, rate_hz, window_samples)

    def measure_at(self, filtered: FloatArray) -> FloatArray:
        """Give squared correlations at the targets, shape (n_targets, n_bands, N_KINDS).

        Parameters
        ----------
        filtered : ndarray, shape (n_bands, n_channels, window_samples)
            C-contiguous.
        """
        return self._at.measure(filtered)

    def measure(self, filtered: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Give `measure_at`, and the mean of the same below and above each target."""
        beside = self._beside.measure(filtered)
        n = self._n_targets
        return self._at.measure(filtered), (beside[:n] + beside[n:]) / 2
