"""The discriminative Kalman filter as a cursor decoder, with whichever regression suits.

A regression says ``f(x)``, the state's mean given the features, and how wrong it is, ``Q``; the
filter joins that to the dynamics by Bayes' rule (`DiscriminativeRecursion`). What ``f`` was fitted
on says nothing of its errors, so ``Q`` is learned from bins that ``f`` did not see: the last part
of the training data, or each of several blocks predicted from the others. Once ``Q`` is known,
``f`` is fitted anew to all bins (the published decoder, too, decodes with all of them). ``Q`` is
constant, or a kernel average of the errors near ``x``.

With ``multiple-kernel`` regression, a constant ``Q`` and features saturated at 2 SD this is the
MK-DKF, which a single wild channel hardly moves.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from volition.chunk import FloatArray
from volition.decoders.contract.settings import Settings
from volition.decoders.fitting.fitted import Array, FittedModel
from volition.decoders.kinematics import metrics
from volition.decoders.kinematics.decoder import Follower, KinematicDecoder, surprise_state
from volition.decoders.kinematics.features import FeatureMap, FeatureStream, check_training
from volition.decoders.kinematics.methods.gaussian import (
    fit_dynamics,
    fit_start,
    follows_of,
    made_definite,
)
from volition.decoders.kinematics.methods.recursion import DiscriminativeRecursion, Variant
from volition.decoders.kinematics.methods.regressing import (
    REGRESSORS,
    RegressionSettings,
    fit_regression,
)
from volition.decoders.kinematics.regression.nadaraya_watson import (
    NadarayaWatson,
    NadarayaWatsonSettings,
)
from volition.decoders.kinematics.regression.regressor import Regressor

_SMOOTHER = "error_"
"""What the names of the arrays of Q's kernel average begin with."""


class DkfSettings(RegressionSettings):
    """Settings of `DkfDecoder`."""

    kind: Literal["dkf"] = "dkf"
    variant: Variant = Field(
        default="standard", description="What is done where Q⁻¹ − S⁻¹ is not positive definite."
    )
    error: Literal["constant", "local"] = Field(
        default="constant", description="Q for all bins, or as it is near the bin's features."
    )
    error_scales: list[float] = Field(
        default=[1.0],
        min_length=1,
        description="Factors for Q; the one that decodes the bins of Q's fit best is kept. Below "
        "1 where the errors of neighbouring bins are alike, which the filter does not know.",
    )


class DkfDecoder(KinematicDecoder[DkfSettings]):
    """Decodes a velocity by the discriminative Kalman filter."""

    settings_model: ClassVar[type[Settings]] = DkfSettings
    fitted_settings: ClassVar[tuple[str, ...]] = ("features", "regression", "error")

    @classmethod
    def fit(
        cls,
        settings: DkfSettings,
        features: FloatArray,
        velocities: FloatArray,
        *,
        positions: FloatArray | None = None,  # noqa: ARG003 - the contract's; here velocities do
        trials: Array | None = None,
    ) -> FittedModel:
        """Fit the dynamics, the regression and its errors; see `KinematicDecoder.fit`."""
        check_training(features, velocities, trials, least=40)
        feature_map = FeatureMap.fit(features, settings.features, velocities)
        rows = feature_map.rows(features)
        state_mean = velocities.mean(axis=0)
        states = velocities - state_mean
        follows = follows_of(len(states), trials)
        A, W = fit_dynamics(states, follows)
        regressor, predicted, seen = fit_regression(settings, rows, states)
        errors = states[seen] - predicted
        start_mean, start_covariance = fit_start(states, follows)
        arrays: dict[str, Array] = {
            **feature_map.arrays(),
            **regressor.arrays(),
            "state_mean": state_mean,
            "A": A,
            "W": W,
            "S": made_definite(states.T @ states / len(states)),
            "Q": made_definite(errors.T @ errors / len(errors)),
            "start_mean": start_mean,
            "start_covariance": start_covariance,
        }
        if trials is None:  # the paper's start: f and Q of the first bin
            arrays["start_mean"], arrays["start_covariance"] = np.zeros(len(A)), arrays["S"]
        if settings.error == "local":
            smoother = _fit_errors(rows[seen], errors)
            arrays |= {_SMOOTHER + name: array for name, array in smoother.arrays().items()}
        scale = 1.0
        if len(settings.error_scales) > 1:
            scale = _best_scale(
                settings.error_scales, arrays, predicted, states[seen], follows[seen]
            )
        else:
            scale = settings.error_scales[0]
        arrays["error_scale"] = np.array(scale)
        facts = {
            "settings": settings.model_dump(mode="json"),
            "n_bins": len(rows),
            "n_bins_of_errors": len(errors),
            "nrmse_of_f": metrics.nrmse(states[seen], predicted),
        }
        return FittedModel(settings.kind, arrays, facts)

    def follower(self, n_features: int) -> tuple[Follower, int]:
        feature_map = self.feature_map(n_features)
        regression = REGRESSORS[self.settings.regression.kind]
        state_mean = self.parameter("state_mean", (None,))
        n = len(state_mean)
        scale = float(self.parameter("error_scale", ()))
        smoother: NadarayaWatson | None = None
        if self.settings.error == "local":
            smoother = NadarayaWatson.load(
                lambda name, shape: self.parameter(_SMOOTHER + name, shape), feature_map.n_outputs
            )
        recursion = DiscriminativeRecursion(
            self.parameter("A", (n, n)),
            self.parameter("W", (n, n)),
            self.parameter("S", (n, n)),
            start_mean=self.parameter("start_mean", (n,)),
            start_covariance=self.parameter("start_covariance", (n, n)),
            variant=self.settings.variant,
            constant_Q=scale * self.parameter("Q", (n, n)) if smoother is None else None,
        )
        follower = DkfFollower(
            feature_map.stream(),
            regression.load(self.parameter, feature_map.n_outputs),
            recursion,
            state_mean,
            smoother=smoother,
            error_scale=scale,
        )
        return follower, n


