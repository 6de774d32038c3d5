"""Task-discriminant component analysis: one set of filters for all targets.

Liu et al., IEEE Trans. Neural Syst. Rehabil. Eng. 29:1998, 2021. A window is stacked with itself
delayed by one to ``n_delays`` samples, and joined in time with its projection on a target's sines;
two-dimensional linear discriminant analysis then finds the filters that tell the targets apart
best. A window is scored by its correlation with each target's template, filtered.

The paper trains on trials that are ``n_delays`` samples longer and pads the test window with
zeros. Here both are padded, so that a decision waits for no sample beyond its window.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
import scipy
from pydantic import Field

from volition.chunk import FloatArray
from volition.decoders.contract.settings import Settings
from volition.decoders.ssvep.settings import SUB_BANDS
from volition.decoders.ssvep.templates import (
    Arrays,
    TemplateDecoder,
    TemplateEstimator,
    TemplateSettings,
    ridged,
)


class TdcaSettings(TemplateSettings):
    """Settings of `TdcaDecoder` and `TDCA`."""

    passed_on: ClassVar[tuple[str, ...]] = (*TemplateSettings.passed_on, *SUB_BANDS)

    kind: Literal["tdca"] = "tdca"
    n_delays: int = Field(default=5, ge=0, le=50, description="Delayed copies, one sample apart.")
    n_components: int = Field(default=8, ge=1, le=64, description="Filters that are kept.")


def delayed(windows: FloatArray, n_delays: int) -> FloatArray:
    """Stack windows (..., n_channels, n_samples) with themselves, ever later samples first.

    Returns
    -------
    ndarray, shape (..., n_channels * (n_delays + 1), n_samples)
        What lies beyond the end is 0.
    """
    centred = windows - windows.mean(axis=-1, keepdims=True)
    copies = [centred]
    for delay in range(1, n_delays + 1):
        copy = np.zeros_like(centred)
        copy[..., :-delay] = centred[..., delay:]
        copies.append(copy)
    return np.concatenate(copies, axis=-2)


def augmented(stacked: FloatArray, basis: FloatArray) -> FloatArray:
    """Join each window with its projection on orthonormal rows ``basis``, in time."""
    projected = (stacked @ np.swapaxes(basis, -1, -2)) @ basis
    same = np.broadcast_to(stacked, projected.shape)
    return np.concatenate([same, projected], axis=-1)


class TDCA(TemplateEstimator[TdcaSettings]):
    """The decoder on epochs, as an estimator."""

    least_trials: ClassVar[int] = 3  # what lies within a target needs two that are not left out

    def learned(self, trials: FloatArray) -> Arrays:
        n_targets, n_trials, n_bands, _, n_samples = trials.shape
        basis = self.basis(n_samples)
        filters, templates = [], []
        for band in range(n_bands):
            stacked = delayed(trials[:, :, band], self.settings.n_delays)
            joined = augmented(stacked, basis[:, None])
            means = joined.mean(axis=1)
            apart = means - means.mean(axis=0)
            between = np.einsum("kct,kdt->cd", apart, apart) / n_targets
            within = np.zeros_like(between)
            for target in range(n_targets):
                away = joined[target] - means[target]
                within += np.einsum("nct,ndt->cd", away, away) / (n_targets * n_trials)
            _, vectors = scipy.linalg.eigh(between, ridged(within))
            kept = vectors[:, ::-1][:, : self.settings.n_components].T
            filters.append(kept)
            templates.append(kept @ means)
        return {"filters": np.array(filters), "templates": np.array(templates)}

    def band_scores(self, arrays: Arrays, window: FloatArray) -> FloatArray:
        # A template's projected half is its own projection, so the window's product with it is
        # that of the window as it is: only the power of each projection is worked out.
        templates = arrays["templates"]
        n_bands, n_targets, n_filters, twice = templates.shape
        n = twice // 2
        seen = arrays["filters"] @ delayed(window, self.settings.n_delays)
        halves = (templates[..., :n] + templates[..., n:]).reshape(n_bands, n_targets, -1)
        products = (halves @ seen.reshape(n_bands, -1, 1))[..., 0]
        onto = seen @ self.basis(n).reshape(-1, n).T
        projected = (onto.reshape(n_bands, n_filters, n_targets, -1) ** 2).sum(axis=(1, 3))
        size = n_filters * twice
        mean = seen.sum(axis=(1, 2))[:, None] / size  # projections have no mean
        means = templates.mean(axis=(2, 3))
        power = (seen**2).sum(axis=(1, 2))[:, None] + projected - size * mean**2
        powers = (templates**2).sum(axis=(2, 3)) - size * means**2
        scale = np.sqrt(np.maximum(power * powers, 0.0))
        centred = products - size * mean * means
        result: FloatArray = np.where(scale > 0, centred / np.maximum(scale, 1e-300), 0.0)
        return result


class TdcaDecoder(TemplateDecoder[TdcaSettings]):
    """Selects the target whose template the window is most like, seen by the shared filters."""

    settings_model: ClassVar[type[Settings]] = TdcaSettings
    estimator = TDCA
