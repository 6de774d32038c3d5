"""Task-related component analysis, as an ensemble, over a filter bank.

Each target's filter makes its trials as alike as can be: it maximises the covariance between
trials over that within them (Nakanishi et al., IEEE Trans. Biomed. Eng. 65:104, 2018, equations 7
to 14). The ensemble passes a window and a template through the filters of all targets and
correlates what comes out. With ``n_neighbours`` above 0 a filter is learned from the trials of the
targets nearest in frequency too, which helps where there are two or three trials of each
(multi-stimulus eTRCA: Wong et al., J. Neural Eng. 17:016026, 2020).
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


class EtrcaSettings(TemplateSettings):
    """Settings of `EtrcaDecoder` and `ETRCA`."""

    passed_on: ClassVar[tuple[str, ...]] = (*TemplateSettings.passed_on, *SUB_BANDS)

    kind: Literal["etrca"] = "etrca"
    n_neighbours: int = Field(
        default=0,
        ge=0,
        le=64,
        description="Targets nearest in frequency whose trials help to learn a target's filter.",
    )


def shared_and_total(trials: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Give the covariance between trials and that of all samples.

    Parameters
    ----------
    trials : ndarray, shape (n_trials, ..., n_channels, n_samples)
        Each is centred here.

    Returns
    -------
    S, Q : ndarray, shape (..., n_channels, n_channels)
        Sums over pairs of different trials, and over each with itself.
    """
    centred = trials - trials.mean(axis=-1, keepdims=True)
    total = np.einsum("...ct,...dt->...cd", centred, centred).sum(axis=0)
    summed = centred.sum(axis=0)
    return summed @ np.swapaxes(summed, -1, -2) - total, total


def leading_filter(between: FloatArray, total: FloatArray, n_filters: int = 1) -> FloatArray:
    """Give the vectors that maximise w'Sw / w'Qw, shape (n_filters, n_channels)."""
    _, vectors = scipy.linalg.eigh(between, ridged(total))
    result: FloatArray = vectors[:, ::-1][:, :n_filters].T
    return result


class ETRCA(TemplateEstimator[EtrcaSettings]):
    """The decoder on epochs, as an estimator."""

    least_trials: ClassVar[int] = 3  # covariance between trials needs two that are not left out

    def learned(self, trials: FloatArray) -> Arrays:
        n_targets, _, n_bands = trials.shape[:3]
        sums = [shared_and_total(one) for one in trials]
        freqs_hz = self.settings.freqs_hz
        filters = np.empty((n_bands, n_targets, trials.shape[3]))
        for target in range(n_targets):
            nearest = np.argsort(np.abs(freqs_hz - freqs_hz[target]), kind="stable")
            pooled = nearest[: 1 + self.settings.n_neighbours]
            between = sum(sums[one][0] for one in pooled)
            total = sum(sums[one][1] for one in pooled)
            for band in range(n_bands):
                filters[band, target] = leading_filter(
                    np.asarray(between)[band], np.asarray(total)[band]
                )
        templates = trials.mean(axis=1).transpose(1, 0, 2, 3)
        templates = templates - templates.mean(axis=-1, keepdims=True)
        return {"filters": filters, "templates": templates}

    def band_scores(self, arrays: Arrays, window: FloatArray) -> FloatArray:
        # corr2(W'X, W'M) of the paper, with W W' taken to one side: its rows have no mean, so
        # the product is that of W W' X and M, and no template passes a filter.
        filters, templates = arrays["filters"], arrays["templates"]
        n_bands, n_targets = templates.shape[:2]
        metric = np.swapaxes(filters, 1, 2) @ filters
        ours = window - window.mean(axis=-1, keepdims=True)
        weighed = metric @ ours
        products = templates.reshape(n_bands, n_targets, -1) @ weighed.reshape(n_bands, -1, 1)
        power = (weighed * ours).sum(axis=(1, 2))
        scale = np.sqrt(power[:, None] * self._powers(metric, templates))
        result: FloatArray = np.where(scale > 0, products[..., 0] / np.maximum(scale, 1e-300), 0.0)
        return result

    def _powers(self, metric: FloatArray, templates: FloatArray) -> FloatArray:
        """Give each template's power behind the filters, once for each set of templates."""
        if self._known is None or self._known[0] is not templates:
            powers = np.einsum("btcs,bcd,btds->bt", templates, metric, templates, optimize=True)
            self._known = templates, powers
        return self._known[1]

    _known: tuple[FloatArray, FloatArray] | None = None


class EtrcaDecoder(TemplateDecoder[EtrcaSettings]):
    """Selects the target whose template the window is most like, filtered by all filters."""

    settings_model: ClassVar[type[Settings]] = EtrcaSettings
    estimator = ETRCA
