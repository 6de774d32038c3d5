"""Templates of every item, and the signal behind the learned filters: the same live and offline."""

from __future__ import annotations

import numpy as np

from volition.chunk import FloatArray
from volition.decoders.codes.reconvolution.events import convolved, event_trains
from volition.decoders.codes.reconvolution.responses import Responses
from volition.decoders.codes.reconvolution.settings import ReconvolutionSettings
from volition.decoders.codes.reconvolution.shown import Shown


def templates_between(
    settings: ReconvolutionSettings,
    shown: Shown,
    learned: Responses,
    *,
    start: int,
    stop: int,
    rate_hz: float,
) -> FloatArray:
    """Give what each item's events lead to, samples ``start`` to ``stop`` after the onset.

    Returns
    -------
    ndarray, shape (n_items, n_components, stop - start)
    """
    first = start - learned.responses.shape[1] + 1
    on = shown.between(first - 1, stop)
    trains = event_trains(
        on[:, 1:], on[:, 0], settings.events, settings.short_samples(rate_hz), first
    )
    return convolved(trains, learned.responses)


def whitened(signal: FloatArray, learned: Responses) -> FloatArray:
    """Give the signal behind the filters over channels and time.

    Parameters
    ----------
    signal : ndarray, shape (n_channels, n_delays - 1 + n_samples)

    Returns
    -------
    ndarray, shape (n_components, n_samples)
    """
    rows = learned.filters.T @ signal
    return np.array(
        [np.convolve(row, taps, "valid") for row, taps in zip(rows, learned.whitening, strict=True)]
    )
