"""The course of a slow signal, which tells where the eyes went: a control, and no decoder.

A covariance forgets its signal's sign, and with it whether the eyes moved left or right. The mean
of each channel in a few parts of the window keeps it; shrinkage discriminant analysis judges.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from volition.chunk import FloatArray
from volition.decoders.classes.discriminant import fit_discriminant
from volition.decoders.classes.method import Arrays, ClassMethod, IntArray, normalised

N_PARTS = 8


class Course(ClassMethod[Any]):
    """Mean of each channel in parts of the window."""

    of_covariances: ClassVar[bool] = False

    def bands(self) -> list[tuple[float, float]]:
        raise NotImplementedError("the course is of the band that it is given")

    @property
    def order(self) -> int:
        return 2

    def feature(self, window: FloatArray) -> FloatArray:
        parts = np.array_split(window[0], N_PARTS, axis=1)
        return np.concatenate([part.mean(axis=1) for part in parts])

    def fit(self, features: FloatArray, classes: IntArray, n_classes: int) -> dict[str, FloatArray]:
        weights, offsets = fit_discriminant(features, classes, n_classes)
        return {"weights": weights, "offsets": offsets}

    def log_probabilities(self, arrays: Arrays, features: FloatArray) -> FloatArray:
        return normalised(features @ arrays["weights"] + arrays["offsets"])
