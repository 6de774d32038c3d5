"""The multiple-kernel regression on octant prototypes: hardly moved by one feature gone wild.

The kernel is an average over features, ``K(x, y) = (1/m) Σ_d exp(−(x_d − y_d)² / 2ℓ²)``, where
the common one is a product: a feature that no longer resembles anything lowers a similarity by at
most 1/m. The training data shrink to their mean in each octant of the intended direction, which
takes out noise and leaves eight points to compare with (Brandman et al., J. Neural Eng. 15:026007,
2018; Burkhart's dissertation, chapter on robustness).
"""

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
from volition.errors import DecodeError

N_OCTANTS = 8


class MultipleKernelSettings(RegressorSettings):
    """Settings of `MultipleKernel`."""

    kind: Literal["multiple-kernel"] = "multiple-kernel"
    length_scale: float = Field(default=2.0, gt=0, description="ℓ, in SD of a feature.")
    ridge: float = Field(default=1e-3, gt=0, description="σ_n² on the kernel's diagonal.")


class MultipleKernel(Regressor):
    """``f(x) = Σ α_i K(ξ_i, x)`` over the prototypes ``ξ_i``.

    Parameters
    ----------
    points : ndarray, shape (n_prototypes, n_features)
        ξ.
    weights : ndarray, shape (n_prototypes, 2)
        α.
    length_scale
        ℓ.
    """

    settings_model: ClassVar[type[RegressorSettings]] = MultipleKernelSettings

    def __init__(self, points: FloatArray, weights: FloatArray, length_scale: float) -> None:
        self.points, self.weights, self.length_scale = points, weights, length_scale
        root = np.sqrt(0.5) / length_scale
        self._scale = root
        self._scaled = np.ascontiguousarray(points * root)
        self._buffer = np.empty_like(self._scaled)
        # The sum over features and prototypes as one product with the flat kernel terms.
        self._flat = np.ascontiguousarray(
            np.repeat(weights.T / points.shape[1], points.shape[1], 1)
        )

    @classmethod
    def fit(cls, rows: FloatArray, states: FloatArray, settings: RegressorSettings) -> Self:
        """Learn from rows and two-dimensional velocities.

        Raises
        ------
        DecodeError
            The states are not of two dimensions, or fewer than two octants hold any.
        """
        assert isinstance(settings, MultipleKernelSettings)
        if states.shape[1] != 2:
            raise DecodeError(
                f"octants are of a velocity in two dimensions, found {states.shape[1]}",
                found=states.shape[1],
            )
        points, targets = octant_means(rows, states)
        kernel = np.array([_similarity(points, point, settings.length_scale) for point in points])
        kernel[np.diag_indices_from(kernel)] += settings.ridge
        weights = np.linalg.solve(kernel, targets)
        # Averaged over an octant, states shrink; one factor makes the fit's size right again.
        unscaled = cls(points, weights, settings.length_scale).predict(rows)
        size = float(np.einsum("ij,ij->", unscaled, unscaled))
        factor = float(np.einsum("ij,ij->", unscaled, states)) / size if size else 1.0
        return cls(points, weights * factor, settings.length_scale)

    @classmethod
    def load(cls, parameter: Parameter, n_features: int) -> Self:
        points = parameter("points", (None, n_features))
        weights = parameter("weights", (len(points), None))
        return cls(points, weights, float(parameter("length_scale", ())))

    def arrays(self) -> dict[str, Array]:
        return {
            "points": self.points,
            "weights": self.weights,
            "length_scale": np.array(self.length_scale),
        }

    def predict_row(self, row: FloatArray) -> FloatArray:
        buffer = self._buffer
        np.subtract(self._scaled, row * self._scale, out=buffer)
        np.multiply(buffer, buffer, out=buffer)
        np.negative(buffer, out=buffer)
        result: FloatArray = self._flat.dot(np.exp(buffer, out=buffer).reshape(-1))
        return result

    def predict(self, rows: FloatArray) -> FloatArray:
        similar = [_similarity(rows, point, self.length_scale) for point in self.points]
        result: FloatArray = np.column_stack(similar) @ self.weights
        return result


def octant_means(rows: FloatArray, states: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Average rows and states by the octant of the state's direction; empty octants are left out.

    Octants are centred on the directions 0, 45, ... degrees. A state of no speed has no direction.
    """
    moving = np.hypot(states[:, 0], states[:, 1]) > 0
    angle = np.arctan2(states[moving, 1], states[moving, 0])
    octant = np.round(angle / (2 * np.pi / N_OCTANTS)).astype(int) % N_OCTANTS
    found = np.unique(octant)
    if len(found) < 2:
        raise DecodeError(
            f"velocities of at least two octants are needed, found {len(found)}", found=len(found)
        )
    points = [rows[moving][octant == number].mean(axis=0) for number in found]
    targets = [states[moving][octant == number].mean(axis=0) for number in found]
    return np.array(points), np.array(targets)


def _similarity(rows: FloatArray, point: FloatArray, length_scale: float) -> FloatArray:
    result: FloatArray = np.exp(-0.5 * ((rows - point) / length_scale) ** 2).mean(axis=1)
    return result
