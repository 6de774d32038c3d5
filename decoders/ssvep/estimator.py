"""The SSVEP decoders on epochs: what a fit learns from, and what scores trials that are cut out.

An epoch is filtered as the streaming decoder filters, and its last window is scored. A subclass of
`EpochEstimator` says how a window is scored, and when that is too little for a selection.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

from volition.chunk import FloatArray, SignalSpec
from volition.decoders.ssvep.settings import SelectorSettings
from volition.errors import DecodeError

IntArray = npt.NDArray[np.int64]

#: What an estimator gives, and takes, for a trial at rest.
REST = -1

S = TypeVar("S", bound=SelectorSettings)


def filtered_windows(settings: SelectorSettings, epochs: FloatArray, rate_hz: float) -> FloatArray:
    """Give the sub-bands of each epoch's last window.

    Parameters
    ----------
    epochs : ndarray, shape (n_trials, n_channels, n_samples)
        What lies before the window settles the causal filters, which start in the steady state of
        the epoch's first sample.

    Returns
    -------
    ndarray, shape (n_trials, n_bands, n_channels, window_samples)
        NaN for an epoch in which a sample is missing.

    Raises
    ------
    DecodeError
        The epochs are shorter than a window.
    """
    n_trials, n_channels, n_samples = epochs.shape
    settings.check(rate_hz, n_channels)
    window_samples = settings.window_samples(rate_hz)
    if n_samples < window_samples:
        raise DecodeError(
            f"epochs of {n_samples} samples are shorter than the window of {window_samples}",
            found=n_samples,
            allowed_from=window_samples,
        )
    bank = settings.bank(rate_hz, n_channels)
    filtered = np.empty((settings.n_bands, n_channels, n_samples))
    windows = np.empty((n_trials, settings.n_bands, n_channels, window_samples))
    for epoch, window in zip(epochs, windows, strict=True):
        bank.reset()
        missing = bank.run(np.array(epoch, dtype=np.float64, order="C"), filtered)
        window[...] = filtered[..., -window_samples:] if missing is None else np.nan
    return windows


def check_targets(targets: npt.ArrayLike, n_trials: int, n_targets: int) -> IntArray:
    """Give ``targets`` as an array; raise `DecodeError` unless there is one for each trial."""
    wanted: IntArray = np.asarray(targets, dtype=np.int64)
    if wanted.shape != (n_trials,) or not ((wanted >= REST) & (wanted < n_targets)).all():
        raise DecodeError(
            f"{n_trials} epochs need as many targets, each 0 to {n_targets - 1} or {REST} for "
            f"rest; found {wanted.tolist()}",
        )
    return wanted


class EpochEstimator(Generic[S]):
    """Base of the decoders on epochs.

    Parameters
    ----------
    settings
        Those of the streaming decoder.
    rate_hz
        Sampling rate of the epochs.
    spec
        The signal that they are of, where stages cleaned it: thresholds know what those let
        through, as the streaming decoder's do.
    """

    def __init__(self, settings: S, rate_hz: float, spec: SignalSpec | None = None) -> None:
        self.settings = settings
        self.rate_hz = rate_hz
        self.spec = spec

    @abstractmethod
    def window_scorer(self, n_channels: int) -> Callable[[FloatArray], FloatArray]:
        """Give what scores a window, (n_bands, n_channels, window_samples): (n_targets,)."""

    @abstractmethod
    def is_idle(self, scores: FloatArray, n_channels: int) -> npt.NDArray[np.bool_]:
        """Say of which trials' scores, (n_trials, n_targets), the decoder selects nothing."""

    def decision_function(self, epochs: FloatArray) -> FloatArray:
        """Give the scores, shape (n_trials, n_targets), of the last windows.

        Parameters
        ----------
        epochs : ndarray, shape (n_trials, n_channels, n_samples)
            NaN where a sample is missing, as the scores then are.
        """
        n_channels = epochs.shape[1]
        self.settings.check(self.rate_hz, n_channels)
        score = self.window_scorer(n_channels)
        windows = filtered_windows(self.settings, epochs, self.rate_hz)
        rows = [score(window) for window in windows]
        return np.array(rows).reshape(len(epochs), len(self.settings.targets))

    def predict(self, epochs: FloatArray, *, idle: bool = True) -> IntArray:
        """Give each trial's target, shape (n_trials,); `REST` where the decoder says idle.

        With ``idle=False`` the best target is given whatever its score.
        """
        scores = self.decision_function(epochs)
        best: IntArray = scores.argmax(axis=1).astype(np.int64)
        if idle:
            best[self.is_idle(scores, epochs.shape[1])] = REST
        return best

    def score(self, epochs: FloatArray, targets: npt.ArrayLike) -> float:
        """Give the share of trials whose best target is the right one."""
        wanted = check_targets(targets, len(epochs), len(self.settings.targets))
        return float((self.predict(epochs, idle=False) == wanted).mean())
