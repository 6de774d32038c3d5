"""Regression alone as a cursor decoder: the Wiener filter and what bends it.

With ``linear`` regression on lagged features this is the Wiener filter of the field, with ridge.
Each bin is decoded by itself: nothing is believed from one to the next but what the lags hold, so
it is the yardstick for what a filter's dynamics add.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np

from volition.chunk import FloatArray
from volition.decoders.contract.settings import Settings
from volition.decoders.fitting.fitted import Array, FittedModel
from volition.decoders.kinematics import metrics
from volition.decoders.kinematics.decoder import Follower, KinematicDecoder
from volition.decoders.kinematics.features import (
    FeatureMap,
    FeatureSettings,
    FeatureStream,
    check_training,
)
from volition.decoders.kinematics.methods.gaussian import made_definite
from volition.decoders.kinematics.methods.regressing import (
    REGRESSORS,
    AnyRegressorSettings,
    RegressionSettings,
    fit_regression,
)
from volition.decoders.kinematics.regression.linear import LinearSettings
from volition.decoders.kinematics.regression.regressor import Regressor


class WienerSettings(RegressionSettings):
    """Settings of `WienerDecoder`."""

    kind: Literal["wiener"] = "wiener"
    regression: AnyRegressorSettings = LinearSettings(ridge=100.0)
    features: FeatureSettings = FeatureSettings(n_lags=10)


class WienerDecoder(KinematicDecoder[WienerSettings]):
    """Decodes each bin's velocity by a regression on the newest bins."""

    settings_model: ClassVar[type[Settings]] = WienerSettings
    fitted_settings: ClassVar[tuple[str, ...]] = ("features", "regression")

    @classmethod
    def fit(
        cls,
        settings: WienerSettings,
        features: FloatArray,
        velocities: FloatArray,
        *,
        positions: FloatArray | None = None,  # noqa: ARG003 - the contract's; here velocities do
        trials: Array | None = None,
    ) -> FittedModel:
        """Fit the regression and take its errors; see `KinematicDecoder.fit`."""
        check_training(features, velocities, trials, least=40)
        feature_map = FeatureMap.fit(features, settings.features, velocities)
        state_mean = velocities.mean(axis=0)
        states = velocities - state_mean
        regressor, predicted, seen = fit_regression(settings, feature_map.rows(features), states)
        errors = states[seen] - predicted
        arrays: dict[str, Array] = {
            **feature_map.arrays(),
            **regressor.arrays(),
            "state_mean": state_mean,
            "Q": made_definite(errors.T @ errors / len(errors)),
        }
        facts = {
            "settings": settings.model_dump(mode="json"),
            "n_bins": len(states),
            "nrmse_of_f": metrics.nrmse(states[seen], predicted),
        }
        return FittedModel(settings.kind, arrays, facts)

    def follower(self, n_features: int) -> tuple[Follower, int]:
        feature_map = self.feature_map(n_features)
        state_mean = self.parameter("state_mean", (None,))
        n = len(state_mean)
        regressor = REGRESSORS[self.settings.regression.kind].load(
            self.parameter, feature_map.n_outputs
        )
        follower = WienerFollower(
            feature_map.stream(), regressor, state_mean, self.parameter("Q", (n, n))
        )
        return follower, n


class WienerFollower:
    """Prepares features and asks the regression. A missing bin is rest: there is no prediction."""

    position: FloatArray | None = None

    def __init__(
        self,
        features: FeatureStream,
        regressor: Regressor,
        state_mean: FloatArray,
        covariance: FloatArray,
    ) -> None:
        self._features = features
        self._regressor = regressor
        self._state_mean = state_mean
        self._still = np.zeros_like(state_mean)
        self.velocity = self._still
        self.covariance = covariance

    def step(self, features: FloatArray | None) -> bool:
        row = self._features.push(features)
        if row is None:
            self.velocity = self._still
            return False
        self.velocity = self._regressor.predict_row(row) + self._state_mean
        return True

    def see(self, position: list[float]) -> None:
        """Make nothing of it."""

    def resume(self, other: WienerFollower) -> None:
        self._features.resume(other._features)
        self.velocity = other.velocity

    def restart(self) -> None:
        """Keep on: no state is carried that a trial could begin anew."""

    def reset(self) -> None:
        self._features.reset()
        self.velocity = self._still

    def state(self) -> dict[str, Any]:
        return {"mean": self.velocity.tolist(), "covariance": self.covariance.tolist()}
