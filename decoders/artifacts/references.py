"""Which channels hold the signal, which show an artifact itself, and when they do.

Eye channels see blinks large and brain activity small; where a montage has none, the electrodes
next to the eyes stand in for them. Subtracting a reference takes the brain activity in it along,
so it is done only while the reference is larger than brain activity is: `ReferenceGate` opens with
the reference's own envelope, which rises at once and falls by a time constant, and is the same
however the signal is cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from volition.chunk import FloatArray, SignalSpec
from volition.errors import ConfigError

#: Electrodes next to the eyes.
FRONTAL = ("FP1", "FP2", "FPZ", "AF7", "AF8")


@dataclass(frozen=True, slots=True)
class References:
    """Where the references are, and what is cleaned by them.

    Attributes
    ----------
    references, cleaned : list of int
        Indices of channels.
    proxy
        Whether EEG electrodes stand in for eye channels; they are then cleaned themselves.
    """

    references: list[int]
    cleaned: list[int]
    proxy: bool


def signal_channels(spec: SignalSpec) -> list[int]:
    """Give the indices of the channels that are EEG; all channels when none is called so."""
    eeg = [i for i, kind in enumerate(spec.kinds) if kind.upper() == "EEG"]
    return eeg or list(range(spec.n_channels))


def find_references(spec: SignalSpec, names: Sequence[str] | None, who: str) -> References:
    """Find the references: those named, else eye channels by kind or label, else frontal ones.

    Raises
    ------
    ConfigError
        A named channel is missing, or there is nothing that could serve.
    """
    labels = list(spec.labels)
    if names is not None:
        missing = [name for name in names if name not in labels]
        if missing:
            raise ConfigError(
                f"{who}: no channel {', '.join(missing)} to refer to; the signal has "
                f"{', '.join(labels)}",
                found=missing,
                allowed=labels,
            )
        references = [labels.index(name) for name in names]
        cleaned = [i for i in signal_channels(spec) if i not in references]
        return References(references, cleaned, proxy=False)
    eyes = [
        i
        for i, (label, kind) in enumerate(zip(labels, spec.kinds, strict=True))
        if kind.upper() == "EOG" or "EOG" in label.upper()
    ]
    if eyes:
        return References(eyes, [i for i in signal_channels(spec) if i not in eyes], proxy=False)
    frontal = [i for i, label in enumerate(labels) if label.upper() in FRONTAL]
    if frontal:
        return References(frontal, signal_channels(spec), proxy=True)
    raise ConfigError(
        f"{who} needs a channel that shows the eyes: one of kind EOG, one with EOG in its label, "
        f"one of {', '.join(FRONTAL)}, or those that the setting references names; the signal has "
        f"{', '.join(labels)}",
        found=labels,
    )


def robust_deviation(samples: FloatArray) -> FloatArray:
    """Give each channel's deviation without its outliers: 1.4826 times the median deviation."""
    deviation: FloatArray = 1.4826 * np.median(np.abs(samples - np.median(samples, axis=0)), axis=0)
    return deviation


class ReferenceGate:
    """Opens while references are large: a gain in [0, 1] for each sample.

    The envelope is the largest reference, in units of its threshold, falling by ``release_s``.
    The gain is 0 below half the threshold, 1 above it, and linear between.

    Parameters
    ----------
    thresholds : ndarray, shape (n_references,)
        Microvolts.
    release_s
        Time constant of the fall, seconds.
    rate_hz
        Sampling rate of the signal.
    """

    def __init__(self, thresholds: FloatArray, release_s: float, rate_hz: float) -> None:
        self._thresholds = np.maximum(thresholds, 1e-9)
        self._fall = 1.0 / (release_s * rate_hz)
        self.reset()

    def reset(self) -> None:
        self._position = 0
        self._peak = -np.inf

    def gains(self, references: FloatArray) -> FloatArray:
        """Give the gains (n,) of the next ``references`` (n, n_references)."""
        n = len(references)
        if not n:
            return np.empty(0)
        size = np.max(np.abs(references) / self._thresholds, axis=1)
        # log envelope[k] = max over i <= k of log size[i] - (k - i) fall, with k counted from the
        # start of the signal: a maximum rounds alike however the signal is cut.
        slope = self._fall * np.arange(self._position, self._position + n)
        peaks = np.maximum.accumulate(np.log(np.maximum(size, 1e-12)) + slope)
        peaks = np.maximum(peaks, self._peak)
        self._peak = float(peaks[-1])
        self._position += n
        gains: FloatArray = np.clip(2.0 * np.exp(peaks - slope) - 1.0, 0.0, 1.0)
        return gains
