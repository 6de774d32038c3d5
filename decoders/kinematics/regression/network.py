"""A small neural network: one hidden layer of tanh units, run in plain numpy.

Ten units are what the paper of the discriminative Kalman filter used. It trains by L-BFGS on all
rows at once, with weight decay in place of the Bayesian regularisation used there.
"""

from __future__ import annotations

from typing import ClassVar, Literal, Self

import numpy as np
import scipy
from pydantic import Field

from volition.chunk import FloatArray
from volition.decoders.fitting.fitted import Array
from volition.decoders.kinematics.regression.regressor import (
    Parameter,
    Regressor,
    RegressorSettings,
)


class NetworkSettings(RegressorSettings):
    """Settings of `NetworkRegression`."""

    kind: Literal["network"] = "network"
    n_units: int = Field(default=10, ge=1, le=256)
    weight_decay: float = Field(default=1e-3, ge=0, description="Decay, in mean squared errors.")
    max_iterations: int = Field(default=300, ge=1, le=10_000)
    seed: int = Field(default=0, ge=0, description="Seed of the first weights.")


class NetworkRegression(Regressor):
    """``f(x) = V tanh(U x + u) + v``.

    Parameters
    ----------
    hidden : ndarray, shape (n_units, n_features + 1)
        U and, in the last column, u.
    output : ndarray, shape (n_dimensions, n_units + 1)
        V and v.
    """

    settings_model: ClassVar[type[RegressorSettings]] = NetworkSettings

    def __init__(self, hidden: FloatArray, output: FloatArray) -> None:
        self.hidden, self.output = hidden, output
        self._U, self._u = np.ascontiguousarray(hidden[:, :-1]), hidden[:, -1].copy()
        self._V, self._v = np.ascontiguousarray(output[:, :-1]), output[:, -1].copy()

    @classmethod
    def fit(cls, rows: FloatArray, states: FloatArray, settings: RegressorSettings) -> Self:
        assert isinstance(settings, NetworkSettings)
        n_features, n_dimensions, n_units = rows.shape[1], states.shape[1], settings.n_units
        scale = float(states.std()) or 1.0
        inputs = np.column_stack([rows, np.ones(len(rows))])
        targets = states / scale
        random = np.random.default_rng(settings.seed)
        sizes = (n_units, n_features + 1), (n_dimensions, n_units + 1)
        start = np.concatenate([random.standard_normal(a * b) / np.sqrt(b) for a, b in sizes])
        split = sizes[0][0] * sizes[0][1]

        def loss(flat: FloatArray) -> tuple[float, FloatArray]:
            hidden, output = flat[:split].reshape(sizes[0]), flat[split:].reshape(sizes[1])
            units = np.tanh(inputs @ hidden.T)
            error = units @ output[:, :-1].T + output[:, -1] - targets
            back = (error @ output[:, :-1]) * (1.0 - units * units)
            gradient = np.concatenate(
                [
                    (back.T @ inputs).ravel(),
                    np.column_stack([error.T @ units, error.sum(axis=0)]).ravel(),
                ]
            )
            share = 1.0 / len(inputs)
            value = 0.5 * share * float(np.einsum("ij,ij->", error, error))
            decay = settings.weight_decay
            return value + 0.5 * decay * float(flat @ flat), share * gradient + decay * flat

        found = scipy.optimize.minimize(
            loss, start, jac=True, method="L-BFGS-B", options={"maxiter": settings.max_iterations}
        )
        hidden, output = found.x[:split].reshape(sizes[0]), found.x[split:].reshape(sizes[1])
        return cls(hidden, scale * output)

    @classmethod
    def load(cls, parameter: Parameter, n_features: int) -> Self:
        hidden = parameter("hidden", (None, n_features + 1))
        return cls(hidden, parameter("output", (None, len(hidden) + 1)))

    def arrays(self) -> dict[str, Array]:
        return {"hidden": self.hidden, "output": self.output}

    def predict_row(self, row: FloatArray) -> FloatArray:
        units = self._U.dot(row)
        units += self._u
        result: FloatArray = self._V.dot(np.tanh(units, out=units))
        result += self._v
        return result

    def predict(self, rows: FloatArray) -> FloatArray:
        result: FloatArray = np.tanh(rows @ self._U.T + self._u) @ self._V.T + self._v
        return result
