"""From a bin's raw features to what a kinematic decoder is given: fitted once, then applied.

In order: the features that tell most, where not all are wanted; z-score by the mean and SD of the
training data, unless features come as z-scores; saturation, which costs nothing and takes the
sting out of one wild channel; projection on principal components, each z-scored again; the newest
bins side by side (lags). A bin at the start has zeros, which is the training mean, in place of the
bins before it. A lag that covers a missing bin makes the whole row missing.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from volition.chunk import FloatArray
from volition.decoders.fitting.fitted import Array
from volition.errors import DecodeError

#: Features and velocities beyond this are no measurements, and their squares overflow.
LARGEST = 1e100
#: Velocities that vary by less than this do not vary.
LEAST_MOVEMENT = 1e-100


class FeatureSettings(BaseModel):
    """How a bin's features are prepared."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    standardise: bool = Field(
        default=True,
        description="Learn each feature's mean and SD; false where features come as z-scores.",
    )
    n_best: int | None = Field(
        default=None,
        ge=1,
        description="Number of features to keep, those that tell most of the movement (all, where "
        "there are fewer): by signal-to-noise, the variance that velocity explains over what it "
        "leaves.",
    )
    saturation_sd: float | None = Field(
        default=None, gt=0, description="Clip z-scores at plus and minus this many SD."
    )
    n_components: int | None = Field(
        default=None,
        ge=1,
        description="Number of principal components to keep (all, where there are fewer features).",
    )
    n_lags: int = Field(
        default=1, ge=1, le=100, description="Bins side by side: this one and those before it."
    )
    lag_decay: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="Weight of a bin relative to the one after it, for what compares by distance.",
    )


