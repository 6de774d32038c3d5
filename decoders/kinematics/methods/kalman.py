"""The Kalman filter as a cursor decoder: velocity, or position and velocity.

State ``z_t = A z_{t-1} + w`` and features ``x_t = C z_t + q``, both as deviations from their
training means, fitted by least squares (Wu et al., Neural Comput. 18:80-118, 2006). The full
filter updates its covariance in Joseph's form; the steady one uses the gain that the full one
converges to, and is the lightest decoder here. Instead of a fitted model the settings may give
the matrices themselves, so that a filter runs on any signal without a calibration.
"""

from __future__ import annotations

import dataclasses
import itertools
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from volition.chunk import FloatArray
from volition.decoders.contract.settings import Settings
from volition.decoders.contract.trials import PositionTrials
from volition.decoders.fitting.fitted import Array, FittedModel
from volition.decoders.kinematics.decoder import Follower, KinematicDecoder, surprise_state
from volition.decoders.kinematics.features import FeatureMap, FeatureSettings, check_training
from volition.decoders.kinematics.methods.gaussian import (
    fit_dynamics,
    fit_start,
    follows_of,
    made_definite,
)
from volition.decoders.kinematics.methods.recursion import KalmanRecursion
from volition.decoders.kinematics.settings import KinematicSettings
from volition.errors import ConfigError, DecodeError

Matrix = list[list[float]]

#: Blocks of consecutive bins that a choice among delays is made across.
_N_BLOCKS = 4


