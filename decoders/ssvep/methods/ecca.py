"""Extended canonical correlation analysis: sines and a target's own template together.

Chen et al., PNAS 112:E6058, 2015 (equations in its supplement; Nakanishi et al., PLoS ONE
10:e0140703, 2015). For a window X, a target's template M (the mean of its trials) and its sines Y,
with w(A, B) the first canonical vector of A with B, the score is the sum of sign(r) r^2 over

- r1, the canonical correlation of X and Y;
- r2, the correlation of w(X, M)'X and w(X, M)'M;
- r3, the same with w(X, Y), and r4 with w(M, Y).
"""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np

from volition.chunk import FloatArray
from volition.decoders.contract.settings import Settings
from volition.decoders.ssvep.settings import SUB_BANDS
from volition.decoders.ssvep.templates import (
    Arrays,
    TemplateDecoder,
    TemplateEstimator,
    TemplateSettings,
    correlations,
    ridged,
)


class EccaSettings(TemplateSettings):
    """Settings of `EccaDecoder` and `ECCA`."""

    passed_on: ClassVar[tuple[str, ...]] = (*TemplateSettings.passed_on, *SUB_BANDS)

    kind: Literal["ecca"] = "ecca"


def whitener(window: FloatArray) -> FloatArray:
    """Give W with W X X' W' = 1 for centred X (..., n_channels, n_samples)."""
    covariance = ridged(window @ np.swapaxes(window, -1, -2))
    result: FloatArray = np.linalg.inv(np.linalg.cholesky(covariance))
    return result


def canonical(whitening: FloatArray, ours: FloatArray, theirs: FloatArray) -> FloatArray:
    """Give the first canonical vector of ``ours``, shape (..., n_channels).

    Parameters
    ----------
    whitening : ndarray, shape (..., n_channels, n_channels)
        `whitener` of ``ours``.
    ours, theirs : ndarray, shape (..., n, n_samples)
        The rows of ``theirs`` are orthonormal.
    """
    cross = (whitening @ ours) @ np.swapaxes(theirs, -1, -2)
    _, vectors = np.linalg.eigh(cross @ np.swapaxes(cross, -1, -2))
    result: FloatArray = (np.swapaxes(whitening, -1, -2) @ vectors[..., -1:])[..., 0]
    return result


class ECCA(TemplateEstimator[EccaSettings]):
    """The decoder on epochs, as an estimator."""

    def learned(self, trials: FloatArray) -> Arrays:
        templates = trials.mean(axis=1).transpose(1, 0, 2, 3)
        templates = templates - templates.mean(axis=-1, keepdims=True)
        whitening = whitener(templates)
        basis = self.basis(templates.shape[-1])
        return {
            "templates": templates,
            "whitened": whitening @ templates,
            "by_template": canonical(whitening, templates, basis),
        }

    def band_scores(self, arrays: Arrays, window: FloatArray) -> FloatArray:
        ours = (window - window.mean(axis=-1, keepdims=True))[:, None]
        templates = arrays["templates"]
        basis = self.basis(window.shape[-1])
        whitening = whitener(ours)
        by_sines = canonical(whitening, ours, basis)
        by_both = canonical(whitening, ours, arrays["whitened"])
        seen = _through(by_sines, ours)
        # The canonical correlation: of what the filter sees, how much its sines explain.
        explained = ((seen[:, :, None] * basis).sum(axis=-1) ** 2).sum(axis=-1)
        power = (seen**2).sum(axis=-1)
        total: FloatArray = np.clip(explained / np.where(power > 0, power, 1.0), 0.0, 1.0)
        for one in (by_both, by_sines, arrays["by_template"]):
            r = correlations(_through(one, ours), _through(one, templates))
            total = total + np.sign(r) * r**2
        return total


def _through(filters: FloatArray, windows: FloatArray) -> FloatArray:
    """Give filters (..., n_channels) of windows (..., n_channels, n_samples)."""
    seen: FloatArray = (filters[..., None, :] @ windows)[..., 0, :]
    return seen


class EccaDecoder(TemplateDecoder[EccaSettings]):
    """Selects the target whose sines and template the window follows most."""

    settings_model: ClassVar[type[Settings]] = EccaSettings
    estimator = ECCA