class DkfFollower:
    """Prepares features, asks the regression and runs the recursion on its answer."""

    position: FloatArray | None = None

    def __init__(
        self,
        features: FeatureStream,
        regressor: Regressor,
        recursion: DiscriminativeRecursion,
        state_mean: FloatArray,
        *,
        smoother: NadarayaWatson | None,
        error_scale: float,
    ) -> None:
        self._features = features
        self._regressor = regressor
        self._recursion = recursion
        self._state_mean = state_mean
        self._smoother = smoother
        self._scale = error_scale

    @property
    def velocity(self) -> FloatArray:
        velocity: FloatArray = self._recursion.mean + self._state_mean
        return velocity

    @property
    def covariance(self) -> FloatArray:
        return self._recursion.covariance

    def step(self, features: FloatArray | None) -> bool:
        row = self._features.push(features)
        if row is None:
            self._recursion.step(None)
            return False
        f = self._regressor.predict_row(row)
        if self._smoother is None:
            self._recursion.step(f)
        else:
            Q = self._smoother.predict_row(row).reshape(len(f), len(f))
            self._recursion.step(f, self._scale * Q)
        return True

    def see(self, position: list[float]) -> None:
        """Make nothing of it."""

    def resume(self, other: DkfFollower) -> None:
        mean = other._recursion.mean + other._state_mean - self._state_mean
        self._recursion.resume(mean, other._recursion.covariance)
        self._features.resume(other._features)

    def restart(self) -> None:
        self._recursion.restart()

    def reset(self) -> None:
        self._recursion.restart()
        self._features.reset()

    def state(self) -> dict[str, Any]:
        recursion = self._recursion
        gain = recursion.gain
        return {
            "mean": (recursion.mean + self._state_mean).tolist(),
            "covariance": recursion.covariance.tolist(),
            "gain": None if gain is None else gain.tolist(),
            "replaced": recursion.replaced,
            **surprise_state(recursion.surprise()),
        }


def _fit_errors(rows: FloatArray, errors: FloatArray) -> NadarayaWatson:
    """Fit Q(x): a kernel average of the outer products of the errors near x."""
    products = np.einsum("ti,tj->tij", errors, errors).reshape(len(errors), -1)
    return NadarayaWatson.fit(rows, products, NadarayaWatsonSettings())


def _best_scale(
    scales: list[float],
    arrays: dict[str, Array],
    predicted: FloatArray,
    states: FloatArray,
    follows: Array,
) -> float:
    """Give the factor for a constant Q with the least `metrics.loss`."""
    losses = []
    for scale in scales:
        recursion = DiscriminativeRecursion(
            arrays["A"],
            arrays["W"],
            arrays["S"],
            start_mean=arrays["start_mean"],
            start_covariance=arrays["start_covariance"],
            constant_Q=scale * arrays["Q"],
        )
        decoded = np.empty_like(states)
        for index, f in enumerate(predicted):
            if not follows[index]:
                recursion.restart()
            recursion.step(f)
            decoded[index] = recursion.mean
        losses.append(metrics.loss(states, decoded))
    return scales[int(np.argmin(losses))]