class KalmanMatrices(BaseModel):
    """A Kalman filter of the velocity, written out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    transition: Matrix = Field(min_length=1, description="A, (n_dimensions, n_dimensions).")
    transition_covariance: Matrix = Field(min_length=1, description="Covariance of w, like A.")
    observation: Matrix = Field(min_length=1, description="C, (n_features, n_dimensions).")
    observation_variance: list[float] = Field(
        min_length=1, description="Variance of each feature's noise, (n_features,)."
    )

    @model_validator(mode="after")
    def _shapes_fit(self) -> KalmanMatrices:
        n, m = len(self.transition), len(self.observation)
        wanted = {"transition": (n, n), "transition_covariance": (n, n), "observation": (m, n)}
        for name, (rows, columns) in wanted.items():
            matrix = getattr(self, name)
            if len(matrix) != rows or any(len(row) != columns for row in matrix):
                raise ValueError(f"{name} must be of {rows} rows of {columns} numbers")
        if len(self.observation_variance) != m or min(self.observation_variance) <= 0:
            raise ValueError(f"observation_variance needs {m} numbers above 0")
        covariance = np.array(self.transition_covariance)
        if not np.allclose(covariance, covariance.T) or np.linalg.eigvalsh(covariance)[0] <= 0:
            raise ValueError("transition_covariance must be symmetric and positive definite")
        return self


class KalmanSettings(KinematicSettings):
    """Settings of `KalmanDecoder`."""

    kind: Literal["kalman"] = "kalman"
    form: Literal["full", "steady"] = Field(
        default="full", description="Covariance updated every bin, or the gain it converges to."
    )
    state: Literal["velocity", "position-velocity", "calibrated"] = Field(
        default="velocity",
        description="What is followed; 'calibrated' follows positions too if the fit knew them.",
    )
    delays: list[Annotated[int, Field(ge=0, le=20)]] = Field(
        default=[0],
        min_length=1,
        description="Bins by which the features lag behind the movement; of several, the fit keeps "
        "the one that decodes best across blocks of its data.",
    )
    sees_cursor: bool = Field(
        default=False,
        description="Take the cursor's position for known, and the position's share in the "
        "features with it (ReFIT); for a state of position and velocity in the full form.",
    )
    matrices: KalmanMatrices | None = Field(
        default=None, description="The filter itself, in place of a fitted model."
    )

    @model_validator(mode="after")
    def _one_source(self) -> KalmanSettings:
        if self.sees_cursor and (self.state != "position-velocity" or self.form != "full"):
            raise ValueError("sees_cursor needs the state position-velocity and the form full")
        if self.matrices is None:
            return self
        if self.model is not None:
            raise ValueError("give either a model or matrices, not both")
        if self.state == "position-velocity" or self.features != FeatureSettings():
            raise ValueError(
                "matrices need the state velocity and features without settings of their own"
            )
        return self


class KalmanDecoder(KinematicDecoder[KalmanSettings]):
    """Decodes a velocity by the Kalman filter."""

    settings_model: ClassVar[type[Settings]] = KalmanSettings

    @property
    def needs_model(self) -> bool:
        return self.settings.matrices is None

    @classmethod
    def trials(cls, settings: KalmanSettings) -> PositionTrials:
        found = super().trials(settings)
        if settings.state != "position-velocity" or settings.sees_cursor:
            return found
        return dataclasses.replace(
            found,
            unguidable="a cursor that is helped is not where a filter of position and velocity "
            "believes: set sees_cursor: true, or state: velocity",
        )

    @classmethod
    def fit(
        cls,
        settings: KalmanSettings,
        features: FloatArray,
        velocities: FloatArray,
        *,
        positions: FloatArray | None = None,
        trials: Array | None = None,
    ) -> FittedModel:
        """Fit A, C and the covariances; see `KinematicDecoder.fit`.

        The step from one trial's last bin to the next one's first is left out of the dynamics.
        """
        check_training(features, velocities, trials, least=8 * velocities.shape[-1] + 2)
        states = _states(settings, velocities, positions)
        feature_map = FeatureMap.fit(features, settings.features, velocities)
        delay = settings.delays[0]
        if len(settings.delays) > 1:
            delay = _best_delay(settings, feature_map, features, states, trials)
        feature_map = dataclasses.replace(feature_map, delay=delay)
        arrays: dict[str, Array] = {
            **feature_map.arrays(),
            "has_position": np.array(states.shape != velocities.shape),
            **_fit_filter(feature_map.rows(features), states, follows_of(len(states), trials)),
        }
        facts = {"settings": settings.model_dump(mode="json"), "n_bins": len(states)}
        return FittedModel(settings.kind, arrays, facts)

    def follower(self, n_features: int) -> tuple[Follower, int]:
        if self.settings.matrices is not None:
            return self._given(self.settings.matrices, n_features)
        feature_map = self.feature_map(n_features)
        n_rows = feature_map.n_outputs
        state_mean = self.parameter("state_mean", (None,))
        n = len(state_mean)
        has_position = bool(self.parameter("has_position", ()))
        A, W = self.parameter("A", (n, n)), self.parameter("W", (n, n))
        if self.settings.sees_cursor and has_position:
            A, W = _as_cursors_move(A, W, self.bin_s)
        recursion = KalmanRecursion(
            A,
            W,
            self.parameter("C", (n_rows, n)),
            self.parameter("R", (n_rows, n_rows)),
            start_mean=self.parameter("start_mean", (n,)),
            start_covariance=self.parameter("start_covariance", (n, n)),
            steady=self.settings.form == "steady",
        )
        follower = KalmanFollower(
            recursion,
            state_mean,
            has_position=has_position,
            feature_map=feature_map,
            sees_cursor=self.settings.sees_cursor and has_position,
        )
        return follower, n // 2 if has_position else n

    def _given(self, matrices: KalmanMatrices, n_features: int) -> tuple[Follower, int]:
        C = np.array(matrices.observation)
        if n_features != len(C):
            raise ConfigError(
                f"kalman: the matrices are of {len(C)} features, the signal has {n_features} "
                "channels",
                found=n_features,
                allowed=len(C),
            )
        A, W = np.array(matrices.transition), np.array(matrices.transition_covariance)
        n = len(A)
        recursion = KalmanRecursion(
            A,
            W,
            C,
            np.diag(matrices.observation_variance),
            start_mean=np.zeros(n),
            start_covariance=W,
            steady=self.settings.form == "steady",
        )
        return KalmanFollower(recursion, np.zeros(n), has_position=False), n


class KalmanFollower:
    """Prepares features and runs the recursion on them."""

    def __init__(
        self,
        recursion: KalmanRecursion,
        state_mean: FloatArray,
        *,
        has_position: bool,
        feature_map: FeatureMap | None = None,
        sees_cursor: bool = False,
    ) -> None:
        self._recursion = recursion
        self._features = None if feature_map is None else feature_map.stream()
        self._state_mean = state_mean
        self._split = len(state_mean) // 2 if has_position else 0
        self._sees_cursor = sees_cursor
        self._started = False

    @property
    def velocity(self) -> FloatArray:
        velocity: FloatArray = self._recursion.mean + self._state_mean
        return velocity[self._split :]

    @property
    def position(self) -> FloatArray | None:
        if not self._split or self._sees_cursor:
            return None  # the cursor moves by the velocity, and is where it is seen
        split = self._split
        position: FloatArray = self._recursion.mean[:split] + self._state_mean[:split]
        return position

    @property
    def covariance(self) -> FloatArray:
        return self._recursion.covariance

    def step(self, features: FloatArray | None) -> bool:
        row = features if self._features is None else self._features.push(features)
        self._recursion.step(row)
        self._started = True
        return row is not None

    def see(self, position: list[float]) -> None:
        """Take the cursor for where it is: no error in position is left (ReFIT)."""
        if not self._sees_cursor or not self._started:
            return
        split = self._split
        mean, covariance = self._recursion.mean.copy(), self._recursion.covariance.copy()
        mean[:split] = position - self._state_mean[:split]
        covariance[:split] = covariance[:, :split] = 0.0
        self._recursion.resume(mean, covariance)

    def resume(self, other: KalmanFollower) -> None:
        mean = other._recursion.mean + other._state_mean - self._state_mean
        self._recursion.resume(mean, other._recursion.covariance)
        self._started = True
        if self._features is not None and other._features is not None:
            self._features.resume(other._features)

    def restart(self) -> None:
        self._recursion.restart()
        self._started = False

    def reset(self) -> None:
        self.restart()
        if self._features is not None:
            self._features.reset()

    def state(self) -> dict[str, Any]:
        recursion = self._recursion
        return {
            "mean": (recursion.mean + self._state_mean).tolist(),
            "covariance": recursion.covariance.tolist(),
            "gain": recursion.gain.tolist(),
            **surprise_state(recursion.surprise()),
        }


def _as_cursors_move(A: FloatArray, W: FloatArray, bin_s: float) -> tuple[FloatArray, FloatArray]:
    """Let positions move by velocity times the bin's length and by nothing else."""
    split = len(A) // 2
    A, W = A.copy(), W.copy()
    A[:split, :split] = np.eye(split)
    A[:split, split:] = bin_s * np.eye(split)
    A[split:, :split] = 0.0  # where the cursor is does not move it
    W[:split] = W[:, :split] = 0.0
    return A, W


