"""A window of which all but the last part has come: what can be worked out before that comes.

With L0 L0' the centred Gram so far, d the last samples less the channels' means so far, and
H^2 = I - 11'/n, which takes out the mean of the whole, the Gram of the whole window is
L0 (I + y y') L0', y = L0^-1 d H, and its cross products are those so far plus d times those of the
last part. By Woodbury's identity, and putting together what can be,

    M M' = A + F'F - (q - F)' (I + y'y)^-1 (q - F),    q = y' L0^-1 P0',

where A and L0^-1 P0' are of what has come, and F of the references at the last samples. So the
factoring and the large solve are done before. What waits for the last samples is a solve of as
many columns as they are.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import scipy

from volition.chunk import FloatArray
from volition.decoders.ssvep.scores.correlation import Moments, ReferenceFactor, whiten

#: Where the factor of I + y'y is larger, the last part has little in common with the rest (an
#: electrode has come off), and the identity loses digits that factoring the whole does not.
MOST_GROWTH = 1e3


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class LastPart:
    """The references at a window's last samples.

    Attributes
    ----------
    so_far
        The window's references without the last part.
    root : ndarray, shape (n_last, n_last)
        H.
    waves : ndarray, shape (n_last, n_references)
        F.
    """

    so_far: ReferenceFactor
    root: FloatArray
    waves: FloatArray

    @classmethod
    def of(cls, factor: ReferenceFactor, waves: FloatArray) -> LastPart:
        """Divide a window's references.

        Parameters
        ----------
        factor
            Those of the whole window.
        waves : ndarray, shape (n_references + 1, n_last)
            Those at its last samples, counted from the same origin.
        """
        n_targets, width, _ = factor.inverse.shape
        last, n_samples = waves[:-1], factor.n_samples
        n_last = last.shape[1]
        centred = last - factor.sums[:, None] / n_samples
        whitened = (factor.inverse @ centred.reshape(n_targets, width, n_last)).reshape(-1, n_last)
        taken = (1 - math.sqrt(1 - n_last / n_samples)) / n_last
        root = np.eye(n_last) - taken
        so_far = dataclasses.replace(
            factor, n_samples=n_samples - n_last, sums=factor.sums - last.sum(axis=1)
        )
        return cls(so_far, root, np.linalg.solve(root, whitened.T))


class PartialWindow:
    """Sums of a window without its last part, factored.

    Parameters
    ----------
    moments
        Sums over what has come.
    last
        The references of what has not.
    """

    def __init__(self, moments: Moments, last: LastPart) -> None:
        self._last = last
        n_last = len(last.root)
        self._eye = np.eye(n_last)
        self._means = moments.cross[:, -1] / last.so_far.n_samples
        self._lower, whitened = whiten(moments, last.so_far)
        n_bands, n_targets, width, n_channels = whitened.shape
        waves = last.waves.reshape(n_last, n_targets, width).transpose(1, 2, 0)
        self._inner = whitened @ whitened.transpose(0, 1, 3, 2) + waves @ waves.transpose(0, 2, 1)
        self._sound = bool(np.isfinite(self._inner).all())
        #: For each sub-band: the last samples, whitened, then the cross products so far.
        self._rows = np.empty((n_bands, n_last + n_targets * width, n_channels))
        self._rows[:, n_last:] = whitened.reshape(n_bands, -1, n_channels)

    def correlation_matrices(self, filtered: FloatArray) -> FloatArray | None:
        """Give M M' of each sub-band and target, as the function of this name does.

        Parameters
        ----------
        filtered : ndarray, shape (n_bands, n_channels, n_last)
            The last part.

        Returns
        -------
        ndarray, shape (n_bands, n_targets, width, width), or None
            None where the window must be factored as a whole.
        """
        if not self._sound:
            return None
        n_bands, n_targets, width, _ = self._inner.shape
        n_last = len(self._last.root)
        fresh = self._rows[:, :n_last]
        np.matmul(
            self._last.root, (filtered - self._means[..., None]).transpose(0, 2, 1), out=fresh
        )
        for lower, band in zip(self._lower, fresh, strict=True):
            # In place: it lies as BLAS wants.
            scipy.linalg.blas.dtrsm(1.0, lower, band.T, lower=1, overwrite_b=1)
        products = fresh @ self._rows.transpose(0, 2, 1)
        grown = self._eye + products[:, :, :n_last]
        cross = products[:, :, n_last:] - self._last.waves
        for square, wide in zip(grown, cross, strict=True):
            lower, failed = scipy.linalg.lapack.dpotrf(square.T, lower=1, clean=0, overwrite_a=1)
            if failed or not lower.diagonal().max() < MOST_GROWTH:
                return None
            scipy.linalg.blas.dtrsm(1.0, lower, wide.T, side=1, lower=1, trans_a=1, overwrite_b=1)
        by_target = cross.reshape(n_bands, n_last, n_targets, width)
        return self._inner - by_target.transpose(0, 2, 3, 1) @ by_target.transpose(0, 2, 1, 3)
