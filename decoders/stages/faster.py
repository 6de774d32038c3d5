"""FASTER online: channels, epochs, and channels within an epoch, by z-scores of simple statistics.

After Nolan, Whelan and Reilly (J. Neurosci. Methods 192:152, 2010), whose offline method scores
every epoch against all others. Here a window of one second is scored against running means and
deviations, which follow the windows that were clean, by 60 s:

1. channels: mean absolute correlation with the others, log variance and Hurst exponent, averaged
   over some seconds, against the other channels (robust z): a bad one is interpolated;
2. epochs: amplitude range, deviation from the running mean and variance, each averaged over
   channels: all channels of a bad one count as missing (``mask`` and ``hold``) or, with ``repair``,
   as well, since there is nothing to repair from;
3. channels within an epoch: variance, median gradient, range, deviation: interpolated.

Its fourth step, independent components, is for offline use and is not here. The signal must be
high-passed before. The first ``calibration_s`` seconds give the first means and deviations.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from volition.chunk import FloatArray, SignalSpec
from volition.decoders.artifacts.references import signal_channels
from volition.decoders.artifacts.steps import Steps
from volition.decoders.contract.settings import Settings
from volition.decoders.filtering import BoolArray
from volition.decoders.stages.blocks import CalibratedSettings, Parameters
from volition.decoders.stages.flagging import FlagSettings, FlagStage, calibration_windows


class FasterSettings(FlagSettings, CalibratedSettings):
    """Settings of `Faster`."""

    kind: Literal["faster"] = "faster"
    step_s: float = Field(default=0.25, gt=0, le=10)
    threshold: float = Field(default=3.0, gt=0, description="z-score from which on it is bad.")
    memory_s: float = Field(
        default=60.0, gt=0, description="Time constant of running means and deviations."
    )
    channel_memory_s: float = Field(
        default=10.0, gt=0, description="Over how long step 1 averages a channel's statistics."
    )


#: Deviations are not taken for smaller than this, in the statistics' (logarithmic) units.
LEAST_DEVIATION = 0.05
#: Step 1 compares channels, and needs this many to do so.
LEAST_CHANNELS = 5


def hurst_exponent(samples: FloatArray) -> FloatArray:
    """Give each channel's Hurst exponent by discrete second derivatives (Istas and Lang 1997).

    Parameters
    ----------
    samples : ndarray, shape (n_samples, n_channels)
    """
    path = samples - samples[:1]
    fine = path[2:] - 2 * path[1:-1] + path[:-2]
    coarse = path[4:] - 2 * path[2:-2] + path[:-4]
    ratio = np.square(coarse).mean(axis=0) / np.maximum(np.square(fine).mean(axis=0), 1e-12)
    exponent: FloatArray = 0.5 * np.log2(np.maximum(ratio, 1e-12))
    return exponent


def channel_statistics(window: FloatArray) -> FloatArray:
    """Give step 1's statistics (3, n_channels): correlation, log variance, Hurst exponent."""
    centred = window - window.mean(axis=0)
    variances = np.square(centred).mean(axis=0)
    scaled = centred / np.sqrt(np.maximum(variances, 1e-12))
    n = window.shape[1]
    alike = np.abs(scaled.T @ scaled / len(window))
    correlation = (alike.sum(axis=0) - alike.diagonal()) / max(1, n - 1)
    return np.array([correlation, np.log(np.maximum(variances, 1e-12)), hurst_exponent(window)])


def epoch_statistics(window: FloatArray, mean: FloatArray) -> FloatArray:
    """Give step 3's statistics (4, n_channels), logarithms, and by their means step 2's.

    Variance, median gradient, amplitude range, and deviation of the mean from the running mean.
    """
    found = np.array(
        [
            window.var(axis=0),
            np.median(np.abs(np.diff(window, axis=0)), axis=0),
            np.ptp(window, axis=0),
            np.abs(window.mean(axis=0) - mean) + 0.1 * window.std(axis=0),
        ]
    )
    logs: FloatArray = np.log(np.maximum(found, 1e-6))
    return logs