def _states(
    settings: KalmanSettings, velocities: FloatArray, positions: FloatArray | None
) -> FloatArray:
    """Give what is followed: velocities, or positions and velocities side by side."""
    if settings.state == "velocity" or (settings.state == "calibrated" and positions is None):
        return velocities
    if positions is None or positions.shape != velocities.shape:
        raise DecodeError(
            f"a state of position and velocity needs positions of shape {velocities.shape}, found "
            f"{'none' if positions is None else positions.shape}"
        )
    return np.hstack([positions, velocities])


def _fit_filter(rows: FloatArray, kinematics: FloatArray, follows: Array) -> dict[str, Array]:
    """Fit the filter's arrays to prepared rows and the states of the same bins."""
    state_mean = kinematics.mean(axis=0)
    states = kinematics - state_mean
    A, W = fit_dynamics(states, follows)
    C = np.linalg.lstsq(states, rows, rcond=None)[0].T
    residual = rows - states @ C.T
    start_mean, start_covariance = fit_start(states, follows)
    return {
        "state_mean": state_mean,
        "A": A,
        "W": W,
        "C": C,
        "R": made_definite(residual.T @ residual / len(residual)),
        "start_mean": start_mean,
        "start_covariance": start_covariance,
    }


def _best_delay(
    settings: KalmanSettings,
    feature_map: FeatureMap,
    features: FloatArray,
    states: FloatArray,
    trials: Array | None,
) -> int:
    """Give the delay whose filters have the least error in states on blocks left out."""
    follows = follows_of(len(states), trials)
    scale = states.std(axis=0)
    scale[scale == 0] = 1.0
    bounds = np.linspace(0, len(states), _N_BLOCKS + 1).astype(int).tolist()
    losses = []
    for delay in settings.delays:
        rows = dataclasses.replace(feature_map, delay=delay).rows(features)
        loss = 0.0
        for start, stop in itertools.pairwise(bounds):
            learn = np.r_[0:start, stop : len(states)]
            learn_follows = follows[learn]
            learn_follows[0] = False
            if 0 < start < len(learn):
                learn_follows[start] = False  # the bin after the block does not follow its left
            arrays = _fit_filter(rows[learn], states[learn], learn_follows)
            block = slice(start, stop)
            decoded = _decoded(arrays, rows[block], follows[block])
            loss += float((((decoded - states[block]) / scale) ** 2).sum())
        losses.append(loss)
    return settings.delays[int(np.argmin(losses))]


def _decoded(arrays: dict[str, Array], rows: FloatArray, follows: Array) -> FloatArray:
    recursion = KalmanRecursion(
        arrays["A"],
        arrays["W"],
        arrays["C"],
        arrays["R"],
        start_mean=arrays["start_mean"],
        start_covariance=arrays["start_covariance"],
    )
    decoded = np.empty((len(rows), len(arrays["A"])))
    for index, row in enumerate(rows):
        if not follows[index]:
            recursion.restart()
        recursion.step(row)
        decoded[index] = recursion.mean + arrays["state_mean"]
    return decoded
