"""A filter over the channels that a person's own signal teaches, though nobody says its target.

Canonical correlation chooses a filter over the channels for each window anew, and in a short one it
finds much that is chance. A person's response hardly moves on the scalp, so one filter serves all
of their windows: for each sub-band w maximising sum a w'X P X'w over sum a w'X X'w, where X is a
window of power one, P the projection onto the sines of the target that led in it, and a its lead.
Windows in which no target leads count little; no phase enters. (Wong et al., IEEE Trans. Neural
Syst. Rehabil. Eng. 30:2595, 2022 adapt to a person alike, by trials that the flicker is locked to.)

Only which target led is taken from a window, and it goes into the filter, never into what is
expected next: that some target has had its turn changes nothing for the others.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy

from volition.chunk import FloatArray
from volition.decoders.ssvep.scores.correlation import FLOOR, phases, references
from volition.decoders.ssvep.scores.history import History


class Projected(NamedTuple):
    """A window of power one in each sub-band.

    Attributes
    ----------
    onto : ndarray, shape (n_bands, n_targets, 2 n_harmonics, n_channels)
        Its channels' products with the orthonormal sines of each target.
    total : ndarray, shape (n_bands, n_channels, n_channels)
        Its channels' products with each other.
    """

    onto: FloatArray
    total: FloatArray

    def correlations(self, filters: FloatArray) -> FloatArray:
        """Give the squared correlation of the filters' outputs, (n_bands, n_targets).

        Parameters
        ----------
        filters : ndarray, shape (n_bands, n_channels)
        """
        explained = np.square(np.einsum("btkc,bc->btk", self.onto, filters)).sum(axis=-1)
        power = np.einsum("bc,bcd,bd->b", filters, self.total, filters)
        found: FloatArray = explained / (power[:, None] + FLOOR)
        return found


class Projection:
    """Projects windows onto the sines of each target.

    Parameters
    ----------
    freqs_hz
        Flicker frequency of each target.
    n_harmonics, rate_hz, window_samples
        Properties of the references and of a window.
    """

    def __init__(
        self, freqs_hz: FloatArray, n_harmonics: int, rate_hz: float, window_samples: int
    ) -> None:
        waves = references(phases(freqs_hz, n_harmonics, rate_hz), 0, window_samples)[:-1]
        centred = waves - waves.mean(axis=1, keepdims=True)
        columns = centred.reshape(len(freqs_hz), 2 * n_harmonics, -1).transpose(0, 2, 1)
        basis = np.linalg.qr(columns)[0].transpose(0, 2, 1)
        self._shape = basis.shape[:2]
        self._basis = np.ascontiguousarray(basis.reshape(-1, window_samples).T)

    def of(self, filtered: FloatArray) -> Projected:
        """Project a window, shape (n_bands, n_channels, window_samples)."""
        centred = filtered - filtered.mean(axis=-1, keepdims=True)
        n_bands, n_channels, _ = centred.shape
        power = np.square(centred).sum(axis=(1, 2))[:, None, None] + FLOOR
        total = centred @ centred.transpose(0, 2, 1) / power
        onto = (centred @ self._basis / np.sqrt(power)).transpose(0, 2, 1)
        return Projected(onto.reshape(n_bands, *self._shape, n_channels), total)


class _Learned(NamedTuple):
    """What a number of windows taught.

    Attributes
    ----------
    n_windows : int
        Number of windows.
    sums : ndarray, shape (2, n_bands, n_channels, n_channels)
        Covariances of what the leads explain, and of all.
    filters : ndarray, shape (n_bands, n_channels)
        The filters that follow from them.
    """

    n_windows: int
    sums: FloatArray
    filters: FloatArray


class OwnFilter:
    """Filters learned from windows as they come, and what they were before any sample.

    Parameters
    ----------
    n_bands, n_channels
        Bands and channels of the windows.
    n_kept
        How many windows back it can be asked for.
    ridge
        Added to the total covariance's diagonal, as a share of its mean.
    """

    def __init__(self, n_bands: int, n_channels: int, n_kept: int, ridge: float) -> None:
        self._ridge = ridge
        sums = np.zeros((2, n_bands, n_channels, n_channels))
        self._history = History(_Learned(0, sums, np.zeros((n_bands, n_channels))), n_kept)

    def reset(self) -> None:
        self._history.reset()

    @property
    def n_windows(self) -> int:
        """How many windows it has learned from."""
        return self._history.newest.n_windows

    def learn(self, end: int, window: Projected, scores: FloatArray) -> None:
        """Take a window that ended with sample ``end``, and its scores (n_targets,)."""
        second, best = np.sort(scores)[-2:]
        led = window.onto[:, int(scores.argmax())]
        new = (best - second) * np.stack([led.transpose(0, 2, 1) @ led, window.total])
        newest = self._history.newest
        sums = newest.sums + new
        self._history.add(end, _Learned(newest.n_windows + 1, sums, self._filters(*sums)))

    def before(self, start: int) -> tuple[int, FloatArray] | None:
        """Give of how many windows, and the filters (n_bands, n_channels), by sample ``start``.

        None before any window.
        """
        known = self._history.before(start)
        return (known.n_windows, known.filters) if known.n_windows else None

    def _filters(self, explained: FloatArray, total: FloatArray) -> FloatArray:
        level = np.trace(total, axis1=1, axis2=2)[:, None, None] / total.shape[-1]
        held = total + (self._ridge * level + FLOOR) * np.eye(total.shape[-1])
        pairs = zip(explained, held, strict=True)
        return np.stack([scipy.linalg.eigh(one, whole)[1][:, -1] for one, whole in pairs])
