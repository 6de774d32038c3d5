"""Ridge regression: the linear comparator, a Wiener filter when the features hold lags."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from volition.chunk import FloatArray
from volition.decoders.fitting.fitted import Array
from volition.decoders.kinematics.regression.regressor import (
    Parameter,
    Regressor,
    RegressorSettings,
)


class LinearSettings(RegressorSettings):
    """Settings of `Linear`."""

    kind: Literal["linear"] = "linear"
    ridge: float = Field(
        default=1.0, ge=0, description="Added to the diagonal of the rows' sums of squares."
    )


class Linear(Regressor):
    """``f(x) = B x + b``.

    Parameters
    ----------
    coefficients : ndarray, shape (n_dimensions, n_features)
    intercept : ndarray, shape (n_dimensions,)
    """

    settings_model: ClassVar[type[RegressorSettings]] = LinearSettings

    def __init__(self, coefficients: FloatArray, intercept: FloatArray) -> None:
        self.coefficients = np.ascontiguousarray(coefficients)
        self.intercept = intercept

    @classmethod
    def fit(cls, rows: FloatArray, states: FloatArray, settings: RegressorSettings) -> Self:
        assert isinstance(settings, LinearSettings)
        centre, mean = rows.mean(axis=0), states.mean(axis=0)
        centred = rows - centre
        squares = centred.T @ centred
        squares[np.diag_indices_from(squares)] += settings.ridge
        coefficients = np.linalg.lstsq(squares, centred.T @ (states - mean), rcond=None)[0].T
        return cls(coefficients, mean - coefficients @ centre)

    @classmethod
    def load(cls, parameter: Parameter, n_features: int) -> Self:
        coefficients = parameter("coefficients", (None, n_features))
        return cls(coefficients, parameter("intercept", (len(coefficients),)))

    def arrays(self) -> dict[str, Array]:
        return {"coefficients": self.coefficients, "intercept": self.intercept}

    def predict_row(self, row: FloatArray) -> FloatArray:
        result: FloatArray = self.coefficients.dot(row)
        result += self.intercept
        return result

    def predict(self, rows: FloatArray) -> FloatArray:
        result: FloatArray = rows @ self.coefficients.T + self.intercept
        return result
