"""Nadaraya-Watson kernel regression: an average of the training states, weighed by closeness.

``f(x) = Σ w_i z_i / Σ w_i`` with ``w_i = exp(−|x − x_i|² / 2h²)``. The bandwidth h² minimises the
leave-one-out error over the training rows. The weights are taken relative to the largest, so they
never all vanish, however far a row lies from everything seen.
"""

from __future__ import annotations

import math
from typing import ClassVar, Literal, Self

import numpy as np
import scipy
from pydantic import Field

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

#: Rows of the leave-one-out error that are worked on at once.
_BLOCK = 512


class NadarayaWatsonSettings(KernelSettings):
    """Settings of `NadarayaWatson`."""

    kind: Literal["nadaraya-watson"] = "nadaraya-watson"
    bandwidth: float | None = Field(
        default=None, gt=0, description="h²; by leave-one-out error when left out."
    )


class NadarayaWatson(Regressor):
    """The kernel average of ``states`` at ``points``.

    Parameters
    ----------
    points : ndarray, shape (n_points, n_features)
    states : ndarray, shape (n_points, n_outputs)
    bandwidth
        h².
    """

    settings_model: ClassVar[type[RegressorSettings]] = NadarayaWatsonSettings

    def __init__(self, points: FloatArray, states: FloatArray, bandwidth: float) -> None:
        self.points, self.states, self.bandwidth = points, states, bandwidth
        self._distances = RowDistances(points)
        self._ones_and_states = np.ascontiguousarray(
            np.column_stack([np.ones(len(states)), states]).T
        )

    @classmethod
    def fit(cls, rows: FloatArray, states: FloatArray, settings: RegressorSettings) -> Self:
        assert isinstance(settings, NadarayaWatsonSettings)
        kept = settings.draw(len(rows))
        points, states = rows[kept], states[kept]
        bandwidth = settings.bandwidth or best_bandwidth(points, states)
        return cls(points, states, bandwidth)

    @classmethod
    def load(cls, parameter: Parameter, n_features: int) -> Self:
        points = parameter("points", (None, n_features))
        states = parameter("point_states", (len(points), None))
        return cls(points, states, float(parameter("bandwidth", ())))

    def arrays(self) -> dict[str, Array]:
        return {
            "points": self.points,
            "point_states": self.states,
            "bandwidth": np.array(self.bandwidth),
        }

    def predict_row(self, row: FloatArray) -> FloatArray:
        exponent = self._distances.closeness(row)
        exponent -= exponent.max()
        exponent *= 1.0 / self.bandwidth
        sums = self._ones_and_states.dot(np.exp(exponent, out=exponent))
        result: FloatArray = sums[1:] / sums[0]
        return result

    def predict(self, rows: FloatArray) -> FloatArray:
        blocks = [
            _averages(squared_distances(block, self.points), self.states, self.bandwidth)
            for block in np.array_split(rows, math.ceil(len(rows) / _BLOCK) or 1)
        ]
        return np.concatenate(blocks)


def best_bandwidth(points: FloatArray, states: FloatArray) -> float:
    """Give the h² with the least leave-one-out squared error.

    Parameters
    ----------
    points : ndarray, shape (n_points, n_features)
    states : ndarray, shape (n_points, n_outputs)
    """
    distances = squared_distances(points, points)
    np.fill_diagonal(distances, np.inf)
    # The scale of the problem: distances between close neighbours, up to those between any.
    finite = distances[np.isfinite(distances)]
    low = max(float(np.quantile(distances.min(axis=1), 0.5)) / 50.0, 1e-12)
    high = max(float(finite.mean()) * 2.0, 2 * low)

    def loss(log_bandwidth: float) -> float:
        bandwidth = math.exp(log_bandwidth)
        error = 0.0
        for start in range(0, len(points), _BLOCK):
            part = slice(start, start + _BLOCK)
            residual = states[part] - _averages(distances[part], states, bandwidth)
            error += float(np.einsum("ij,ij->", residual, residual))
        return error

    found = scipy.optimize.minimize_scalar(
        loss, bounds=(math.log(low), math.log(high)), method="bounded", options={"xatol": 0.02}
    )
    return math.exp(float(found.x))


def _averages(distances: FloatArray, states: FloatArray, bandwidth: float) -> FloatArray:
    nearest = distances.min(axis=1, keepdims=True)
    weights = np.exp((nearest - distances) * (0.5 / bandwidth))
    result: FloatArray = (weights @ states) / weights.sum(axis=1, keepdims=True)
    return result
