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
from pydantic import Field
from scipy.linalg import eigh

from decoders.settings import Settings
from decoders.ssvep.templates import (
    Arrays,
    TemplateDecoder,
    TemplateEstimator,
    TemplateSettings,
    correlations,
    ridged,
)
from streams.chunk import FloatArray


class EtrcaSettings(TemplateSettings):
    """Settings of `EtrcaDecoder` and `ETRCA`."""

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
    _, vectors = eigh(between, ridged(total))
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
        return {"filters": filters, "templates": trials.mean(axis=1).transpose(1, 0, 2, 3)}

    def band_scores(self, arrays: Arrays, window: FloatArray) -> FloatArray:
        filters = arrays["filters"]
        ours = (filters @ window)[:, None]
        theirs = filters[:, None] @ arrays["templates"]
        ours = ours - ours.mean(axis=-1, keepdims=True)
        theirs = theirs - theirs.mean(axis=-1, keepdims=True)
        # A correlation over filters and samples at once: corr2 of the paper.
        n_bands, n_targets = theirs.shape[:2]
        flat = np.broadcast_to(ours, theirs.shape).reshape(n_bands, n_targets, -1)
        return correlations(flat, theirs.reshape(n_bands, n_targets, -1))


class EtrcaDecoder(TemplateDecoder[EtrcaSettings]):
    """Selects the target whose template the window is most like, filtered by all filters."""

    settings_model: ClassVar[type[Settings]] = EtrcaSettings
    estimator = ETRCA
