"""Sub-bands of the signal, filtered as it comes.

The harmonics of a flicker lie at its multiples, and noise falls with frequency: sub-bands that
start ever higher and end at the same upper edge let each harmonic be weighed apart (design M3 of
Chen et al., J. Neural Eng. 12:046008, 2015). The filters are causal and carry their state over
the whole signal, so the start of a window needs no padding and no window is filtered twice.
"""

from __future__ import annotations

import numpy as np
import scipy

from volition.chunk import FloatArray
from volition.decoders.filtering import BoolArray, Hold, SectionState
from volition.errors import ConfigError

#: Upper edges are kept below this share of the rate, so that every filter can be designed.
HIGHEST_SHARE_OF_RATE = 0.45


def sub_band_edges(
    n_subbands: int, low_hz: float, step_hz: float, high_hz: float, rate_hz: float
) -> list[tuple[float, float]]:
    """Give the edges of each sub-band: low_hz + k step_hz up to high_hz, k = 0, 1, ...

    Raises
    ------
    ConfigError
        A sub-band would start at or above the upper edge that ``rate_hz`` allows.
    """
    high_hz = min(high_hz, HIGHEST_SHARE_OF_RATE * rate_hz)
    lows = [low_hz + step_hz * k for k in range(n_subbands)]
    fitting = sum(low < high_hz for low in lows)
    if fitting < n_subbands:
        raise ConfigError(
            f"sub-band {fitting + 1} of {n_subbands} would start at {lows[fitting]:g} Hz, not "
            f"below its upper edge of {high_hz:g} Hz (rate {rate_hz:g} Hz); at most {fitting} "
            "sub-bands fit",
            found=n_subbands,
            allowed=fitting,
        )
    return [(low, high_hz) for low in lows]


def sub_band_weights(n_subbands: int) -> FloatArray:
    """Give a_k = k^-1.25 + 0.25, k = 1, 2, ... (Chen et al. 2015, equation 7)."""
    weights: FloatArray = np.arange(1.0, n_subbands + 1) ** -1.25 + 0.25
    return weights


class FilterBank:
    """Causal band-passes side by side over one signal.

    A shared low-pass before a high-pass for each band was tried: it takes as long, since a
    recursion waits for its own last sample and the further sections run in that wait.

    Parameters
    ----------
    edges
        Lower and upper edge of each band, Hz.
    order
        Order of each edge.
    rate_hz, n_channels
        The signal.
    ripple_db
        Ripple in the band, for a Chebyshev filter of the first kind; a Butterworth one if left out.
    """

    def __init__(
        self,
        edges: list[tuple[float, float]],
        order: int,
        rate_hz: float,
        n_channels: int,
        *,
        ripple_db: float | None = None,
    ) -> None:
        self._hold = Hold(n_channels)
        self._bands = []
        for band in edges:
            if ripple_db is None:
                sections = scipy.signal.butter(order, band, "bandpass", fs=rate_hz, output="sos")
            else:
                sections = scipy.signal.cheby1(
                    order, ripple_db, band, "bandpass", fs=rate_hz, output="sos"
                )
            self._bands.append(SectionState(sections, n_channels))

    def reset(self) -> None:
        self._hold.reset()
        for band in self._bands:
            band.reset()

    def run(self, rows: FloatArray, out: FloatArray) -> BoolArray | None:
        """Filter the next ``rows`` into ``out``; say what was missing, None if nothing.

        Parameters
        ----------
        rows : ndarray, shape (n_channels, n_samples)
            The signal; what is missing is filled in place.
        out : ndarray, shape (n_bands, n_channels, n_samples), C-contiguous
            Receives each band; where samples were missing, what follows from the last good ones.
        """
        missing = self._hold.fill(rows)
        starts = self._hold.starts
        for band, filtered in zip(self._bands, out, strict=True):
            filtered[...] = rows
            band.run(filtered, starts)
        return missing
