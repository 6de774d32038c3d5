"""The classifiers of epochs behind one pair of functions: learn, and score."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from volition.chunk import FloatArray
from volition.decoders.codes.erp.lda import Arrays, learn_lda, score_lda
from volition.decoders.codes.erp.settings import ErpSettings
from volition.decoders.codes.erp.stepwise import learn_stepwise
from volition.decoders.codes.erp.xdawn import learn_xdawn, score_xdawn
from volition.decoders.codes.sequences import BoolArray


def epoch_of(
    samples: FloatArray, settings: ErpSettings, rate_hz: float, limit: FloatArray | None
) -> FloatArray:
    """Give an epoch from the samples of its baseline and window.

    Parameters
    ----------
    samples : ndarray, shape (n_channels, n_baseline + n_samples)
    limit : ndarray, shape (n_channels,)
        No sample is further from 0; None for no limit.

    Returns
    -------
    ndarray, shape (n_channels, n_times)
    """
    if limit is not None:
        samples = np.clip(samples, -limit[:, None], limit[:, None])
    n_baseline, every = settings.baseline_samples(rate_hz), settings.decimation(rate_hz)
    window = samples[:, n_baseline:]
    if n_baseline:
        window = window - samples[:, :n_baseline].mean(axis=1, keepdims=True)
    result: FloatArray = window.reshape(len(window), -1, every).mean(axis=2)
    return result


def _coarse(epochs: FloatArray, coarser: int) -> FloatArray:
    n_epochs, n_channels, n_times = epochs.shape
    result: FloatArray = epochs.reshape(n_epochs, n_channels, n_times // coarser, coarser).mean(
        axis=3
    )
    return result


def learn(settings: ErpSettings, epochs: FloatArray, is_target: BoolArray) -> Arrays:
    """Learn to tell epochs, shape (n_epochs, n_channels, n_times), apart.

    Returns
    -------
    dict of ndarray
        Parameters, by ``lda/...`` and ``xdawn/...``, each with the deviation of its scores.
    """
    found: Arrays = {}
    if settings.classifier in ("lda", "both", "stepwise"):
        coarse = _coarse(epochs, settings.coarser)
        arrays = (
            learn_stepwise(coarse, is_target)
            if settings.classifier == "stepwise"
            else learn_lda(coarse, is_target, toeplitz=settings.block_toeplitz)
        )
        arrays["spread"] = np.array(score_lda(arrays, coarse).std() + 1e-12)
        found |= {f"lda/{name}": array for name, array in arrays.items()}
    if settings.classifier in ("xdawn", "both"):
        arrays = learn_xdawn(epochs, is_target, settings.n_filters)
        arrays["spread"] = np.array(score_xdawn(arrays, epochs).std() + 1e-12)
        found |= {f"xdawn/{name}": array for name, array in arrays.items()}
    return found


class Scorer:
    """What was learned, ready to score.

    Parameters
    ----------
    settings
        Those of the decoder.
    arrays
        What `learn` gave.
    """

    def __init__(self, settings: ErpSettings, arrays: Mapping[str, FloatArray]) -> None:
        self._coarser = settings.coarser
        self._lda = _part(arrays, "lda/")
        self._xdawn = _part(arrays, "xdawn/")

    def scores(self, epochs: FloatArray) -> FloatArray:
        """Give each score of epochs, shape (n_epochs, n_channels, n_times)."""
        total = np.zeros(len(epochs))
        if self._lda:
            total += score_lda(self._lda, _coarse(epochs, self._coarser)) / self._lda["spread"]
        if self._xdawn:
            total += score_xdawn(self._xdawn, epochs) / self._xdawn["spread"]
        return total


def _part(arrays: Mapping[str, FloatArray], prefix: str) -> Arrays:
    return {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }
