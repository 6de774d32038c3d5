"""The Riemannian potato: a window whose covariance is far from the clean ones does not count.

The distance of a window's covariance from the centre of clean ones, by its logarithm's z-score, is
held against a threshold (Barachant, Andreev and Congedo, TOBI Workshop IV, 2013; Barthélemy et al.,
IEEE Trans. Neural Syst. Rehabil. Eng. 27:244, 2019). The calibration finds the centre, leaving out
what lies too far, until nothing more does; clean windows move it on, since a clean signal drifts.
All channels are flagged together: with ``repair`` or ``hold`` the window counts as missing.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from volition.chunk import FloatArray, SignalSpec
from volition.decoders.artifacts.averages import (
    geodesic,
    lift,
    matrices_at_once,
    riemannian_distance,
    riemannian_mean_steps,
)
from volition.decoders.artifacts.steps import Steps, pieces
from volition.decoders.contract.settings import Settings
from volition.decoders.filtering import BoolArray
from volition.decoders.stages.blocks import CalibratedSettings, Parameters
from volition.decoders.stages.flagging import (
    LEAST_WINDOWS,
    FlagSettings,
    FlagStage,
    calibration_windows,
)


class PotatoSettings(FlagSettings, CalibratedSettings):
    """Settings of `Potato`."""

    kind: Literal["potato"] = "potato"
    policy: Literal["repair", "mask", "hold"] = "hold"
    step_s: float = Field(default=0.25, gt=0, le=10)
    threshold: float = Field(
        default=3.0, gt=0, description="In deviations of log distance; 2 to 2.5 is strict."
    )
    drift: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="How far a clean window moves the centre towards itself.",
    )


class Potato(FlagStage[PotatoSettings]):
    """Flag windows by their covariance's distance from clean ones."""

    settings_model: ClassVar[type[Settings]] = PotatoSettings

    def begin(self) -> None:
        super().begin()
        self._centre: FloatArray | None = None
        self._mean = self._variance = self._z = 0.0

    def learn(self, samples: FloatArray, spec: SignalSpec) -> Steps[dict[str, FloatArray]]:
        """Find centre and spread of clean windows in ``samples`` (n_samples, n_channels).

        Raises
        ------
        NotFittedError
            The samples hold too few windows.
        """
        windows = calibration_windows(samples, spec, self.settings)
        n = windows[0].shape[1]
        covariances = np.empty((len(windows), n, n))
        for i, window in enumerate(windows):
            covariances[i] = _covariance(window)
            yield
        centre, mean, deviation = yield from fit_potato_steps(covariances, self.settings.threshold)
        return {
            "n_channels": np.array(float(n)),
            "centre": centre,
            "spread": np.array([mean, deviation]),
        }

    def adopt(self, parameters: Parameters) -> None:
        self._centre = np.array(parameters["centre"])
        self._mean, deviation = (float(value) for value in parameters["spread"])
        self._variance = deviation**2

    def ready(self) -> bool:
        return self._centre is not None

    def judge(self, window: FloatArray, missing: FloatArray) -> BoolArray:
        assert self._centre is not None
        nothing = np.zeros(window.shape[1], dtype=bool)
        if missing.mean() > 0.1:
            return nothing
        covariance = _covariance(window)
        distance = np.log(max(riemannian_distance(self._centre, covariance), 1e-12))
        self._z = float((distance - self._mean) / np.sqrt(max(self._variance, 1e-12)))
        if self._z > self.settings.threshold:
            return ~nothing
        drift = self.settings.drift
        if drift > 0:
            self._centre = geodesic(self._centre, covariance, drift)
            step = distance - self._mean
            self._mean += drift * step
            self._variance = (1 - drift) * (self._variance + drift * step**2)
        return nothing

    def report(self) -> dict[str, Any]:
        return {**super().report(), "z": self._z}


def _covariance(window: FloatArray) -> FloatArray:
    centred = window - window.mean(axis=0)
    return lift(centred.T @ centred / len(window))


def fit_potato_steps(
    covariances: FloatArray, threshold: float
) -> Steps[tuple[FloatArray, float, float]]:
    """Find the centre of clean covariances (n, c, c), and mean and deviation of log distance."""
    kept = np.ones(len(covariances), dtype=bool)
    while True:
        centre = yield from riemannian_mean_steps(covariances[kept], tolerance=1e-7)
        distances = np.empty(len(covariances))
        for some in pieces(len(covariances), matrices_at_once(len(centre))):
            distances[some] = [riemannian_distance(centre, one) for one in covariances[some]]
            yield
        distances = np.log(np.maximum(distances, 1e-12))
        # A quarter of artifacts would widen a standard deviation until it held them all.
        middle = float(np.median(distances[kept]))
        scatter = 1.4826 * float(np.median(np.abs(distances[kept] - middle)))
        inside = kept & (distances <= middle + threshold * scatter)
        if inside.sum() == kept.sum() or inside.sum() < max(LEAST_WINDOWS, len(kept) / 2):
            return centre, float(distances[kept].mean()), float(distances[kept].std())
        kept = inside