@dataclass(frozen=True, eq=False)
class FeatureMap:
    """The fitted preparation of features.

    Attributes
    ----------
    mean, scale : ndarray, shape (n_features,)
        Mean and scale of the training data; ``scale`` is 1 where a feature never varied.
    projection : ndarray, shape (n_features, n_components)
        Principal axes, each divided by its SD; None when all features are kept.
    n_given
        How many features a bin comes with.
    kept : ndarray of int, shape (n_kept,)
        Indices of the features that are used; None when all are. ``mean`` and ``scale`` are of
        these.
    delay
        Bins by which all features lag behind the newest bin.
    """

    settings: FeatureSettings
    mean: FloatArray
    scale: FloatArray
    projection: FloatArray | None
    n_given: int
    kept: npt.NDArray[np.intp] | None = None
    delay: int = 0

    @classmethod
    def fit(
        cls, features: FloatArray, settings: FeatureSettings, velocities: FloatArray | None = None
    ) -> FeatureMap:
        """Learn from bins of ``features`` (n_bins, n_features), which hold no NaN.

        ``velocities`` (n_bins, n_dimensions) are needed where only the best features are kept.
        """
        n_given, kept = features.shape[1], None
        if settings.n_best is not None and settings.n_best < features.shape[1]:
            assert velocities is not None
            order = np.argsort(-signal_to_noise(features, velocities), kind="stable")
            kept = np.sort(order[: settings.n_best])
            features = features[:, kept]
        mean, scale = np.zeros(features.shape[1]), np.ones(features.shape[1])
        if settings.standardise:
            mean, scale = features.mean(axis=0), features.std(axis=0)
            scale[scale == 0] = 1.0
        prepared = cls(settings, mean, scale, None, n_given, kept)
        if settings.n_components is None or settings.n_components >= features.shape[1]:
            return prepared
        scores = prepared._scaled(features)
        variances, axes = np.linalg.eigh(np.cov(scores, rowvar=False))
        newest = slice(None, -settings.n_components - 1, -1)
        spread = np.sqrt(np.maximum(variances[newest], np.finfo(float).tiny))
        return cls(settings, mean, scale, axes[:, newest] / spread, n_given, kept)

    @property
    def n_outputs(self) -> int:
        """Length of a prepared row."""
        width = len(self.mean) if self.projection is None else self.projection.shape[1]
        return width * self.settings.n_lags

    def scores(self, features: FloatArray) -> FloatArray:
        """Give picked, z-scored, saturated and projected features, shape (..., n_components)."""
        scores = self._scaled(features if self.kept is None else features[..., self.kept])
        return scores if self.projection is None else scores @ self.projection

    def _scaled(self, features: FloatArray) -> FloatArray:
        scores: FloatArray = (features - self.mean) / self.scale
        limit = self.settings.saturation_sd
        if limit is not None:
            np.clip(scores, -limit, limit, out=scores)
        return scores

    def rows(self, features: FloatArray) -> FloatArray:
        """Prepare a whole recording, (n_bins, n_features) to (n_bins, n_outputs)."""
        scores = self.scores(features)
        n_bins, width = scores.shape
        result = np.zeros((n_bins, self.n_outputs))
        for lag in range(self.settings.n_lags):
            shift = min(lag + self.delay, n_bins)
            result[shift:, lag * width : (lag + 1) * width] = scores[: n_bins - shift]
        return result * self.weights()

    def weights(self) -> FloatArray:
        """Give the weight of each entry of a row, by its lag."""
        lags = np.arange(self.settings.n_lags)
        return np.repeat(self.settings.lag_decay**lags, self.n_outputs // self.settings.n_lags)

    def stream(self) -> FeatureStream:
        """Give what prepares bins one by one."""
        return FeatureStream(self)

    def arrays(self) -> dict[str, Array]:
        """Give the parameters as a model keeps them."""
        found: dict[str, Array] = {
            "feature_mean": self.mean,
            "feature_scale": self.scale,
            "feature_delay": np.array(self.delay),
            "feature_given": np.array(self.n_given),
        }
        if self.projection is not None:
            found["feature_projection"] = self.projection
        if self.kept is not None:
            found["feature_kept"] = self.kept
        return found

    @classmethod
    def load(
        cls,
        parameter: Callable[[str, tuple[int | None, ...]], FloatArray],
        settings: FeatureSettings,
        names: Container[str],
    ) -> FeatureMap:
        """Read it back from a model.

        Parameters
        ----------
        parameter
            `FittedDecoder.parameter`.
        names
            Names of all of the model's arrays.
        """
        mean = parameter("feature_mean", (None,))
        scale = parameter("feature_scale", (len(mean),))
        projection = kept = None
        if "feature_projection" in names:
            projection = parameter("feature_projection", (len(mean), None))
        if "feature_kept" in names:
            kept = parameter("feature_kept", (len(mean),)).astype(np.intp)
        delay, n_given = (int(parameter(f"feature_{name}", ())) for name in ("delay", "given"))
        return cls(settings, mean, scale, projection, n_given, kept, delay)


class FeatureStream:
    """Prepares bins one by one, with the same result as `FeatureMap.rows`."""

    def __init__(self, fitted: FeatureMap) -> None:
        self._map = fitted
        n_lags = fitted.settings.n_lags
        # Newest first; the row is what lies behind the delay.
        self._history = np.zeros((fitted.delay + n_lags, fitted.n_outputs // n_lags))
        self._flat = self._history[fitted.delay :].reshape(-1)
        self._weights = None if fitted.settings.lag_decay == 1 else fitted.weights()
        self._bins_until_whole = 0

    def reset(self) -> None:
        self._history[...] = 0.0
        self._bins_until_whole = 0

    def resume(self, other: FeatureStream) -> None:
        """Take over the newest bins that another stream holds, where it holds the like."""
        if other._history.shape == self._history.shape:
            self._history[...] = other._history
            self._bins_until_whole = other._bins_until_whole

    def push(self, features: FloatArray | None) -> FloatArray | None:
        """Take the next bin, None if it is missing; give its row, None if that is missing.

        The row is a view that the next call overwrites.
        """
        history = self._history
        if len(history) > 1:
            history[1:] = history[:-1]
        if features is None:
            history[0] = 0.0
            self._bins_until_whole = len(history)
            return None
        history[0] = self._map.scores(features)
        if self._bins_until_whole:
            self._bins_until_whole -= 1
            if self._bins_until_whole:
                return None
        return self._flat if self._weights is None else self._flat * self._weights


def signal_to_noise(features: FloatArray, velocities: FloatArray) -> FloatArray:
    """Give, for each feature, the variance that velocity explains over what it leaves.

    Parameters
    ----------
    features : ndarray, shape (n_bins, n_features)
    velocities : ndarray, shape (n_bins, n_dimensions)
    """
    centred = features - features.mean(axis=0)
    moved = velocities - velocities.mean(axis=0)
    explained = moved @ np.linalg.lstsq(moved, centred, rcond=None)[0]
    left = (centred - explained).var(axis=0)
    ratio: FloatArray = np.divide(
        explained.var(axis=0), left, out=np.zeros(features.shape[1]), where=left > 0
    )
    return ratio


def check_training(
    features: FloatArray, velocities: FloatArray, trials: Array | None, least: int
) -> None:
    """Raise `DecodeError` unless these can be fitted on.

    Parameters
    ----------
    features : ndarray, shape (n_bins, n_features)
    velocities : ndarray, shape (n_bins, n_dimensions)
    trials : ndarray, shape (n_bins,)
        Number of the trial that each bin belongs to; None when all follow each other.
    least
        Fewest bins allowed.
    """
    n_bins = len(features)
    shapes = features.ndim == velocities.ndim == 2 and len(velocities) == n_bins
    if not shapes or (trials is not None and trials.shape != (n_bins,)):
        raise DecodeError(
            "a fit needs features (n_bins, n_features), velocities (n_bins, n_dimensions) and, if "
            f"any, trials (n_bins,); found {features.shape}, {velocities.shape}"
            + ("" if trials is None else f", {trials.shape}")
        )
    if n_bins < least:
        raise DecodeError(
            f"a fit on {features.shape[1]} features needs at least {least} bins, found {n_bins}",
            found=n_bins,
            allowed_from=least,
        )
    if not (np.isfinite(features).all() and np.isfinite(velocities).all()):
        raise DecodeError("a fit needs bins without missing samples; leave those with NaN out")
    largest = max(float(np.abs(features).max(initial=0.0)), float(np.abs(velocities).max()))
    if largest > LARGEST:
        raise DecodeError(
            f"a fit needs features and velocities of at most {LARGEST:g}, found {largest:g}",
            found=largest,
            allowed_to=LARGEST,
        )
    moved = velocities - velocities.mean(axis=0)
    if float(np.abs(moved).max(initial=0.0)) < LEAST_MOVEMENT:
        moved = np.zeros_like(moved)  # squares of it would vanish
    n_moved = int(np.linalg.matrix_rank(moved))
    if n_moved < velocities.shape[1]:
        raise DecodeError(
            f"a fit needs velocities that vary in all of their {velocities.shape[1]} dimensions, "
            f"found {n_moved}",
            found=n_moved,
            allowed_from=velocities.shape[1],
        )
