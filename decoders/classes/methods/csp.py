"""Common spatial patterns and linear discriminant analysis.

For each class against the others, the filters w that make the ratio of its variance to all
variance largest and smallest solve C_k w = lambda (C_k + C_others) w (Blankertz et al., IEEE Signal
Process. Mag. 25(1):41, 2008, equation 5), on the means of trace-normalised covariances. The feature
is the logarithm of each filter's variance; shrinkage linear discriminant analysis judges it.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
import scipy
from pydantic import Field

from volition.chunk import FloatArray
from volition.decoders.classes.decoder import ClassDecoder
from volition.decoders.classes.discriminant import fit_discriminant
from volition.decoders.classes.method import Arrays, CovarianceMethod, IntArray, normalised
from volition.decoders.classes.settings import RecentringSettings
from volition.decoders.contract.settings import Settings


class CspSettings(RecentringSettings):
    """Settings of `CspDecoder` and `CSP`."""

    kind: Literal["csp"] = "csp"
    n_pairs: int = Field(
        default=3, ge=1, le=16, description="Filters from each end, for each class against others."
    )


def spatial_filters(
    covariances: FloatArray, classes: IntArray, n_classes: int, n_pairs: int
) -> FloatArray:
    """Give filters (n_filters, n_channels): the first and last ``n_pairs`` of each contrast.

    Two classes make one contrast, more make one each against the others.

    Parameters
    ----------
    covariances : ndarray, shape (n_windows, n_channels, n_channels)
    """
    n_channels = covariances.shape[-1]
    scaled = covariances / np.trace(covariances, axis1=1, axis2=2)[:, None, None]
    contrasts = range(1) if n_classes == 2 else range(n_classes)
    n_pairs = min(n_pairs, max(1, n_channels // 2))
    found = []
    for k in contrasts:
        own = scaled[classes == k].mean(axis=0)
        others = np.mean(
            [scaled[classes == j].mean(axis=0) for j in range(n_classes) if j != k], axis=0
        )
        _, vectors = scipy.linalg.eigh(own, own + others)
        ends = [*range(n_pairs), *range(n_channels - n_pairs, n_channels)]
        found.append(vectors[:, sorted(set(ends))].T)
    return np.concatenate(found)


def log_variances(filters: FloatArray, covariances: FloatArray) -> FloatArray:
    """Give the log variance behind each filter, shape (n_windows, n_filters)."""
    variances = np.einsum("fi,nij,fj->nf", filters, covariances, filters, optimize=True)
    result: FloatArray = np.log(np.maximum(variances, 1e-300))
    return result


class CSP(CovarianceMethod[CspSettings]):
    """The method, as an estimator."""

    def fit(self, features: FloatArray, classes: IntArray, n_classes: int) -> dict[str, FloatArray]:
        band = features[:, 0]
        filters = spatial_filters(band, classes, n_classes, self.settings.n_pairs)
        weights, offsets = fit_discriminant(log_variances(filters, band), classes, n_classes)
        return {"filters": filters, "weights": weights, "offsets": offsets}

    def log_probabilities(self, arrays: Arrays, features: FloatArray) -> FloatArray:
        found = log_variances(arrays["filters"], features[:, 0])
        return normalised(found @ arrays["weights"] + arrays["offsets"])


class CspDecoder(ClassDecoder[CspSettings]):
    """Tells classes by the variance behind common spatial patterns."""

    settings_model: ClassVar[type[Settings]] = CspSettings
    method = CSP
