"""Gaussian process regression, one for each dimension of the state.

Zero mean, squared-exponential kernel ``σ_f² exp(−|x − x'|² / 2ℓ²)`` and noise ``σ_n²``; ℓ, σ_f
and σ_n maximise the marginal likelihood (Rasmussen & Williams 2006, equations 2.30 and 5.9), found
on a random part of the rows where there are many, since each evaluation costs their cube.
"""

from __future__ import annotations

from typing import ClassVar, Literal, Self

import numpy as np
from pydantic import Field
from scipy.linalg import cho_factor, cho_solve
from scipy.linalg.lapack import dpotri
from scipy.optimize import minimize

from decoders.fitted import Array
from decoders.kinematics.regression.regressor import (
    KernelSettings,
    Parameter,
    Regressor,
    RegressorSettings,
    RowDistances,
    squared_distances,
)
from streams.chunk import FloatArray


class GaussianProcessSettings(KernelSettings):
    """Settings of `GaussianProcess`."""

    kind: Literal["gaussian-process"] = "gaussian-process"
    likelihood_points: int = Field(
        default=1200, ge=10, description="Rows on which the hyper-parameters are sought."
    )
    max_evaluations: int = Field(
        default=30, ge=1, le=1000, description="Of the marginal likelihood, a dimension."
    )


class GaussianProcess(Regressor):
    """The posterior mean of a Gaussian process for each dimension.

    Parameters
    ----------
    points : ndarray, shape (n_points, n_features)
    weights : ndarray, shape (n_points, n_dimensions)
        ``σ_f² (K + σ_n² I)⁻¹ z``.
    hyper : ndarray, shape (n_dimensions, 3)
        ℓ, σ_f and σ_n of each dimension.
    """

    settings_model: ClassVar[type[RegressorSettings]] = GaussianProcessSettings

    def __init__(self, points: FloatArray, weights: FloatArray, hyper: FloatArray) -> None:
        self.points, self.weights, self.hyper = points, weights, hyper
        self._distances = RowDistances(points)
        self._columns = np.ascontiguousarray(weights.T)
        self._powers = (1.0 / hyper[:, 0] ** 2).tolist()
        self._buffer = np.empty(len(points))

    @classmethod
    def fit(cls, rows: FloatArray, states: FloatArray, settings: RegressorSettings) -> Self:
        assert isinstance(settings, GaussianProcessSettings)
        kept = settings.draw(len(rows))
        points, states = rows[kept], states[kept]
        sought = settings.model_copy(update={"max_points": settings.likelihood_points})
        sample = sought.draw(len(points))
        sample_distances = squared_distances(points[sample], points[sample])
        distances = squared_distances(points, points)
        weights, hyper = np.empty_like(states), np.empty((states.shape[1], 3))
        for dimension, target in enumerate(states.T):
            hyper[dimension] = best_hyper_parameters(
                sample_distances, target[sample], settings.max_evaluations
            )
            length, signal, noise = hyper[dimension]
            covariance = signal**2 * np.exp(distances * (-0.5 / length**2))
            covariance[np.diag_indices_from(covariance)] += noise**2
            weights[:, dimension] = signal**2 * cho_solve(
                cho_factor(covariance, lower=True, overwrite_a=True), target
            )
        return cls(points, weights, hyper)

    @classmethod
    def load(cls, parameter: Parameter, n_features: int) -> Self:
        points = parameter("points", (None, n_features))
        weights = parameter("weights", (len(points), None))
        return cls(points, weights, parameter("hyper", (weights.shape[1], 3)))

    def arrays(self) -> dict[str, Array]:
        return {"points": self.points, "weights": self.weights, "hyper": self.hyper}

    def predict_row(self, row: FloatArray) -> FloatArray:
        closeness = self._distances.closeness(row)
        closeness -= 0.5 * row.dot(row)
        result = np.empty(len(self._columns))
        for dimension, (power, column) in enumerate(zip(self._powers, self._columns, strict=True)):
            np.multiply(closeness, power, out=self._buffer)
            result[dimension] = column.dot(np.exp(self._buffer, out=self._buffer))
        return result

    def predict(self, rows: FloatArray) -> FloatArray:
        distances = squared_distances(rows, self.points)
        columns = [
            np.exp(distances * (-0.5 * power)) @ column
            for power, column in zip(self._powers, self._columns, strict=True)
        ]
        return np.column_stack(columns)


def best_hyper_parameters(
    distances: FloatArray, target: FloatArray, max_evaluations: int
) -> FloatArray:
    """Give ℓ, σ_f, σ_n of the largest marginal likelihood, shape (3,).

    Parameters
    ----------
    distances : ndarray, shape (n_points, n_points)
        Squared distances between the points.
    target : ndarray, shape (n_points,)
        One dimension of the state.
    """
    spread = float(target.std()) or 1.0
    length = float(np.sqrt(np.median(distances[distances > 0]))) if distances.any() else 1.0
    start = np.log([length, spread, 0.5 * spread])
    found = minimize(
        _negative_log_likelihood,
        start,
        args=(distances, target),
        jac=True,
        method="L-BFGS-B",
        bounds=[(value - 4.0, value + 4.0) for value in start],
        options={"maxfun": max_evaluations},
    )
    result: FloatArray = np.exp(found.x)
    return result


def _negative_log_likelihood(
    log_hyper: FloatArray, distances: FloatArray, target: FloatArray
) -> tuple[float, FloatArray]:
    length, signal, noise = np.exp(log_hyper)
    scaled = distances * (1.0 / length**2)
    kernel = signal**2 * np.exp(-0.5 * scaled)
    covariance = kernel.copy()
    # The noise's floor keeps the factorisation possible where the data have none.
    covariance[np.diag_indices_from(covariance)] += noise**2 + 1e-10 * signal**2
    factor, _ = cho_factor(covariance, lower=True)
    alpha = cho_solve((factor, True), target)
    log_determinant = 2.0 * float(np.log(np.diag(factor)).sum())
    value = 0.5 * (float(target @ alpha) + log_determinant)
    lower, _ = dpotri(factor, lower=1)
    inverse = np.tril(lower) + np.tril(lower, -1).T
    outer = inverse - np.outer(alpha, alpha)  # K⁻¹ − α αᵀ: the gradient's common factor
    kernel_part = outer * kernel
    gradient = 0.5 * np.array(
        [
            np.einsum("ij,ij->", kernel_part, scaled),
            2.0 * kernel_part.sum(),
            2.0 * noise**2 * np.trace(outer),
        ]
    )
    return value, gradient
