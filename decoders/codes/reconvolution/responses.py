"""Learning the responses: canonical correlation between the signal and the events.

The signal X (channels by samples) is taken for a sum over events of responses that are the same for
every item, so that items that were never looked at are known too (Thielen et al., PLoS ONE
10:e0133797, 2015; J. Neural Eng. 18:056007, 2021). All that is learned rests on sums over samples:
X X', X M' and M M', with M the events at their lags, and the signal's own covariances over time.
Sums of trials add up, so that a trial is left out, or added while a person spells, without going
through the others again.

The noise of an EEG falls with frequency. A short filter over time, learned from the signal behind
each spatial filter, makes it white; the responses pass the same filter. Correlation then is the
matched filter's, which raised the share of right items of the data set cvep_thielen2021, on which
it was chosen.
"""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np
import scipy

from volition.chunk import FloatArray

#: Added to the covariances' diagonals, as a share of their mean.
RIDGE = 1e-3
#: The same for the covariances over time.
_WHITE_RIDGE = 1e-4


class Sums(NamedTuple):
    """Sums over the samples of trials.

    Attributes
    ----------
    xx : ndarray, shape (n_channels, n_channels)
    xm : ndarray, shape (n_channels, n_events)
        Events at their lags: ``n_kinds * n_lags``.
    mm : ndarray, shape (n_events, n_events)
    over_time : ndarray, shape (n_delays, n_channels, n_channels)
        Covariance of the signal with itself, delayed by 0, 1, ... samples.
    """

    xx: FloatArray
    xm: FloatArray
    mm: FloatArray
    over_time: FloatArray

    @classmethod
    def of(cls, signal: FloatArray, events: FloatArray, n_delays: int) -> Self:
        """Sum over a trial.

        Parameters
        ----------
        signal : ndarray, shape (n_channels, n_samples)
        events : ndarray, shape (n_events, n_samples)
            As `lagged` gives them.
        n_delays
            Covariances over time that are kept; at least 1.
        """
        n_samples = signal.shape[1]
        over_time = [signal[:, d:] @ signal[:, : n_samples - d].T for d in range(n_delays)]
        return cls(signal @ signal.T, signal @ events.T, events @ events.T, np.array(over_time))

    def plus(self, other: Sums, sign: float = 1.0) -> Sums:
        """Add the sums of other trials, or take them away."""
        return Sums(*(mine + sign * theirs for mine, theirs in zip(self, other, strict=True)))

    def scaled(self, by: float) -> Sums:
        """Give the sums of as many times the trials."""
        return Sums(*(by * one for one in self))


class Responses(NamedTuple):
    """What was learned.

    Attributes
    ----------
    filters : ndarray, shape (n_channels, n_components)
        Over the channels.
    whitening : ndarray, shape (n_components, n_delays)
        Over time: the first tap is 1.
    responses : ndarray, shape (n_kinds, n_lags + n_delays - 1, n_components)
        To each event, behind both filters.
    correlations : ndarray, shape (n_components,)
        Canonical, on what was learned from.
    """

    filters: FloatArray
    whitening: FloatArray
    responses: FloatArray
    correlations: FloatArray


def learn(sums: Sums, n_kinds: int, n_components: int, ridge: float = RIDGE) -> Responses:
    """Find the filters and responses behind which signal and events are most alike."""
    xx, mm = ridged(sums.xx, ridge), ridged(sums.mm, ridge)
    explained = scipy.linalg.solve(mm, sums.xm.T, assume_a="pos")
    values, vectors = scipy.linalg.eigh(sums.xm @ explained, xx)
    filters: FloatArray = vectors[:, ::-1][:, :n_components]
    shapes = (explained @ filters).reshape(n_kinds, -1, filters.shape[1])
    whitening = np.array(
        [_whitening(np.einsum("c,tcd,d->t", one, sums.over_time, one)) for one in filters.T]
    )
    white = np.stack(
        [
            np.apply_along_axis(np.convolve, 1, shapes[:, :, number], taps)
            for number, taps in enumerate(whitening)
        ],
        axis=2,
    )
    correlations = np.sqrt(np.clip(values[::-1][:n_components], 0.0, 1.0))
    return Responses(filters, whitening, white, correlations)


def ridged(covariance: FloatArray, ridge: float = RIDGE) -> FloatArray:
    """Give a covariance that can be inverted."""
    n = len(covariance)
    level = ridge * float(np.trace(covariance)) / n + 1e-300
    result: FloatArray = covariance + level * np.eye(n)
    return result


def _whitening(level: FloatArray) -> FloatArray:
    """Give the prediction-error filter of a signal of this covariance over time."""
    n_taps = len(level) - 1
    if not n_taps or level[0] <= 0:
        nothing: FloatArray = np.concatenate([[1.0], np.zeros(n_taps)])
        return nothing
    column = level[:n_taps].copy()
    column[0] += _WHITE_RIDGE * level[0] + 1e-300
    predicted = scipy.linalg.solve_toeplitz(column, level[1:])
    taps: FloatArray = np.concatenate([[1.0], -predicted])
    return taps


class Running:
    """Sums of a growing window, from which its correlation with every item's template follows.

    Parameters
    ----------
    n_items, n_components
        Templates.
    """

    def __init__(self, n_items: int, n_components: int) -> None:
        self._n = 0
        self._s = np.zeros(n_components)
        self._ss = np.zeros(n_components)
        self._t = np.zeros((n_items, n_components))
        self._tt = np.zeros((n_items, n_components))
        self._st = np.zeros((n_items, n_components))

    def add(self, signal: FloatArray, templates: FloatArray) -> None:
        """Add samples.

        Parameters
        ----------
        signal : ndarray, shape (n_components, n_samples)
        templates : ndarray, shape (n_items, n_components, n_samples)
        """
        self._n += signal.shape[1]
        self._s += signal.sum(axis=1)
        self._ss += (signal**2).sum(axis=1)
        self._t += templates.sum(axis=2)
        self._tt += (templates**2).sum(axis=2)
        self._st += np.einsum("ns,kns->kn", signal, templates)

    def scores(self) -> FloatArray:
        """Give each item's score, shape (n_items,).

        The root of the sum over components of the squared correlation, which keeps its sign: like a
        correlation it spreads alike whether it is small or large, as squares do not.
        """
        n = max(self._n, 1)
        power = self._ss - self._s**2 / n
        theirs = self._tt - self._t**2 / n
        both = self._st - self._s * self._t / n
        scale = power * theirs
        squares = np.where(scale > 0, both * np.abs(both) / np.where(scale > 0, scale, 1.0), 0.0)
        total = squares.sum(axis=1)
        result: FloatArray = np.sign(total) * np.sqrt(np.abs(total))
        return result
