"""What happens in a code: the events whose responses add up to the response to all of it.

Events are found in the codes as they were shown, sample by sample: ``rise`` and ``fall`` where an
item turns on and off, ``short`` and ``long`` where it turns on for one step or for more, ``onset``
where an attempt begins (all of the display starts then, whatever the item).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from volition.chunk import FloatArray
from volition.decoders.codes.sequences import BoolArray

EventKind = Literal["rise", "fall", "short", "long", "onset"]


def event_trains(
    on: BoolArray, before: BoolArray, kinds: Sequence[EventKind], short_samples: float, first: int
) -> FloatArray:
    """Give where each kind of event is.

    Parameters
    ----------
    on : ndarray of bool, shape (n_items, n_samples)
        Which items are on. A flash that is on at the end counts as long as it is seen.
    before : ndarray of bool, shape (n_items,)
        Which were on at the sample before.
    kinds
        Events that are looked for.
    short_samples
        Most samples of a short flash.
    first
        Number of the first sample, counted from the onset.

    Returns
    -------
    ndarray, shape (n_items, n_kinds, n_samples)
        1 where one is, else 0.
    """
    past = np.concatenate([before[:, None], on[:, :-1]], axis=1)
    rises, falls = on & ~past, past & ~on
    trains = np.zeros((len(on), len(kinds), on.shape[1]))
    is_short = _is_short(on, rises, short_samples) if {"short", "long"} & {*kinds} else rises
    for place, kind in enumerate(kinds):
        if kind == "rise":
            trains[:, place] = rises
        elif kind == "fall":
            trains[:, place] = falls
        elif kind == "short":
            trains[:, place] = rises & is_short
        elif kind == "long":
            trains[:, place] = rises & ~is_short
        elif first <= 0 < first + on.shape[1]:
            trains[:, place, -first] = 1.0
    return trains


def _is_short(on: BoolArray, rises: BoolArray, short_samples: float) -> BoolArray:
    """Say of each rise whether the flash that begins there is short."""
    # How long each flash goes on from a sample on, counted from the end.
    lasts = np.zeros(on.shape, dtype=np.int64)
    running = np.zeros(len(on), dtype=np.int64)
    for sample in range(on.shape[1] - 1, -1, -1):
        running = np.where(on[:, sample], running + 1, 0)
        lasts[:, sample] = running
    result: BoolArray = rises & (lasts <= short_samples)
    return result


def lagged(trains: FloatArray, n_lags: int) -> FloatArray:
    """Give one item's events at each lag: the rows that responses weigh.

    Parameters
    ----------
    trains : ndarray, shape (n_kinds, n_samples)
    n_lags
        Samples of a response.

    Returns
    -------
    ndarray, shape (n_kinds * n_lags, n_samples)
    """
    n_kinds, n_samples = trains.shape
    rows = np.zeros((n_kinds, n_lags, n_samples))
    for lag in range(min(n_lags, n_samples)):
        rows[:, lag, lag:] = trains[:, : n_samples - lag]
    return rows.reshape(n_kinds * n_lags, n_samples)


def convolved(trains: FloatArray, responses: FloatArray) -> FloatArray:
    """Give the response to events that have all lags behind them.

    Parameters
    ----------
    trains : ndarray, shape (n_items, n_kinds, n_lags - 1 + n_samples)
        Events from ``n_lags - 1`` samples before the first that is wanted.
    responses : ndarray, shape (n_kinds, n_lags, n_components)

    Returns
    -------
    ndarray, shape (n_items, n_components, n_samples)
    """
    n_lags = responses.shape[1]
    windows = np.lib.stride_tricks.sliding_window_view(trains, n_lags, axis=2)
    reversed_in_time = responses[:, ::-1]
    result: FloatArray = np.einsum("kesl,eln->kns", windows, reversed_in_time, optimize=True)
    return result
