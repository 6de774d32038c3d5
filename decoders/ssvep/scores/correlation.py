"""Canonical correlation with sines, from sums that can be added.

The textbook takes QR factors of a window X (n_samples, n_channels) and of the references Y
(n_samples, 2 n_harmonics) and the singular values of Qx'Qy. The same number follows from sums over
the window: the Gram X'X, the cross products Y'X and the channel sums. With G the centred Gram,
L L' = G, P the centred cross products and T the triangular factor of the centred references,
rho^2 is the largest eigenvalue of M'M, M = L^-1 P' T^-1. Sums of two pieces add up to the sums of
both, so a sliding window costs what its newest piece costs, whatever its length.

The references are counted from an origin of the caller's choice. Sines and cosines at another
origin are a rotation of the same two, so the span, and rho, is the same for each; only T turns.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import scipy

from volition.chunk import FloatArray

#: Added to each channel's sum of squares, as a share of it: lets a montage of linearly dependent
#: channels (an average reference, a bridge of gel, a dead one) be factored. It is far above the
#: rounding of the sums; where channels are not almost dependent it changes rho below 1e-9.
RIDGE = 1e-12
#: Lets a flat channel be factored; far below the square of any rounding error.
FLOOR = 1e-200


def phases(freqs_hz: FloatArray, n_harmonics: int, rate_hz: float) -> FloatArray:
    """Give radians a sample of each target's harmonics, shape (n_targets, n_harmonics)."""
    return 2 * np.pi * freqs_hz[:, None] * np.arange(1, n_harmonics + 1) / rate_hz


def references(radians: FloatArray, start: int, n_samples: int) -> FloatArray:
    """Give sines and cosines at samples ``start`` to ``start + n_samples``, and a row of ones.

    Returns
    -------
    ndarray, shape (2 n_targets n_harmonics + 1, n_samples)
        Rows: for each target, for each harmonic, cosine and sine; last a row of ones.
    """
    angles = radians.reshape(-1, 1) * np.arange(start, start + n_samples)
    waves = np.stack([np.cos(angles), np.sin(angles)], axis=1).reshape(-1, n_samples)
    return np.concatenate([waves, np.ones((1, n_samples))])


def turn(cross: FloatArray, radians: FloatArray, n_samples: int) -> None:
    """Move the origin of ``cross`` (n_bands, n_references + 1, n_channels) on, in place.

    What was at sample n is then at n - ``n_samples``.
    """
    n_bands, _, n_channels = cross.shape
    waves = cross[:, :-1].reshape(n_bands, -1, 2, n_channels)  # a view: only the last row is cut
    cosine = np.cos(radians * n_samples).reshape(-1, 1)
    sine = np.sin(radians * n_samples).reshape(-1, 1)
    before = waves[:, :, 0].copy()
    waves[:, :, 0] = cosine * before + sine * waves[:, :, 1]
    waves[:, :, 1] = cosine * waves[:, :, 1] - sine * before


def noise_edge(n_channels: int, n_references: int, n_samples: float) -> float:
    """Give the squared canonical correlation that independent signals tend to at most.

    Upper edge of the limit of Wachter, Ann. Statist. 8:937, 1980 (see also Johnstone, Ann. Statist.
    36:2638, 2008): with p = n_channels / n_samples and q = n_references / n_samples it is
    (sqrt(p (1 - q)) + sqrt(q (1 - p)))^2, and 1 when p + q reaches 1.
    """
    p, q = n_channels / n_samples, n_references / n_samples
    if p + q >= 1:
        return 1.0
    return float((np.sqrt(p * (1 - q)) + np.sqrt(q * (1 - p))) ** 2)


class Moments:
    """Sums over some samples of a filtered signal.

    Attributes
    ----------
    flat : ndarray, shape (size,)
        All of it: moments add as these do.
    gram : ndarray, shape (n_bands, n_channels, n_channels)
        Products of channels; a view of ``flat``.
    cross : ndarray, shape (n_bands, n_references + 1, n_channels)
        Products of references and channels, last the channels' sums; a view of ``flat``.
    """

    def __init__(
        self, n_bands: int, n_channels: int, n_references: int, flat: FloatArray | None = None
    ) -> None:
        size_of_gram = n_bands * n_channels * n_channels
        size = size_of_gram + n_bands * (n_references + 1) * n_channels
        self.flat = np.zeros(size) if flat is None else flat
        self.gram = self.flat[:size_of_gram].reshape(n_bands, n_channels, n_channels)
        self.cross = self.flat[size_of_gram:].reshape(n_bands, n_references + 1, n_channels)

    def measure(self, filtered: FloatArray, waves: FloatArray) -> None:
        """Replace the sums by those over one piece.

        Parameters
        ----------
        filtered : ndarray, shape (n_bands, n_channels, n_samples)
        waves : ndarray, shape (n_references + 1, n_samples)
            The references at the same samples.
        """
        columns = filtered.transpose(0, 2, 1)
        np.matmul(filtered, columns, out=self.gram)
        np.matmul(waves, columns, out=self.cross)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class ReferenceFactor:
    """What the score needs to know of a window's references.

    Attributes
    ----------
    n_samples
        Length of the window.
    sums : ndarray, shape (n_references,)
        Sum of each reference over the window.
    inverse : ndarray, shape (n_targets, 2 n_harmonics, 2 n_harmonics)
        Transposed inverse of the triangular factor of each target's centred references.
    """

    n_samples: int
    sums: FloatArray
    inverse: FloatArray

    @classmethod
    def of(cls, radians: FloatArray, n_samples: int) -> ReferenceFactor:
        """Factor the references of a window whose first sample is the origin.

        Parameters
        ----------
        radians : ndarray, shape (n_targets, n_harmonics)
            Radians a sample.
        n_samples
            Length of the window.
        """
        n_targets, n_harmonics = radians.shape
        waves = references(radians, 0, n_samples)[:-1]
        centred = waves - waves.mean(axis=1, keepdims=True)
        columns = centred.reshape(n_targets, 2 * n_harmonics, n_samples).transpose(0, 2, 1)
        inverse = np.linalg.inv(np.linalg.qr(columns, mode="r"))
        return cls(n_samples, waves.sum(axis=1), np.ascontiguousarray(inverse.transpose(0, 2, 1)))

    def starting_at(self, radians: FloatArray, start: int) -> ReferenceFactor:
        """Give the factor of the same window, its first sample at ``start`` from the origin."""
        cosine, sine = np.cos(radians * start), np.sin(radians * start)

        def turned(columns: FloatArray) -> FloatArray:
            pairs = columns.reshape(*columns.shape[:-1], -1, 2)
            even, odd = pairs[..., 0], pairs[..., 1]
            together = np.stack([cosine * even - sine * odd, sine * even + cosine * odd], axis=-1)
            return together.reshape(columns.shape)

        n_targets, width, _ = self.inverse.shape
        inverse = turned(self.inverse.transpose(1, 0, 2)).transpose(1, 0, 2)
        sums = turned(self.sums.reshape(n_targets, width)).reshape(-1)
        return ReferenceFactor(self.n_samples, sums, np.ascontiguousarray(inverse))


