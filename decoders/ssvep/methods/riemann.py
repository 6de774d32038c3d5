"""Minimum distance to Riemannian means, on covariances that are extended to every flicker.

The signal is filtered around each target's frequency; the covariances of the filtered copies, side
by side, say how strong each flicker is and where on the scalp (Kalunga et al., Neurocomputing
191:55, 2016). A window belongs to the class whose mean is nearest by the affine invariant distance;
rest is one more class where trials of it were given. Nothing here needs the flicker's phase, so it
can be calibrated where templates cannot.

The paper stacks the copies and takes their covariance with one another too. A window of two
seconds of so narrow a band holds some dozen independent samples, and those parts are noise: on
`ssvep_exo` leaving them at zero told targets apart better. What is left is shrunk towards the
identity (oracle approximating shrinkage: Chen et al., IEEE Trans. Signal Process. 58:5016, 2010,
equation 23).
"""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from volition.chunk import FloatArray
from volition.decoders.artifacts.averages import lift, riemannian_mean, spectral
from volition.decoders.contract.settings import Settings
from volition.decoders.ssvep.templates import (
    Arrays,
    TemplateDecoder,
    TemplateEstimator,
    TemplateSettings,
)


class RiemannSettings(TemplateSettings):
    """Settings of `RiemannDecoder` and `RIEMANN`; of the sub-bands it has its own."""

    kind: Literal["riemann"] = "riemann"
    n_harmonics: Literal[1] = Field(default=1, description="It looks at the flicker alone.")
    half_width_hz: float = Field(
        default=0.5, gt=0, le=10, description="Half the width of the band around each target."
    )
    band_order: int = Field(default=2, ge=1, le=12, description="Butterworth order of each edge.")
    window_s: float = Field(default=2.0, gt=0, le=60)
    sharpness: float = Field(
        default=1.0, gt=0, description="Confidence is the softmax of the scores times this."
    )

    @property
    def n_bands(self) -> int:
        return len(self.targets)

    def edges(self, rate_hz: float) -> list[tuple[float, float]]:
        """Give the band around each target."""
        return [
            (max(0.1, freq_hz - self.half_width_hz), freq_hz + self.half_width_hz)
            for freq_hz in self.freqs_hz.tolist()
        ]


def shrunk_covariances(window: FloatArray) -> FloatArray:
    """Give each band's shrunk covariance, shape (n_bands, n_channels, n_channels).

    Parameters
    ----------
    window : ndarray, shape (n_bands, n_channels, n_samples)
    """
    _, n_channels, n_samples = window.shape
    sample = window @ np.swapaxes(window, 1, 2) / n_samples
    level = np.trace(sample, axis1=1, axis2=2) / n_channels
    mean_square = np.square(sample).mean(axis=(1, 2))
    above = (n_samples + 1) * (mean_square - level**2 / n_channels)
    share = np.minimum(1.0, (mean_square + level**2) / np.maximum(above, 1e-300))[:, None, None]
    return lift((1 - share) * sample + share * level[:, None, None] * np.eye(n_channels))


class RIEMANN(TemplateEstimator[RiemannSettings]):
    """The decoder on epochs, as an estimator."""

    def learned(self, trials: FloatArray) -> Arrays:
        return {"whitening": np.stack([self._whitening(windows) for windows in trials])}

    def learned_of_rest(self, windows: FloatArray) -> Arrays:
        if len(windows) < self.least_trials:
            return {}
        return {"rest_whitening": self._whitening(windows)[None]}

    def _whitening(self, windows: FloatArray) -> FloatArray:
        """Give M^-1/2 of each band's mean M over windows: all that a distance from it needs."""
        covariances = np.stack([shrunk_covariances(window) for window in windows], axis=1)
        return spectral(np.stack([riemannian_mean(band) for band in covariances]), -0.5)

    def band_scores(self, arrays: Arrays, window: FloatArray) -> FloatArray:
        return -squared_distances(arrays["whitening"], shrunk_covariances(window)).T

    def scores(self, arrays: Arrays, window: FloatArray) -> FloatArray:
        total: FloatArray = self.band_scores(arrays, window).sum(axis=0)
        return total

    def is_rest(self, arrays: Arrays, window: FloatArray, scores: FloatArray) -> bool:
        if "rest_whitening" not in arrays:
            return False
        distances = squared_distances(arrays["rest_whitening"], shrunk_covariances(window))
        return bool(-distances.sum() > scores.max())


def squared_distances(whitening: FloatArray, covariances: FloatArray) -> FloatArray:
    """Give the squared affine invariant distance of each mean, by its M^-1/2, to a covariance.

    Parameters
    ----------
    whitening : ndarray, shape (n_classes, n_bands, n_channels, n_channels)
    covariances : ndarray, shape (n_bands, n_channels, n_channels)

    Returns
    -------
    ndarray, shape (n_classes, n_bands)
    """
    values = np.linalg.eigvalsh(whitening @ covariances @ whitening)
    result: FloatArray = np.square(np.log(np.maximum(values, 1e-300))).sum(axis=-1)
    return result


class RiemannDecoder(TemplateDecoder[RiemannSettings]):
    """Selects the target whose mean covariance is nearest, or says that rest is."""

    settings_model: ClassVar[type[Settings]] = RiemannSettings
    estimator = RIEMANN
