"""Kalman models that learn while they are used: closed-loop decoder adaptation.

What a person does with a cursor differs from what was recorded while they watched one, so the
observation model is learned again from what they do, labelled by what they surely meant
(`intended_velocities`); the dynamics stay (Gilja et al., Nat. Neurosci. 15:1752-1757, 2012).
`SmoothBatch` blends in each batch by its length over a half-life (Orsborn et al., IEEE TNSRE
20:468-477, 2012); `RecursiveLikelihood` keeps sums that fade bin by bin and gives a model at any
time. Both make new models and change none; a running decoder takes one up by its ``adopt``.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from volition.chunk import FloatArray
from volition.decoders.fitting.fitted import Array, FittedModel
from volition.decoders.kinematics.features import FeatureMap, check_training
from volition.decoders.kinematics.methods.gaussian import made_definite, stationary
from volition.decoders.kinematics.methods.kalman import KalmanSettings
from volition.errors import DecodeError


class _Observed:
    """A Kalman model of velocities, seen as its observation part and the rest."""

    def __init__(self, model: FittedModel) -> None:
        self.settings = KalmanSettings.model_validate(model.facts["settings"])
        arrays = model.arrays
        if model.kind != "kalman" or bool(arrays["has_position"]):
            raise DecodeError("adaptation is of a Kalman filter's model whose state is a velocity")
        self.model = model
        self.features = FeatureMap.load(
            lambda name, _: np.asarray(arrays[name], dtype=np.float64),
            self.settings.features,
            arrays,
        )

    def states(self, intended: FloatArray) -> FloatArray:
        states: FloatArray = intended - self.model.arrays["state_mean"]
        return states

    def with_observation(
        self, C: FloatArray, R: FloatArray, n_bins: int, features: FeatureMap | None = None
    ) -> FittedModel:
        arrays: dict[str, Array] = {**self.model.arrays, "C": C, "R": made_definite(R)}
        if features is not None:
            arrays |= features.arrays()
        facts = {
            **self.model.facts,
            "adapted_from": self.model.version,
            "n_bins": int(self.model.facts["n_bins"]) + n_bins,
        }
        return FittedModel(self.model.kind, arrays, facts)


class SmoothBatch:
    """Blends a batch's observation model into the one before it.

    ``C ← ρ C + (1 − ρ) Ĉ``, and R and the features' means and SDs likewise, with ``ρ =
    0.5^(batch / half-life)``.

    Parameters
    ----------
    model
        To begin with; `model` is always the newest.
    half_life_s
        Length of data after which the old model counts half. Batches of 10 to 80 s and half-lives
        of 60 to 120 s are usual.
    """

    def __init__(self, model: FittedModel, half_life_s: float) -> None:
        self.model = model
        self._half_life_s = half_life_s

    def update(self, features: FloatArray, intended: FloatArray, bin_s: float) -> FittedModel:
        """Take the next batch; give the new model.

        Parameters
        ----------
        features : ndarray, shape (n_bins, n_features)
        intended : ndarray, shape (n_bins, n_dimensions)
            Velocity that was meant.
        bin_s
            Length of a bin.

        Raises
        ------
        DecodeError
            The batch cannot be fitted on, or the model is none that this can adapt.
        """
        observed = _Observed(self.model)
        check_training(features, intended, None, least=4 * intended.shape[1] + 2)
        keep = 0.5 ** (len(features) * bin_s / self._half_life_s)
        feature_map = _blended(observed.features, features, keep)
        rows, states = feature_map.rows(features), observed.states(intended)
        C = np.linalg.lstsq(states, rows, rcond=None)[0].T
        residual = rows - states @ C.T
        R = residual.T @ residual / len(residual)
        old = self.model.arrays
        self.model = observed.with_observation(
            keep * old["C"] + (1 - keep) * C,
            keep * old["R"] + (1 - keep) * R,
            len(features),
            feature_map,
        )
        return self.model


class RecursiveLikelihood:
    """Keeps what a maximum-likelihood fit needs, as sums in which older bins fade.

    With ``Σ z zᵀ``, ``Σ x zᵀ``, ``Σ x xᵀ`` and a count, each multiplied by ``0.5^(bin /
    half-life)`` every bin: ``C = Σ x zᵀ (Σ z zᵀ)⁻¹`` and ``R = (Σ x xᵀ − C Σ z xᵀ) / n`` (Dangi et
    al., Neural Comput. 26:1811-1839, 2014).

    Parameters
    ----------
    model
        To begin with. It counts as ``weight_s`` of data.
    half_life_s, bin_s
        Half-life of the sums, and length of a bin.
    weight_s
        How much data the first model stands for.
    """

    def __init__(
        self, model: FittedModel, half_life_s: float, bin_s: float, *, weight_s: float = 60.0
    ) -> None:
        self._observed = _Observed(model)
        self._fade = 0.5 ** (bin_s / half_life_s)
        arrays = model.arrays
        self._count = weight_s / bin_s
        self._zz: FloatArray = self._count * stationary(arrays["A"], arrays["W"])
        self._xz: FloatArray = arrays["C"] @ self._zz
        self._xx: FloatArray = self._count * arrays["R"] + self._xz @ arrays["C"].T
        self._stream = self._observed.features.stream()
        self._n_bins = 0

    def update(self, features: FloatArray, intended: FloatArray) -> None:
        """Take the next bins, of shape (n_bins, n_features) and (n_bins, n_dimensions).

        Bins with a missing feature are left out.
        """
        for given, z in zip(features, self._observed.states(intended), strict=True):
            row = self._stream.push(given if np.isfinite(given).all() else None)
            if row is None:
                continue
            fade = self._fade
            self._zz = fade * self._zz + np.outer(z, z)
            self._xz = fade * self._xz + np.outer(row, z)
            self._xx = fade * self._xx + np.outer(row, row)
            self._count = fade * self._count + 1.0
            self._n_bins += 1

    def model(self) -> FittedModel:
        """Give the model of the sums as they are."""
        C: FloatArray = np.linalg.solve(made_definite(self._zz), self._xz.T).T.astype(np.float64)
        R: FloatArray = (self._xx - C @ self._xz.T) / self._count
        return self._observed.with_observation(C, R, self._n_bins)


def _blended(old: FeatureMap, features: FloatArray, keep: float) -> FeatureMap:
    """Move the features' means and SDs towards a batch's, where they are learned at all."""
    if not old.settings.standardise:
        return old
    used = features if old.kept is None else features[:, old.kept]
    spread = used.std(axis=0)
    spread[spread == 0] = old.scale[spread == 0]
    return dataclasses.replace(
        old,
        mean=keep * old.mean + (1 - keep) * used.mean(axis=0),
        scale=keep * old.scale + (1 - keep) * spread,
    )
