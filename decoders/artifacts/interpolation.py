"""What a bad channel would have shown, from the good ones.

By spherical splines where the electrodes' places are known (Perrin et al., Electroencephalogr.
Clin. Neurophysiol. 72:184, 1989, equations 1 to 3): the smoothest potential on the head through
the good channels. Else by the channels' covariance while all were good: the expectation of the bad
ones given the good ones. Either is a matrix that the samples are multiplied by.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numpy.polynomial.legendre import legval

from volition.chunk import FloatArray
from volition.decoders.artifacts.averages import lift

#: Order of the spline and how many Legendre polynomials are summed.
ORDER, TERMS = 4, 50
#: Added for noise, as a share of the spline's own variance.
SMOOTHING = 1e-5


def spline_kernel(cosines: FloatArray) -> FloatArray:
    """Give g(x) of Perrin's equation 3 for the cosines of angles between electrodes."""
    n = np.arange(1.0, TERMS + 1)
    weights = np.concatenate([[0.0], (2 * n + 1) / (n * (n + 1)) ** ORDER]) / (4 * np.pi)
    kernel: FloatArray = np.asarray(legval(np.clip(cosines, -1, 1), weights))
    return kernel


def spline_weights(good: FloatArray, bad: FloatArray) -> FloatArray:
    """Give the weights (n_bad, n_good) that make the bad channels out of the good ones.

    Parameters
    ----------
    good, bad : ndarray, shape (n, 3)
        Places on the unit sphere.
    """
    n = len(good)
    system = np.ones((n + 1, n + 1))
    system[:n, :n] = spline_kernel(good @ good.T) + SMOOTHING * np.eye(n)
    system[n, n] = 0.0
    inverse = np.asarray(np.linalg.pinv(system)[:, :n], dtype=np.float64)
    toward = np.column_stack([spline_kernel(bad @ good.T), np.ones(len(bad))])
    weights: FloatArray = toward @ inverse
    return weights


def covariance_weights(
    covariance: FloatArray, good: npt.NDArray[np.intp], bad: npt.NDArray[np.intp]
) -> FloatArray:
    """Give the weights (n_bad, n_good) of the conditional expectation of Gaussian channels."""
    inside = lift(covariance[np.ix_(good, good)])
    solved = np.linalg.solve(inside, covariance[np.ix_(good, bad)])
    return np.asarray(solved.T, dtype=np.float64)


class Interpolator:
    """Makes, and remembers, the matrix that replaces bad channels.

    Parameters
    ----------
    places : ndarray, shape (n_channels, 3)
        On the unit sphere; NaN where not known. A channel without a place, where any is needed,
        has the covariance used instead.
    """

    def __init__(self, places: FloatArray) -> None:
        self._places = places
        self._known = bool(np.isfinite(places).all()) and len(places) > 0
        self.covariance: FloatArray | None = None
        self._matrices: dict[tuple[int, ...], FloatArray] = {}

    @property
    def by(self) -> str:
        """Say what it goes by: ``spline`` or ``covariance``."""
        return "spline" if self._known else "covariance"

    def matrix(self, is_bad: npt.NDArray[np.bool_]) -> FloatArray | None:
        """Give A such that ``samples @ A`` has the bad channels replaced; None if it cannot be."""
        bad, good = np.flatnonzero(is_bad), np.flatnonzero(~is_bad)
        if len(good) < 2 or (not self._known and self.covariance is None):
            return None
        key = tuple(bad.tolist())
        found = self._matrices.get(key) if self._known else None
        if found is None:
            if self._known:
                weights = spline_weights(self._places[good], self._places[bad])
            else:
                assert self.covariance is not None
                weights = covariance_weights(self.covariance, good, bad)
            found = np.eye(len(is_bad))
            found[:, bad] = 0.0
            found[np.ix_(good, bad)] = weights.T
            if self._known and len(self._matrices) < 256:
                self._matrices[key] = found
        return found
