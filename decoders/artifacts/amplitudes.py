"""How large a clean signal is, told from one that holds artifacts as well.

The amplitudes of short windows are a bulk of clean ones and a tail of artifacts. A generalised
Gaussian is fitted to a truncated range that holds the bulk alone: of many ranges and shapes, the
one whose histogram is nearest in Kullback-Leibler divergence gives mean and deviation (the fit by
which artifact subspace reconstruction calibrates; Mullen et al., IEEE Trans. Biomed. Eng. 62:2553,
2015; Chang et al., IEEE Trans. Biomed. Eng. 67:1114, 2020). Windows that deviate in too many
channels are then left out of a calibration.
"""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt
import scipy

from volition.chunk import FloatArray
from volition.decoders.artifacts.steps import Steps, finish, pieces

#: The range of quantiles that is taken as the clean bulk.
LOWEST, HIGHEST = 0.022, 0.6
#: The range's start may move so far up, and its width shrink to such a share, in such steps.
START_RANGE, SMALLEST_SHARE, STEP = 0.1, 0.25, 0.01
SHAPES = np.linspace(1.7, 3.5, 13)
#: Deviations above, or below, which a channel's window is bad.
TOO_LARGE, TOO_SMALL = 5.0, -3.5
#: By which share the windows of a calibration overlap, and which share of them it keeps at least.
OVERLAP, MIN_CLEAN_SHARE = 0.66, 0.25
#: Channels that are summed up in one step.
CHANNELS_AT_ONCE = 8


@functools.cache
def _bounds() -> FloatArray:
    """Give where the quantiles lie for each shape at unit scale: (n_shapes, 2)."""
    quantiles = np.array([LOWEST, HIGHEST])
    reach = scipy.special.gammaincinv(1 / SHAPES[:, None], 2 * np.abs(quantiles - 0.5))
    bounds: FloatArray = np.sign(quantiles - 0.5) * reach ** (1 / SHAPES[:, None])
    return bounds


@functools.cache
def _densities(n_bins: int) -> FloatArray:
    """Give each shape's histogram over the range, summing to 1: (n_shapes, n_bins)."""
    low, high = _bounds().T
    middles = (np.arange(n_bins)[:, None] + 0.5) / n_bins
    density = np.exp(-(np.abs(low + middles * (high - low)) ** SHAPES))
    shares: FloatArray = (density / density.sum(axis=0)).T
    return shares