def whiten(
    moments: Moments, factor: ReferenceFactor, *, overwrite: bool = False
) -> tuple[list[FloatArray], FloatArray]:
    """Factor the Gram of each sub-band, and whiten the cross products from both sides.

    Parameters
    ----------
    moments
        Sums over the window.
    factor
        The references of the same window, counted from the same origin.
    overwrite
        Work in the Gram itself, which then holds nothing of use.

    Returns
    -------
    lower : list of ndarray, shape (n_channels, n_channels)
        L of each sub-band, in the lower triangle.
    whitened : ndarray, shape (n_bands, n_targets, width, n_channels)
        M' of each sub-band and target; NaN where the channels cannot be told apart.
    """
    n_bands, n_channels, _ = moments.gram.shape
    n_targets, width, _ = factor.inverse.shape
    gram = moments.gram if overwrite else moments.gram.copy()
    sums = moments.cross[:, -1]
    diagonal: FloatArray = np.einsum("kii->ki", gram)  # a view
    diagonal += RIDGE * diagonal + FLOOR
    cross = moments.cross[:, :-1].reshape(n_bands, n_targets, width, n_channels)
    whitened = factor.inverse @ cross
    # Centred: the references' means, whitened as they are, times the channels' sums.
    means = factor.inverse @ factor.sums.reshape(n_targets, width, 1) / factor.n_samples
    whitened -= means * sums[:, None, None, :]
    factors: list[FloatArray] = []
    for band in range(n_bands):
        # A C-ordered (width, channels) block is, transposed, what LAPACK takes without a copy.
        columns = gram[band].T
        scipy.linalg.blas.dsyr(
            -1.0 / factor.n_samples, sums[band], lower=1, a=columns, overwrite_a=1
        )
        lower, failed = scipy.linalg.lapack.dpotrf(columns, lower=1, clean=0, overwrite_a=1)
        rows = whitened[band].reshape(-1, n_channels)
        if failed:
            rows[...] = np.nan
        else:
            rows.T[...] = scipy.linalg.blas.dtrsm(1.0, lower, rows.T, lower=1, overwrite_b=1)
        factors.append(lower)
    return factors, whitened


def correlation_matrices(
    moments: Moments, factor: ReferenceFactor, *, overwrite: bool = False
) -> FloatArray:
    """Give M M' of each sub-band and target, shape (n_bands, n_targets, width, width).

    Its eigenvalues are the squared canonical correlations; those of its leading block of 2 h are
    those with the first h harmonics. Not finite where the channels cannot be told apart.

    Parameters
    ----------
    moments, factor, overwrite
        As for `whiten`.
    """
    _, whitened = whiten(moments, factor, overwrite=overwrite)
    inner: FloatArray = whitened @ whitened.transpose(0, 1, 3, 2)
    return inner


def largest_eigenvalues(matrices: FloatArray) -> FloatArray:
    """Give the largest eigenvalue of each matrix, between 0 and 1; all NaN unless all are finite.

    Parameters
    ----------
    matrices : ndarray, shape (..., width, width)
        Symmetric.
    """
    if not np.isfinite(matrices).all():
        return np.full(matrices.shape[:-2], np.nan)
    largest: FloatArray = np.clip(np.linalg.eigvalsh(matrices)[..., -1], 0.0, 1.0)
    return largest


def squared_correlations(
    moments: Moments, factor: ReferenceFactor, *, overwrite: bool = False
) -> FloatArray:
    """Give rho^2 of each sub-band and target, shape (n_bands, n_targets).

    Parameters
    ----------
    moments, factor, overwrite
        As for `correlation_matrices`.
    """
    return largest_eigenvalues(correlation_matrices(moments, factor, overwrite=overwrite))
