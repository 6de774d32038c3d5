"""Where a session's covariances lie, and how they are brought to where the calibration's lay.

Between two days the cap sits elsewhere and electrodes conduct differently: covariances C move as
one to A C A'. Whitened by their own session's mean M they come back, M^-1/2 C M^-1/2, whatever A
is, up to a turn (Zanini et al., IEEE Trans. Biomed. Eng. 65:1107, 2018). The mean of the windows so
far is a Karcher mean in steps: M <- the point at 1/n of the geodesic from M to the n-th covariance
(Ho et al., ICML 2013). It costs accuracy where the cap sat alike and the mean rests on few windows;
so whether it is used is a setting, and by default the calibration decides.
"""

from __future__ import annotations

import numpy as np

from volition.chunk import FloatArray
from volition.decoders.artifacts.averages import geodesic, spectral

#: The centre follows windows of one a second with at least this share: it looks some minutes back.
LEAST_SHARE = 1 / 300


class RunningCentre:
    """The mean of the covariances so far, for each band.

    Attributes
    ----------
    n_windows
        How many it rests on.
    mean : ndarray, shape (n_bands, n_channels, n_channels)
        Undefined before the first.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.n_windows = 0
        self.mean: FloatArray = np.empty((0, 0, 0))

    def take(self, covariances: FloatArray) -> None:
        """Take the covariance of each band of the next window."""
        self.n_windows += 1
        if self.n_windows == 1:
            self.mean = covariances.copy()
            return
        share = max(1.0 / self.n_windows, LEAST_SHARE)
        self.mean = moved_towards(self.mean, covariances, share)

    def recentred(self, covariances: FloatArray) -> FloatArray:
        """Give covariances (..., n_bands, n_channels, n_channels), whitened by the mean so far."""
        return recentred(covariances, self.mean) if self.n_windows else covariances


def moved_towards(means: FloatArray, covariances: FloatArray, share: float) -> FloatArray:
    """Give the point at ``share`` of the geodesic from each band's mean to its covariance.

    Parameters
    ----------
    means, covariances : ndarray, shape (n_bands, n_channels, n_channels)
    """
    if means.shape[-1] == 1:  # the geometric mean of variances, all at once
        result: FloatArray = means ** (1.0 - share) * covariances**share
        return result
    pairs = zip(means, covariances, strict=True)
    return np.stack([geodesic(old, new, share) for old, new in pairs])


def recentred(covariances: FloatArray, mean: FloatArray) -> FloatArray:
    """Whiten covariances (..., n_bands, n_channels, n_channels) by the mean of each band."""
    inverse = spectral(mean, -0.5)
    result: FloatArray = inverse @ covariances @ inverse
    return result
