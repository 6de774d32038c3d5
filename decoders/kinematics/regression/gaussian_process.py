"""Gaussian process regression, one for each dimension of the state.

Zero mean, squared-exponential kernel ``σ_f² exp(−|x − x'|² / 2ℓ²)`` and noise ``σ_n²``; ℓ, σ_f
and σ_n maximise the marginal likelihood (Rasmussen & Williams 2006, equations 2.30 and 5.9), found
on a random part of the rows where there are many, since each evaluation costs their cube. With
``relevance`` each feature has an ℓ of its own, and all dimensions share one kernel.
"""

from __future__ import annotations

import math
from typing import ClassVar, Literal, Self

import numpy as np
import scipy
from pydantic import BaseModel, ConfigDict, Field

from volition.chunk import FloatArray
from volition.decoders.fitting.fitted import Array
from volition.decoders.kinematics.regression.regressor import (
    KernelSettings,
    Parameter,
    Regressor,
    RegressorSettings,
    RowDistances,
    squared_distances,
)
from volition.errors import DecodeError


class HyperParameters(BaseModel):
    """What a fit chooses: see `GaussianProcess`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    scale: list[float] = Field(min_length=1, description="Scale of each feature.")
    hyper: list[tuple[float, float, float]] = Field(
        min_length=1, description="ℓ, σ_f and σ_n of each dimension."
    )


class GaussianProcessSettings(KernelSettings):
    """Settings of `GaussianProcess`."""

    kind: Literal["gaussian-process"] = "gaussian-process"
    relevance: bool = Field(
        default=False,
        description="A length scale for each feature, so that those that tell little come to "
        "count little, and one kernel for all dimensions; or one length scale for all features, "
        "where the marginal likelihood, less Schwarz's price of each parameter, is then larger.",
    )
    likelihood_points: int = Field(
        default=1200, ge=10, description="Rows on which the hyper-parameters are sought."
    )
    likelihood_draws: int = Field(
        default=1,
        ge=1,
        le=20,
        description="Number of draws of such rows; what is found on each is averaged in "
        "logarithms. With relevance alone.",
    )
    max_evaluations: int = Field(
        default=30, ge=1, le=1000, description="Evaluations of the likelihood, a dimension or draw."
    )
    chosen: HyperParameters | None = Field(
        default=None, description="The hyper-parameters; left out, they are searched for."
    )


class GaussianProcess(Regressor):
    """The posterior mean of a Gaussian process for each dimension.

    Parameters
    ----------
    points : ndarray, shape (n_points, n_features)
        Divided by ``scale``.
    weights : ndarray, shape (n_points, n_dimensions)
        ``σ_f² (K + σ_n² I)⁻¹ z``.
    hyper : ndarray, shape (n_dimensions, 3)
        ℓ, σ_f and σ_n of each dimension; ℓ in units of ``scale``.
    scale : ndarray, shape (n_features,)
        What each feature is divided by.
    """

    settings_model: ClassVar[type[RegressorSettings]] = GaussianProcessSettings

    def __init__(
        self, points: FloatArray, weights: FloatArray, hyper: FloatArray, scale: FloatArray
    ) -> None:
        self.points, self.weights, self.hyper, self.scale = points, weights, hyper, scale
        self._distances = RowDistances(points)
        lengths, place = np.unique(hyper[:, 0], return_inverse=True)
        #: Dimensions of one length scale ask the same kernel.
        self._kernels = [
            (1.0 / length**2, place == number, np.ascontiguousarray(weights.T[place == number]))
            for number, length in enumerate(lengths.tolist())
        ]
        self._buffer = np.empty(len(points))

    @classmethod
    def fit(cls, rows: FloatArray, states: FloatArray, settings: RegressorSettings) -> Self:
        """Learn from rows and states.

        Raises
        ------
        DecodeError
            Hyper-parameters were given, and they are of other sizes.
        """
        assert isinstance(settings, GaussianProcessSettings)
        kept = settings.draw(len(rows))
        points, states = rows[kept], states[kept]
        chosen = settings.chosen or _sought(points, states, settings)
        if (len(chosen.scale), len(chosen.hyper)) != (points.shape[1], states.shape[1]):
            raise DecodeError(
                f"hyper-parameters are needed for {points.shape[1]} features and "
                f"{states.shape[1]} dimensions, found {len(chosen.scale)} and {len(chosen.hyper)}"
            )
        scale, hyper = np.array(chosen.scale), np.array(chosen.hyper)
        points = points / scale
        distances = squared_distances(points, points)
        weights = np.empty_like(states)
        # Where ℓ and the share of noise are the same, the covariance is but for its size.
        shapes = np.column_stack([hyper[:, 0], hyper[:, 2] / hyper[:, 1]])
        found, place = np.unique(shapes, axis=0, return_inverse=True)
        for number, (length, noise) in enumerate(found.tolist()):
            covariance = np.exp(distances * (-0.5 / length**2))
            covariance[np.diag_indices_from(covariance)] += noise**2
            # It is symmetric; its transpose lies in memory as LAPACK wants it.
            factor = scipy.linalg.cho_factor(covariance.T, lower=True, overwrite_a=True)
            alike = place.reshape(-1) == number
            weights[:, alike] = scipy.linalg.cho_solve(factor, states[:, alike])
        return cls(points, weights, hyper, scale)

    def as_chosen(self, settings: RegressorSettings, rows: FloatArray) -> RegressorSettings:
        hyper = [(length, signal, noise) for length, signal, noise in self.hyper.tolist()]
        chosen = HyperParameters(scale=self.scale.tolist(), hyper=hyper)
        return settings.model_copy(update={"chosen": chosen})

    @classmethod
    def load(cls, parameter: Parameter, n_features: int) -> Self:
        points = parameter("points", (None, n_features))
        weights = parameter("weights", (len(points), None))
        hyper = parameter("hyper", (weights.shape[1], 3))
        return cls(points, weights, hyper, parameter("scale", (n_features,)))

    def arrays(self) -> dict[str, Array]:
        return {
            "points": self.points,
            "weights": self.weights,
            "hyper": self.hyper,
            "scale": self.scale,
        }

    def predict_row(self, row: FloatArray) -> FloatArray:
        row = row / self.scale
        closeness = self._distances.closeness(row)
        closeness -= 0.5 * row.dot(row)
        result = np.empty(self.weights.shape[1])
        for power, columns, weights in self._kernels:
            np.multiply(closeness, power, out=self._buffer)
            result[columns] = weights.dot(np.exp(self._buffer, out=self._buffer))
        return result

    def predict(self, rows: FloatArray) -> FloatArray:
        distances = squared_distances(rows / self.scale, self.points)
        result = np.empty((len(rows), self.weights.shape[1]))
        for power, columns, weights in self._kernels:
            result[:, columns] = np.exp(distances * (-0.5 * power)) @ weights.T
        return result


def _sought(
    points: FloatArray, states: FloatArray, settings: GaussianProcessSettings
) -> HyperParameters:
    n_features = points.shape[1]
    if settings.relevance:
        spread = states.std(axis=0)
        spread[spread == 0] = 1.0
        samples, targets = _samples(len(points), settings), states / spread
        found = [
            [
                _best_relevances(points[one], targets[one], tied, settings.max_evaluations)
                for one in samples
            ]
            for tied in (False, True)
        ]
        likelier = min(found, key=lambda draws: sum(evidence for _, evidence in draws))
        log_hyper = np.mean([one for one, _ in likelier], axis=0)
        *scale, signal, noise = np.exp(log_hyper).tolist()
        hyper = [(1.0, signal * size, noise * size) for size in spread.tolist()]
        return HyperParameters(scale=scale, hyper=hyper)
    (sample,) = _samples(len(points), settings.model_copy(update={"likelihood_draws": 1}))
    distances = squared_distances(points[sample], points[sample])
    hyper = []
    for target in states.T:
        best = best_hyper_parameters(distances, target[sample], settings.max_evaluations)
        hyper.append((float(best[0]), float(best[1]), float(best[2])))
    return HyperParameters(scale=[1.0] * n_features, hyper=hyper)


def _samples(n_points: int, settings: GaussianProcessSettings) -> list[Array]:
    fewer = [
        settings.model_copy(
            update={"max_points": settings.likelihood_points, "seed": settings.seed + number}
        )
        for number in range(settings.likelihood_draws)
    ]
    return [one.draw(n_points) for one in fewer]


def _best_relevances(
    points: FloatArray, targets: FloatArray, tied: bool, max_evaluations: int
) -> tuple[FloatArray, float]:
    """Give the logarithms of each feature's length scale, σ_f and σ_n, of the largest likelihood.

    One kernel for all dimensions, whose targets are of SD 1 (Rasmussen & Williams 2006, section
    5.1: automatic relevance determination). ``tied``: one length scale for all features. Beside
    them stands the negative log evidence by which two kernels are compared, as Schwarz's criterion
    has it: half a logarithm of the number of values for each hyper-parameter (Ann. Stat. 6:461-464,
    1978).
    """
    n_features = points.shape[1]
    spread = np.eye(n_features + 2)
    if tied:
        spread = np.vstack([np.tile([1.0, 0.0, 0.0], (n_features, 1)), np.eye(3)[1:]])
    distances = squared_distances(points, points)
    length = float(np.sqrt(np.median(distances[distances > 0]))) if distances.any() else 1.0
    start = np.log([*[length] * (spread.shape[1] - 2), 1.0, 0.5])

    def loss(log_hyper: FloatArray) -> tuple[float, FloatArray]:
        value, gradient = _negative_log_likelihood_of_relevances(
            spread @ log_hyper, points, targets
        )
        return value, gradient @ spread

    found = scipy.optimize.minimize(
        loss,
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=[(value - 2.0, value + 2.0) for value in start],
        options={"maxfun": max_evaluations},
    )
    penalty = 0.5 * spread.shape[1] * math.log(targets.size)
    return spread @ found.x, float(found.fun) + penalty


def _negative_log_likelihood_of_relevances(
    log_hyper: FloatArray, points: FloatArray, targets: FloatArray
) -> tuple[float, FloatArray]:
    scaled = points * np.exp(-log_hyper[:-2])
    signal, noise = np.exp(log_hyper[-2:])
    kernel = signal**2 * np.exp(-0.5 * squared_distances(scaled, scaled))
    covariance = kernel.copy()
    covariance[np.diag_indices_from(covariance)] += noise**2 + 1e-10 * signal**2
    factor, _ = scipy.linalg.cho_factor(covariance.T, lower=True, overwrite_a=True)
    alpha = scipy.linalg.cho_solve((factor, True), targets)
    n_dimensions = targets.shape[1]
    log_determinant = 2.0 * float(np.log(np.diag(factor)).sum())
    value = 0.5 * (float(np.einsum("ij,ij->", targets, alpha)) + n_dimensions * log_determinant)
    outer = n_dimensions * _inverse_of(factor) - alpha @ alpha.T
    part = outer * kernel
    # Σ_ij part_ij (x_i − x_j)², feature by feature, without a distance of its own for each.
    moved = scaled * (part.sum(axis=1)[:, None] * scaled - part @ scaled)
    gradient = np.concatenate([moved.sum(axis=0), [part.sum(), noise**2 * np.trace(outer)]])
    return value, gradient


def _inverse_of(factor: FloatArray) -> FloatArray:
    """Give the inverse of the matrix whose lower Cholesky factor this is."""
    lower, _ = scipy.linalg.lapack.dpotri(factor, lower=1)
    inverse: FloatArray = np.tril(lower) + np.tril(lower, -1).T
    return inverse


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
    found = scipy.optimize.minimize(
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
    factor, _ = scipy.linalg.cho_factor(covariance, lower=True)
    alpha = scipy.linalg.cho_solve((factor, True), target)
    log_determinant = 2.0 * float(np.log(np.diag(factor)).sum())
    value = 0.5 * (float(target @ alpha) + log_determinant)
    outer = _inverse_of(factor) - np.outer(alpha, alpha)  # K⁻¹ − α αᵀ: the gradient's common factor
    kernel_part = outer * kernel
    gradient = 0.5 * np.array(
        [
            np.einsum("ij,ij->", kernel_part, scaled),
            2.0 * kernel_part.sum(),
            2.0 * noise**2 * np.trace(outer),
        ]
    )
    return value, gradient