def fit_amplitudes(values: FloatArray) -> tuple[float, float]:
    """Fit the clean bulk of ``values`` (n,); give its mean and its standard deviation.

    Fewer than 20 values are too few for a histogram: the median and the median absolute deviation
    stand in.
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    n = len(ordered)
    middle = float(np.median(ordered))
    if n < 20 or ordered[-1] - ordered[0] <= 1e-12 * max(abs(middle), 1e-300):
        return middle, 1.4826 * float(np.median(np.abs(ordered - middle)))
    starts = np.unique(np.round(n * np.arange(LOWEST, LOWEST + START_RANGE, STEP)).astype(int))
    width = HIGHEST - LOWEST
    shares = np.arange(width, SMALLEST_SHARE * width, -STEP)
    best, found = np.inf, (middle, 0.0)
    for length in np.unique(np.round(n * shares).astype(int))[::-1]:
        if length < 5:
            continue
        first = starts[starts + length <= n]
        low, high = ordered[first], ordered[first + length - 1]
        usable = high > low
        if not usable.any():
            continue
        low, high = low[usable], high[usable]
        n_bins = round(3 * np.log2(1 + length / 2))
        edges = low[:, None] + (high - low)[:, None] * np.linspace(0, 1, n_bins + 1)
        counts = np.diff(np.searchsorted(ordered, edges.ravel(), "right").reshape(edges.shape))
        share = (counts + 0.01) / (counts.sum(axis=1, keepdims=True) + 0.01 * n_bins)
        model = _densities(n_bins)
        divergence = (model * np.log(model)).sum(axis=1)[:, None] - model @ np.log(share).T
        shape, place = np.unravel_index(divergence.argmin(), divergence.shape)
        if divergence[shape, place] < best:
            best = float(divergence[shape, place])
            z_low, z_high = _bounds()[shape]
            beta = float(SHAPES[shape])
            scale = float((high[place] - low[place]) / (z_high - z_low))
            deviation = scale * np.sqrt(
                scipy.special.gamma(3 / beta) / scipy.special.gamma(1 / beta)
            )
            found = (float(low[place] - z_low * scale), float(deviation))
    return found


def window_starts(n_samples: int, window_samples: int, overlap: float) -> npt.NDArray[np.intp]:
    """Give the first sample of windows that overlap by a share; integers."""
    step = max(1, round(window_samples * (1 - overlap)))
    return np.arange(0, max(n_samples - window_samples, 0) + 1, step)


def window_rms(samples: FloatArray, window_samples: int, overlap: float) -> FloatArray:
    """Give the root mean square of each window and channel: (n_windows, n_channels)."""
    return finish(window_rms_steps(samples, window_samples, overlap))


def window_rms_steps(samples: FloatArray, window_samples: int, overlap: float) -> Steps[FloatArray]:
    """Do as `window_rms`, in steps."""
    window_samples = min(window_samples, len(samples))
    starts = window_starts(len(samples), window_samples, overlap)
    rms = np.empty((len(starts), samples.shape[1]))
    for some in pieces(samples.shape[1], CHANNELS_AT_ONCE):
        total = np.zeros((len(samples) + 1, some.stop - some.start))
        np.cumsum(np.square(samples[:, some]), axis=0, out=total[1:])
        power = (total[starts + window_samples] - total[starts]) / window_samples
        rms[:, some] = np.sqrt(np.maximum(power, 0.0))
        yield
    return rms


def clean_samples(
    samples: FloatArray, window_samples: int, *, max_bad_share: float = 0.3
) -> npt.NDArray[np.bool_]:
    """Say which samples a calibration may use.

    A window is left out when more than ``max_bad_share`` of the channels are too large or too
    small in it. Should less than `MIN_CLEAN_SHARE` of the windows be left, that share with the
    fewest deviations is taken instead.

    Parameters
    ----------
    samples : ndarray, shape (n_samples, n_channels)
        High-passed signal.
    window_samples
        Length of a window.

    Returns
    -------
    ndarray of bool, shape (n_samples,)
    """
    return finish(clean_samples_steps(samples, window_samples, max_bad_share=max_bad_share))


def clean_samples_steps(
    samples: FloatArray, window_samples: int, *, max_bad_share: float = 0.3
) -> Steps[npt.NDArray[np.bool_]]:
    """Do as `clean_samples`, in steps."""
    window_samples = min(window_samples, len(samples))
    rms = yield from window_rms_steps(samples, window_samples, OVERLAP)
    scores = np.empty_like(rms)
    for channel, values in enumerate(rms.T):
        mean, deviation = fit_amplitudes(values)
        scores[:, channel] = (values - mean) / max(deviation, 1e-12)
        yield
    scores.sort(axis=1)
    n_bad = min(int(max_bad_share * rms.shape[1]), rms.shape[1] - 1)
    upper, lower = scores[:, -1 - n_bad], scores[:, n_bad]
    good = (upper <= TOO_LARGE) & (lower >= TOO_SMALL)
    if good.mean() < MIN_CLEAN_SHARE:
        badness = np.maximum(upper / TOO_LARGE, lower / TOO_SMALL)
        good = badness <= np.quantile(badness, MIN_CLEAN_SHARE)
    starts = window_starts(len(samples), window_samples, OVERLAP)
    kept = np.ones(len(samples), dtype=bool)
    for start in starts[~good]:
        kept[start : start + window_samples] = False
    if not kept.any():  # overlapping windows left nothing whole
        for start in starts[good]:
            kept[start : start + window_samples] = True
    return kept
