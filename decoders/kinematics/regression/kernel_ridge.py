"""Kernel ridge regression, the same as a Gaussian process's mean, chosen by cross-validation.

With a squared-exponential kernel and all rows, ``f(x) = k(x)ᵀ (K + λI)⁻¹ z``. Where the training
data have more than ``max_points`` rows, the function is a sum over a random part of them fitted
to all (subset of regressors: Smola & Schölkopf 2000; Rasmussen & Williams 2006, equation 8.14).
What is left open of length scale and λ is chosen by `metrics.loss` on blocks of consecutive rows
held out: neighbouring rows are too much alike for a random choice to be fair.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import ClassVar, Literal, Self

import numpy as np
import scipy
from pydantic import Field

from volition.chunk import FloatArray
from volition.decoders.fitting.fitted import Array
from volition.decoders.kinematics import metrics
from volition.decoders.kinematics.regression.regressor import (
    KernelSettings,
    Parameter,
    Regressor,
    RegressorSettings,
    RowDistances,
    squared_distances,
)

#: Rows of training data that the kernel sums are worked on at once.
_BLOCK = 2048


class KernelRidgeSettings(KernelSettings):
    """Settings of `KernelRidge`."""

    kind: Literal["kernel-ridge"] = "kernel-ridge"
    length_scales: list[float] = Field(
        default=[0.75, 1.0, 1.5],
        min_length=1,
        description="ℓ, as multiples of the rows' RMS distance from their mean; the best is kept.",
    )
    ridges: list[float] = Field(
        default=[0.1, 0.3, 1.0], min_length=1, description="λ; the best is kept."
    )
    n_folds: int = Field(default=5, ge=2, le=20, description="Blocks of the cross-validation.")
    choice_points: int = Field(
        default=1000, ge=10, description="Points of the functions that the choice is made with."
    )


class KernelRidge(Regressor):
    """``f(x) = Σ α_i exp(−|x − x_i|² / 2ℓ²)``.

    Parameters
    ----------
    points : ndarray, shape (n_points, n_features)
    weights : ndarray, shape (n_points, n_dimensions)
        α.
    length_scale
        ℓ.
    ridge
        λ of the fit.
    """

    settings_model: ClassVar[type[RegressorSettings]] = KernelRidgeSettings

    def __init__(
        self, points: FloatArray, weights: FloatArray, length_scale: float, ridge: float
    ) -> None:
        self.points, self.weights = points, weights
        self.length_scale, self.ridge = length_scale, ridge
        self._distances = RowDistances(points)
        self._columns = np.ascontiguousarray(weights.T)
        self._power = 1.0 / length_scale**2

    @classmethod
    def fit(cls, rows: FloatArray, states: FloatArray, settings: RegressorSettings) -> Self:
        assert isinstance(settings, KernelRidgeSettings)
        spread = float(np.sqrt(rows.var(axis=0).sum())) or 1.0
        scales = [scale * spread for scale in settings.length_scales]
        if len(scales) * len(settings.ridges) > 1:
            length_scale, ridge = _choose(rows, states, scales, settings)
        else:
            length_scale, ridge = scales[0], settings.ridges[0]
        points = rows[settings.draw(len(rows))]
        weights = _fit_weights(rows, states, points, length_scale, [ridge])[0]
        return cls(points, weights, length_scale, ridge)

    def as_chosen(self, settings: RegressorSettings, rows: FloatArray) -> RegressorSettings:
        spread = float(np.sqrt(rows.var(axis=0).sum())) or 1.0
        return settings.model_copy(
            update={"length_scales": [self.length_scale / spread], "ridges": [self.ridge]}
        )

    @classmethod
    def load(cls, parameter: Parameter, n_features: int) -> Self:
        points = parameter("points", (None, n_features))
        weights = parameter("weights", (len(points), None))
        return cls(
            points, weights, float(parameter("length_scale", ())), float(parameter("ridge", ()))
        )

    def arrays(self) -> dict[str, Array]:
        return {
            "points": self.points,
            "weights": self.weights,
            "length_scale": np.array(self.length_scale),
            "ridge": np.array(self.ridge),
        }

    def predict_row(self, row: FloatArray) -> FloatArray:
        exponent = self._distances.closeness(row)
        exponent -= 0.5 * row.dot(row)
        exponent *= self._power
        result: FloatArray = self._columns.dot(np.exp(exponent, out=exponent))
        return result

    def predict(self, rows: FloatArray) -> FloatArray:
        blocks = [
            _kernel(rows[part], self.points, self.length_scale) @ self.weights
            for part in _parts(len(rows))
        ]
        return np.concatenate(blocks) if blocks else np.empty((0, self.weights.shape[1]))


def _choose(
    rows: FloatArray, states: FloatArray, scales: Sequence[float], settings: KernelRidgeSettings
) -> tuple[float, float]:
    """Give the length scale and λ with the least `metrics.loss` on blocks held out."""
    sparser = settings.model_copy(update={"max_points": settings.choice_points})
    errors: dict[tuple[float, float], float] = {}
    bounds = np.linspace(0, len(rows), settings.n_folds + 1).astype(int)
    for start, stop in itertools.pairwise(bounds.tolist()):
        learn = np.r_[0:start, stop : len(rows)]
        points = rows[learn[sparser.draw(len(learn))]]
        for scale in scales:
            fits = _fit_weights(rows[learn], states[learn], points, scale, settings.ridges)
            kernel = _kernel(rows[start:stop], points, scale)
            for ridge, weights in zip(settings.ridges, fits, strict=True):
                error = metrics.loss(states[start:stop], kernel @ weights)
                errors[scale, ridge] = errors.get((scale, ridge), 0.0) + error
    return min(errors, key=errors.__getitem__)


def _fit_weights(
    rows: FloatArray,
    states: FloatArray,
    points: FloatArray,
    length_scale: float,
    ridges: Sequence[float],
) -> list[FloatArray]:
    """Give the weights of ``points`` that fit all ``rows`` best, for each λ."""
    between = _kernel(points, points, length_scale)
    if len(points) == len(rows):
        squares, sums, penalty = between, states, np.eye(len(points))
    else:
        squares = np.zeros((len(points), len(points)))
        sums = np.zeros((len(points), states.shape[1]))
        for part in _parts(len(rows)):
            kernel = _kernel(rows[part], points, length_scale)
            squares += kernel.T @ kernel
            sums += kernel.T @ states[part]
        penalty = between
    floor = 1e-9 * float(np.trace(squares)) / len(squares)
    found = []
    for ridge in ridges:
        system = squares + ridge * penalty
        system[np.diag_indices_from(system)] += floor
        factor = scipy.linalg.cho_factor(system, lower=True, overwrite_a=True)
        weights: FloatArray = scipy.linalg.cho_solve(factor, sums)
        found.append(weights)
    return found


def _kernel(left: FloatArray, right: FloatArray, length_scale: float) -> FloatArray:
    exponent = squared_distances(left, right)
    exponent *= -0.5 / length_scale**2
    return np.exp(exponent, out=exponent)


def _parts(n_rows: int) -> list[slice]:
    return [slice(start, start + _BLOCK) for start in range(0, n_rows, _BLOCK)]
