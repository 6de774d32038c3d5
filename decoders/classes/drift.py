"""Whether a session's signal lies where the calibration's sessions lay.

The mean covariance of the last minute is compared with the centres of the sessions that the model
was calibrated on, by the affine invariant distance. Further from the nearest of them than the
calibration's own signal ever strayed, by a margin, and what the decoder says rests on nothing: a
cap that sits elsewhere, an electrode that has come off.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from volition.chunk import FloatArray
from volition.decoders.artifacts.averages import spectral
from volition.decoders.classes.centre import moved_towards
from volition.decoders.classes.models import SESSION_CENTRES
from volition.decoders.fitting.fitted import FittedModel

#: Number of windows, one a second, over which the drift is judged.
LOOK_BACK = 30
#: Number of windows below which nothing is said.
LEAST_WINDOWS = 10
#: How many times as far as usual counts as drifted.
TIMES_USUAL = 1.5


class DriftWatch:
    """Follows the session's covariances.

    Parameters
    ----------
    centres : ndarray, shape (n_sessions, n_bands, n_channels, n_channels)
        Centres of the calibration's sessions.
    usual
        How far signal of the calibration lay from the nearest centre but its own.
    """

    def __init__(self, centres: FloatArray, usual: float) -> None:
        self._whitening = spectral(centres, -0.5)
        self.usual = usual
        self.reset()

    @classmethod
    def of(cls, model: FittedModel) -> Self | None:
        """Make the watch that a model allows; None where it does not say what is usual."""
        usual = model.facts.get("usual_distance")
        if not isinstance(usual, int | float) or SESSION_CENTRES not in model.arrays:
            return None
        return cls(np.asarray(model.arrays[SESSION_CENTRES], dtype=np.float64), float(usual))

    def reset(self) -> None:
        self._n_windows = 0
        self._mean: FloatArray | None = None
        self.distance = 0.0

    def take(self, covariances: FloatArray) -> None:
        """Take the covariance of each band of the next window, one a second."""
        self._n_windows += 1
        share = max(1.0 / self._n_windows, 1.0 / LOOK_BACK)
        if self._mean is None:
            self._mean = covariances.copy()
        else:
            self._mean = moved_towards(self._mean, covariances, share)
        self.distance = float(distances(self._whitening, self._mean).min())

    @property
    def drifted(self) -> bool:
        """Whether it lies too far away to go by the model."""
        return self._n_windows >= LEAST_WINDOWS and self.distance > TIMES_USUAL * self.usual

    def told(self) -> str:
        """Say so, in a sentence."""
        return (
            f"the signal has drifted from what the model was calibrated on: it lies "
            f"{self.distance:.1f} away, usual is {self.usual:.1f}. Re-centre, or calibrate anew"
        )

    def state(self) -> dict[str, Any]:
        """Say where the session lies."""
        return {"distance": self.distance, "usual": self.usual, "drifted": self.drifted}


def distances(whitening: FloatArray, mean: FloatArray) -> FloatArray:
    """Give the affine invariant distance of each centre, by its M^-1/2, from a mean covariance.

    Parameters
    ----------
    whitening : ndarray, shape (n_centres, n_bands, n_channels, n_channels)
    mean : ndarray, shape (n_bands, n_channels, n_channels)

    Returns
    -------
    ndarray, shape (n_centres,)
        Root mean square over bands.
    """
    values = np.linalg.eigvalsh(whitening @ mean @ whitening)
    squares = np.square(np.log(np.maximum(values, 1e-300))).sum(axis=-1)
    result: FloatArray = np.sqrt(squares.mean(axis=-1))
    return result
