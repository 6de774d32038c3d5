"""A method that tells classes apart: the estimator that calibrations fit and decoders run.

    window ──feature──> feature ──log_probabilities──> log probability of each class
                           └── for covariances: whitened by the session's centre, if wanted

A live decoder, a calibration and an evaluation all call the same three functions, on windows that
the same machine cut.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from volition.chunk import FloatArray
from volition.decoders.classes.settings import BandSettings, ClassSettings
from volition.decoders.ssvep.methods.riemann import shrunk_covariances
from volition.decoders.ssvep.scores.bank import FilterBank

Arrays = Mapping[str, npt.NDArray[Any]]
IntArray = npt.NDArray[np.int64]

S = TypeVar("S", bound=ClassSettings)
B = TypeVar("B", bound=BandSettings)


class ClassMethod(ABC, Generic[S]):
    """What learns from windows and judges windows.

    Parameters
    ----------
    settings
        Settings of the decoder.
    rate_hz
        Sampling rate of the signal.
    edges
        Bands in place of the settings' own: how a report asks what another band alone would do.
    """

    #: Whether its features are covariances, which can be re-centred.
    of_covariances: ClassVar[bool] = False
    #: Whether a report asks what eye movement or muscle alone would do: where they are not wanted.
    of_brain: ClassVar[bool] = True

    def __init__(
        self,
        settings: S,
        rate_hz: float,
        edges: Sequence[tuple[float, float]] | None = None,
    ) -> None:
        self.settings = settings
        self.rate_hz = rate_hz
        self.edges = list(self.bands() if edges is None else edges)

    @abstractmethod
    def bands(self) -> list[tuple[float, float]]:
        """Give the edges of the bands that it looks at, Hz."""

    @property
    @abstractmethod
    def order(self) -> int:
        """Butterworth order of each edge."""

    def bank(self, n_channels: int) -> FilterBank:
        """Make the filters of the bands."""
        return FilterBank(self.edges, self.order, self.rate_hz, n_channels)

    @abstractmethod
    def feature(self, window: FloatArray) -> FloatArray:
        """Give what is judged of a window (n_bands, n_channels, n_samples)."""

    @abstractmethod
    def fit(self, features: FloatArray, classes: IntArray, n_classes: int) -> dict[str, FloatArray]:
        """Learn from features (n_windows, ...) and the number of each one's class.

        Returns
        -------
        dict of str to ndarray
            What `log_probabilities` takes.
        """

    @abstractmethod
    def log_probabilities(self, arrays: Arrays, features: FloatArray) -> FloatArray:
        """Give the log probability of each class, shape (n_windows, n_classes)."""


class BandMethod(ClassMethod[B]):
    """A method that looks at the bands that its settings name."""

    def bands(self) -> list[tuple[float, float]]:
        return self.settings.bands(self.rate_hz)

    @property
    def order(self) -> int:
        return self.settings.band_order


class CovarianceMethod(BandMethod[B]):
    """A method whose feature is the shrunk covariance of each band."""

    of_covariances: ClassVar[bool] = True

    def feature(self, window: FloatArray) -> FloatArray:
        return shrunk_covariances(window)


def normalised(scores: FloatArray) -> FloatArray:
    """Turn scores (..., n_classes) into log probabilities: the logarithm of their softmax."""
    shifted = scores - scores.max(axis=-1, keepdims=True)
    result: FloatArray = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return result