class Faster(FlagStage[FasterSettings]):
    """Flag channels and epochs by running z-scores (after Nolan et al. 2010)."""

    settings_model: ClassVar[type[Settings]] = FasterSettings

    def begin(self) -> None:
        super().begin()
        self._fitted = False
        step_s = self.block_samples / self.rate_hz
        self._share = min(1.0, step_s / self.settings.memory_s)
        self._channel_share = min(1.0, step_s / self.settings.channel_memory_s)
        self._bad_epochs = 0
        self._bad_channel_windows = self._bad_in_epoch_windows = 0

    def learn(self, samples: FloatArray, spec: SignalSpec) -> Steps[dict[str, FloatArray]]:
        """Learn means and deviations from high-passed ``samples`` (n_samples, n_channels).

        Medians stand in for means, so that some artifacts do no harm.

        Raises
        ------
        NotFittedError
            The samples hold too few windows.
        """
        windows = calibration_windows(samples, spec, self.settings)
        picks = signal_channels(spec)
        level = np.empty(len(picks))
        for i, pick in enumerate(picks):
            level[i] = np.median(samples[:, pick])
            yield
        within = np.empty((len(windows), 4, len(level)))
        channels = np.empty((len(windows), 3, len(level)))
        for i, window in enumerate(windows):
            within[i] = epoch_statistics(window, level)
            channels[i] = channel_statistics(window)
            yield
        middle, scatter = _robust(within)
        epochs_middle, epochs_scatter = _robust(within.mean(axis=2))
        return {
            "n_channels": np.array(float(len(level))),
            "level": level,
            "within": np.array([middle, scatter**2]),
            "epochs": np.array([epochs_middle, epochs_scatter**2]),
            "channels": np.median(channels, axis=0),
        }

    def adopt(self, parameters: Parameters) -> None:
        self._level = np.array(parameters["level"])
        self._within = np.array(parameters["within"])
        self._epochs = np.array(parameters["epochs"])
        self._channels = np.array(parameters["channels"])
        self._fitted = True

    def ready(self) -> bool:
        return self._fitted

    def judge(self, window: FloatArray, missing: FloatArray) -> BoolArray:
        n = window.shape[1]
        if missing.mean() > 0.5:
            return np.zeros(n, dtype=bool)
        channels = self._bad_channels(window)
        found = epoch_statistics(window, self._level)
        scores = (found - self._within[0]) / _deviation(self._within[1])
        epoch = found[:, ~channels].mean(axis=1) if not channels.all() else found.mean(axis=1)
        epoch_scores = (epoch - self._epochs[0]) / _deviation(self._epochs[1])
        bad_epoch = bool((epoch_scores > self.settings.threshold).any())
        within: BoolArray = (scores > self.settings.threshold).any(axis=0)
        self._bad_epochs += bad_epoch
        self._bad_channel_windows += bool(channels.any())
        self._bad_in_epoch_windows += bool(within.any())
        if not bad_epoch:
            self._follow(window, found, epoch, ~(within | channels))
        return channels | within | bad_epoch

    def report(self) -> dict[str, Any]:
        judged = max(1, self._judged)
        return {
            **super().report(),
            "bad_epoch_share": self._bad_epochs / judged,
            "bad_channel_share": self._bad_channel_windows / judged,
            "bad_channel_in_epoch_share": self._bad_in_epoch_windows / judged,
        }

    def _bad_channels(self, window: FloatArray) -> BoolArray:
        """Step 1: follow each channel's statistics and compare the channels."""
        self._channels += self._channel_share * (channel_statistics(window) - self._channels)
        if window.shape[1] < LEAST_CHANNELS:
            return np.zeros(window.shape[1], dtype=bool)
        middle, scatter = _robust(self._channels, axis=1)
        scores = np.abs(self._channels - middle[:, None]) / np.maximum(
            scatter[:, None], np.array([[0.1], [0.5], [0.1]])
        )
        bad: BoolArray = (scores > self.settings.threshold).any(axis=0)
        return bad

    def _follow(
        self, window: FloatArray, found: FloatArray, epoch: FloatArray, clean: BoolArray
    ) -> None:
        """Let means and deviations follow a clean epoch's clean channels."""
        share = self._share * clean.astype(np.float64)
        self._level += share * (window.mean(axis=0) - self._level)
        _follow(self._within, found, share)
        _follow(self._epochs, epoch, self._share)


def _robust(values: FloatArray, axis: int = 0) -> tuple[FloatArray, FloatArray]:
    middle = np.median(values, axis=axis, keepdims=True)
    scatter = 1.4826 * np.median(np.abs(values - middle), axis=axis)
    return np.squeeze(middle, axis=axis), scatter


def _deviation(variance: FloatArray) -> FloatArray:
    return np.maximum(np.sqrt(variance), LEAST_DEVIATION)


def _follow(running: FloatArray, found: FloatArray, share: FloatArray | float) -> None:
    step = found - running[0]
    running[0] += share * step
    running[1] += share * ((1 - share) * step**2 - running[1])
