"""Scores of a window of filtered samples: what a live decoder and a batch share.

A window is summed in pieces of one length, in order, so that the sums, and the scores, have the
same bits whether the pieces came one by one or all at once.
"""

from __future__ import annotations

import math

import numpy as np

from volition.chunk import FloatArray, SignalSpec
from volition.decoders.passband import share_left
from volition.decoders.ssvep.scores.bank import sub_band_weights
from volition.decoders.ssvep.scores.correlation import (
    Moments,
    ReferenceFactor,
    correlation_matrices,
    largest_eigenvalues,
    noise_edge,
    phases,
    references,
)

#: A sub-band of which the stages left so little that chance correlates this well is not counted.
_USELESS = 0.7


class WindowScorer:
    """Weighed sum over the sub-bands of squared canonical correlations.

    Parameters
    ----------
    freqs_hz
        Flicker frequency of each target.
    n_harmonics
        Harmonics of it in the references.
    edges
        Lower and upper edge of each sub-band, Hz.
    window_samples, piece_samples
        Length of a window and of the pieces in which it is summed.
    rate_hz, n_channels
        The signal.
    spec, order
        The signal again, where it is known what the stages before let through, and the order of the
        sub-bands' edges.

    Attributes
    ----------
    noise_score : float
        Score that a signal without flicker hardly exceeds: the edge that the largest of many
        chance correlations tends to (see `noise_edge`), each sub-band holding as many independent
        samples as its width, what the stages left of it, and the window's length allow.
    """

    def __init__(
        self,
        freqs_hz: FloatArray,
        n_harmonics: int,
        edges: list[tuple[float, float]],
        *,
        window_samples: int,
        piece_samples: int,
        rate_hz: float,
        n_channels: int,
        spec: SignalSpec | None = None,
        order: int = 4,
    ) -> None:
        self.n_channels = n_channels
        self.n_bands = len(edges)
        self.window_samples = window_samples
        self.piece_samples = piece_samples
        self.weights = sub_band_weights(len(edges))
        self.radians = phases(freqs_hz, n_harmonics, rate_hz)
        self.factor = ReferenceFactor.of(self.radians, window_samples)
        waves = references(self.radians, 0, window_samples)
        self._n_references = len(waves) - 1
        #: The references, piece by piece.
        self.waves = [
            np.ascontiguousarray(waves[:, start : start + piece_samples])
            for start in range(0, window_samples, piece_samples)
        ]
        window_s = window_samples / rate_hz
        chances = []
        for number, (low, high) in enumerate(edges):
            left = 1.0 if spec is None else share_left(spec, low, high, order)
            chance = noise_edge(n_channels, 2 * n_harmonics, 2 * (high - low) * left * window_s)
            if left < 1.0 and chance > _USELESS and number:
                self.weights[number] = 0.0
            chances.append(chance)
        self.noise_score = math.fsum(
            weight * chance for weight, chance in zip(self.weights.tolist(), chances, strict=True)
        )

    def new_moments(self, flat: FloatArray | None = None) -> Moments:
        """Make sums of this scorer's shape; see `Moments`."""
        return Moments(self.n_bands, self.n_channels, self._n_references, flat)

    def scores(
        self, moments: Moments, factor: ReferenceFactor | None = None, *, overwrite: bool = False
    ) -> FloatArray:
        """Give the score of each target, shape (n_targets,).

        ``factor`` says from where the references were counted; from the window's start when None.
        With ``overwrite`` the moments are of no use after.
        """
        return self.weigh(correlation_matrices(moments, factor or self.factor, overwrite=overwrite))

    def weigh(self, matrices: FloatArray) -> FloatArray:
        """Give the scores, shape (n_targets,), from what `correlation_matrices` gives."""
        result: FloatArray = self.weights @ largest_eigenvalues(matrices)
        return result

    def scores_of(self, filtered: FloatArray) -> FloatArray:
        """Score one window of filtered samples.

        Parameters
        ----------
        filtered : ndarray, shape (n_bands, n_channels, window_samples)

        Returns
        -------
        ndarray, shape (n_targets,)
        """
        total, piece = self.new_moments(), self.new_moments()
        for number, waves in enumerate(self.waves):
            start = number * self.piece_samples
            # Laid out anew: the same sums in the same order wherever the samples came from.
            piece.measure(filtered[:, :, start : start + waves.shape[1]].copy(order="C"), waves)
            total.flat += piece.flat
        return self.scores(total)
