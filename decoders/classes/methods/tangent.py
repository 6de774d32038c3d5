"""Logistic regression in the tangent space of covariances.

Covariances are whitened by their Riemannian mean and mapped to the tangent space there, by the
matrix logarithm, where distances are ordinary ones (Barachant et al., Neurocomputing 112:172, 2013,
section 3). Entries off the diagonal count twice, hence the root of two.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from volition.chunk import FloatArray
from volition.decoders.artifacts.averages import riemannian_mean, spectral
from volition.decoders.classes.decoder import ClassDecoder
from volition.decoders.classes.logistic import fit_logistic
from volition.decoders.classes.method import Arrays, CovarianceMethod, IntArray, normalised
from volition.decoders.classes.settings import RecentringSettings
from volition.decoders.contract.settings import Settings


class TangentSettings(RecentringSettings):
    """Settings of `TangentDecoder` and `Tangent`."""

    kind: Literal["tangent"] = "tangent"
    penalty: float = Field(
        default=1.0,
        gt=0,
        le=1e6,
        description="Weight of the regression's penalty on squared weights.",
    )


def tangent_vectors(whitening: FloatArray, covariances: FloatArray) -> FloatArray:
    """Give tangent vectors at the mean whose power of -1/2 is ``whitening``.

    Parameters
    ----------
    whitening : ndarray, shape (n_bands, n_channels, n_channels)
    covariances : ndarray, shape (n_windows, n_bands, n_channels, n_channels)

    Returns
    -------
    ndarray, shape (n_windows, n_bands * n_channels * (n_channels + 1) / 2)
    """
    values, vectors = np.linalg.eigh(whitening @ covariances @ whitening)
    logs = (vectors * np.log(np.maximum(values, 1e-300))[..., None, :]) @ vectors.swapaxes(-1, -2)
    rows, columns = np.triu_indices(covariances.shape[-1])
    upper = logs[..., rows, columns] * np.where(rows == columns, 1.0, np.sqrt(2.0))
    result: FloatArray = upper.reshape(len(covariances), -1)
    return result


class Tangent(CovarianceMethod[TangentSettings]):
    """The method, as an estimator."""

    def fit(self, features: FloatArray, classes: IntArray, n_classes: int) -> dict[str, FloatArray]:
        means = np.stack([riemannian_mean(band, 1e-6) for band in features.swapaxes(0, 1)])
        whitening = spectral(means, -0.5)
        vectors = tangent_vectors(whitening, features)
        weights, offsets = fit_logistic(vectors, classes, n_classes, self.settings.penalty)
        return {"whitening": whitening, "weights": weights, "offsets": offsets}

    def log_probabilities(self, arrays: Arrays, features: FloatArray) -> FloatArray:
        vectors = tangent_vectors(arrays["whitening"], features)
        return normalised(vectors @ arrays["weights"] + arrays["offsets"])


class TangentDecoder(ClassDecoder[TangentSettings]):
    """Tells classes by logistic regression in the tangent space of covariances."""

    settings_model: ClassVar[type[Settings]] = TangentSettings
    method = Tangent
