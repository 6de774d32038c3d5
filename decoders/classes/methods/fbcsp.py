"""Common spatial patterns in several bands, of which the telling filters are kept.

Filter-bank CSP (Ang et al., Front. Neurosci. 6:39, 2012): bands of 4 Hz side by side, common
spatial patterns in each, and of all log variances those that share most information with the class,
each with its partner from the other end. The information is that of a Gaussian for each class
against one for all; shrinkage linear discriminant analysis judges what is kept.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from volition.chunk import FloatArray
from volition.decoders.classes.decoder import ClassDecoder
from volition.decoders.classes.discriminant import fit_discriminant
from volition.decoders.classes.method import Arrays, CovarianceMethod, IntArray, normalised
from volition.decoders.classes.methods.csp import log_variances, spatial_filters
from volition.decoders.classes.settings import RecentringSettings
from volition.decoders.contract.settings import Settings
from volition.errors import ConfigError


class FbcspSettings(RecentringSettings):
    """Settings of `FbcspDecoder` and `FBCSP`."""

    kind: Literal["fbcsp"] = "fbcsp"
    low_hz: float = Field(default=4.0, gt=0, description="Lower edge of the first band.")
    high_hz: float = Field(default=40.0, gt=0, description="Upper edge of the last band.")
    width_hz: float = Field(default=4.0, gt=0, le=50, description="Width of each band.")
    n_pairs: int = Field(default=2, ge=1, le=16, description="Filters from each end, in each band.")
    n_kept: int = Field(default=4, ge=1, le=200, description="Telling filters that are kept.")

    def bands(self, rate_hz: float) -> list[tuple[float, float]]:
        super().bands(rate_hz)
        n_bands = int((self.high_hz - self.low_hz) / self.width_hz + 1e-9)
        if not 1 <= n_bands <= 40:
            raise ConfigError(
                f"fbcsp: bands of {self.width_hz:g} Hz from {self.low_hz:g} to {self.high_hz:g} Hz "
                f"are {n_bands}; allowed: 1 to 40",
                found=n_bands,
            )
        lows = [self.low_hz + k * self.width_hz for k in range(n_bands)]
        return [(low, low + self.width_hz) for low in lows]


def information(features: FloatArray, classes: IntArray, n_classes: int) -> FloatArray:
    """Give how much each feature (n_windows, n_features) tells of the class, nats.

    Half the logarithm of the variance of all over the geometric mean of those within classes.
    """
    all_of = np.log(np.maximum(features.var(axis=0), 1e-300))
    within = [
        np.log(np.maximum(features[classes == k].var(axis=0), 1e-300)) for k in range(n_classes)
    ]
    result: FloatArray = 0.5 * (all_of - np.mean(within, axis=0))
    return result


class FBCSP(CovarianceMethod[FbcspSettings]):
    """The method, as an estimator."""

    def fit(self, features: FloatArray, classes: IntArray, n_classes: int) -> dict[str, FloatArray]:
        n_pairs = self.settings.n_pairs
        filters = np.stack(
            [
                spatial_filters(features[:, band], classes, n_classes, n_pairs)
                for band in range(features.shape[1])
            ]
        )
        found = self._variances(filters, features)
        told = information(found, classes, n_classes)
        # A filter's partner stands as far from the other end of its contrast.
        n_contrast = len(filters[0]) if n_classes == 2 else len(filters[0]) // n_classes
        places = np.arange(len(told))
        partners = places - 2 * (places % n_contrast) + n_contrast - 1
        best = np.argsort(-told, kind="stable")[: self.settings.n_kept]
        kept = np.unique([*best, *partners[best]])
        weights, offsets = fit_discriminant(found[:, kept], classes, n_classes)
        return {"filters": filters, "kept": kept, "weights": weights, "offsets": offsets}

    def _variances(self, filters: FloatArray, features: FloatArray) -> FloatArray:
        return np.concatenate(
            [log_variances(one, features[:, band]) for band, one in enumerate(filters)], axis=1
        )

    def log_probabilities(self, arrays: Arrays, features: FloatArray) -> FloatArray:
        found = self._variances(arrays["filters"], features)[:, arrays["kept"]]
        return normalised(found @ arrays["weights"] + arrays["offsets"])


class FbcspDecoder(ClassDecoder[FbcspSettings]):
    """Tells classes by the telling ones of many bands' common spatial patterns."""

    settings_model: ClassVar[type[Settings]] = FbcspSettings
    method = FBCSP
