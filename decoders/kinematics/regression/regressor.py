"""What every regression promises: fitted on arrays, kept as arrays, asked row by row.

``predict_row`` is what runs live; it gives the same bits for the same row, whatever was asked
before. ``predict`` is for whole recordings and may differ from it in rounding.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from volition.chunk import FloatArray
from volition.decoders.fitting.fitted import Array

Parameter = Callable[[str, tuple[int | None, ...]], FloatArray]
"""Gives an array of a fitted model by name and shape: `FittedDecoder.parameter`."""


class RegressorSettings(BaseModel):
    """Base of every regression's settings, told apart by ``kind``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str


class KernelSettings(RegressorSettings):
    """Settings of a regression that compares a row with rows of the training data."""

    max_points: int = Field(
        default=5000,
        ge=10,
        le=20_000,
        description="Rows of the training data to compare with, drawn at random where it has more.",
    )
    seed: int = Field(default=0, ge=0, description="Seed of that draw.")

    def draw(self, n_rows: int) -> Array:
        """Give the indices of the rows to keep, in order."""
        if n_rows <= self.max_points:
            return np.arange(n_rows)
        drawn = np.random.default_rng(self.seed).choice(n_rows, self.max_points, replace=False)
        return np.sort(drawn)


class Regressor(ABC):
    """A fitted function from a row of features to the mean of the state."""

    settings_model: ClassVar[type[RegressorSettings]]

    @classmethod
    @abstractmethod
    def fit(cls, rows: FloatArray, states: FloatArray, settings: RegressorSettings) -> Self:
        """Learn from ``rows`` (n_bins, n_features) and ``states`` (n_bins, n_dimensions).

        States have a mean of about 0.
        """

    def as_chosen(self, settings: RegressorSettings, rows: FloatArray) -> RegressorSettings:
        """Give settings that keep to what this fit, to ``rows``, chose; for another fit alike."""
        return settings

    @classmethod
    @abstractmethod
    def load(cls, parameter: Parameter, n_features: int) -> Self:
        """Read it back from a model."""

    @abstractmethod
    def arrays(self) -> dict[str, Array]:
        """Give the parameters as a model keeps them; `load` asks for them by these names."""

    @abstractmethod
    def predict_row(self, row: FloatArray) -> FloatArray:
        """Give the state's mean, shape (n_dimensions,), for one row (n_features,)."""

    @abstractmethod
    def predict(self, rows: FloatArray) -> FloatArray:
        """Give the state's mean for each of many rows, shape (n_bins, n_dimensions)."""


def squared_distances(left: FloatArray, right: FloatArray) -> FloatArray:
    """Give |left_i − right_j|², shape (n_left, n_right)."""
    distances = left @ right.T
    distances *= -2.0
    distances += np.einsum("ij,ij->i", left, left)[:, None]
    distances += np.einsum("ij,ij->i", right, right)
    return np.maximum(distances, 0.0, out=distances)


class RowDistances:
    """Half squared distances from one row to many points, but for the row's own square.

    Weights that are normalised afterwards need no more than ``x·p − |p|²/2``: the row's square
    cancels.

    Parameters
    ----------
    points : ndarray, shape (n_points, n_features)
    """

    def __init__(self, points: FloatArray) -> None:
        self._points = np.ascontiguousarray(points)
        self._half_squares: FloatArray = 0.5 * np.einsum("ij,ij->i", points, points)
        self._buffer = np.empty(len(points))

    def closeness(self, row: FloatArray) -> FloatArray:
        """Give ``row·p − |p|²/2`` of each point, in a buffer that the next call overwrites."""
        np.dot(self._points, row, out=self._buffer)
        self._buffer -= self._half_squares
        return self._buffer
