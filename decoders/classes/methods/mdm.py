"""Minimum distance to the Riemannian mean of each class.

A window belongs to the class whose mean covariance is nearest by the affine invariant distance d
(Barachant et al., IEEE Trans. Biomed. Eng. 59:920, 2012, section III); its probabilities are the
softmax of -d^2 times a sharpness that the fit chooses to suit its own windows.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np

from volition.chunk import FloatArray
from volition.decoders.artifacts.averages import riemannian_mean, spectral
from volition.decoders.classes.decoder import ClassDecoder
from volition.decoders.classes.method import Arrays, CovarianceMethod, IntArray, normalised
from volition.decoders.classes.settings import RecentringSettings
from volition.decoders.contract.settings import Settings
from volition.decoders.ssvep.methods.riemann import squared_distances

#: Sharpnesses that the fit chooses from.
SHARPNESSES = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)


class MdmSettings(RecentringSettings):
    """Settings of `MdmDecoder` and `MDM`."""

    kind: Literal["mdm"] = "mdm"


class MDM(CovarianceMethod[MdmSettings]):
    """The method, as an estimator."""

    def fit(self, features: FloatArray, classes: IntArray, n_classes: int) -> dict[str, FloatArray]:
        means = np.stack(
            [
                np.stack([riemannian_mean(band) for band in features[classes == k].swapaxes(0, 1)])
                for k in range(n_classes)
            ]
        )
        whitening = spectral(means, -0.5)
        scores = _scores(whitening, features)
        rows = np.arange(len(classes))
        fits = [normalised(sharp * scores)[rows, classes].sum() for sharp in SHARPNESSES]
        return {
            "whitening": whitening,
            "sharpness": np.array([SHARPNESSES[int(np.argmax(fits))]]),
        }

    def log_probabilities(self, arrays: Arrays, features: FloatArray) -> FloatArray:
        return normalised(float(arrays["sharpness"][0]) * _scores(arrays["whitening"], features))


def _scores(whitening: FloatArray, features: FloatArray) -> FloatArray:
    """Give minus the squared distance of each class, summed over bands."""
    return -np.stack([squared_distances(whitening, one).sum(axis=1) for one in features])


class MdmDecoder(ClassDecoder[MdmSettings]):
    """Tells classes by the nearest Riemannian mean."""

    settings_model: ClassVar[type[Settings]] = MdmSettings
    method = MDM
