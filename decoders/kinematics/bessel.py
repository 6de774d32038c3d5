"""A Bessel filter that runs forwards and backwards over the newest velocities: smooth, not late.

A low-pass filter that only runs forwards is late by its group delay. Run forwards and backwards
over the newest block of velocities it is not: the value ``delay`` bins before the newest is then
smoothed from both sides (Zhou, Sun, Basu 2023, arXiv:2312.15889, who give 32 outputs of 4 ms, order
4 and cut-offs of 5 to 6.6 Hz). Half a block of delay is the variant of high accuracy; none, at the
block's edge, that of low latency. The filter of a block is linear, so each bin costs one product of
the block with weights that are found once.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import scipy
from pydantic import BaseModel, ConfigDict, Field

from volition.chunk import FloatArray
from volition.errors import ConfigError

#: With fewer bins in a block there is nothing to run backwards over.
LEAST_BINS = 4


class BesselSettings(BaseModel):
    """A low-pass Bessel filter over blocks of decoded velocities."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    variant: Literal["low-latency", "high-accuracy"] = Field(
        default="low-latency",
        description="No delay, or half a block of it, which the intents tell as delay_s.",
    )
    cutoff_hz: float = Field(default=5.0, gt=0, description="Below half the rate of the bins.")
    order: int = Field(default=4, ge=1, le=10)
    block_s: float = Field(default=0.128, gt=0, le=5, description="Four bins at least.")


class BesselBlock:
    """The filter at work.

    Parameters
    ----------
    settings
        What to filter.
    bin_s, n_dimensions
        Length of a bin, and size of a velocity.

    Attributes
    ----------
    delay_s
        By how much what is given lies behind the newest bin, once a block has come.

    Raises
    ------
    ConfigError
        The bins are too long for the block or the cut-off.
    """

    def __init__(self, settings: BesselSettings, bin_s: float, n_dimensions: int) -> None:
        n_bins = round(settings.block_s / bin_s)
        if n_bins < LEAST_BINS:
            raise ConfigError(
                f"bessel: block_s of {settings.block_s:g} s holds {n_bins} bins of {bin_s:g} s; it "
                f"must hold {LEAST_BINS} at least. With bins as long as these a filter has little "
                "to do",
                setting="bessel.block_s",
                found=settings.block_s,
                allowed_from=LEAST_BINS * bin_s,
            )
        if settings.cutoff_hz >= 0.5 / bin_s:
            raise ConfigError(
                f"bessel: cutoff_hz must lie below {0.5 / bin_s:g} Hz, found "
                f"{settings.cutoff_hz:g}",
                setting="bessel.cutoff_hz",
                found=settings.cutoff_hz,
                allowed_below=0.5 / bin_s,
            )
        delay = n_bins // 2 if settings.variant == "high-accuracy" else 0
        self.delay_s = delay * bin_s
        self._bin_s = bin_s
        self._delay = delay
        sos = scipy.signal.bessel(
            settings.order, settings.cutoff_hz, fs=1 / bin_s, norm="phase", output="sos"
        )
        #: Weights of the bins of a block, oldest first, for blocks of one bin up to a whole one.
        self._weights = [_weights(sos, length, delay) for length in range(1, n_bins + 1)]
        self._history = np.zeros((n_bins, n_dimensions))
        self.reset()

    def reset(self) -> None:
        """Begin with an empty block."""
        self._count = 0

    def push(self, velocity: FloatArray) -> tuple[FloatArray, float]:
        """Take the newest velocity, shape (n_dimensions,); give the filtered one and its delay."""
        history = self._history
        history[:-1] = history[1:]
        history[-1] = velocity
        self._count = min(self._count + 1, len(history))
        weights = self._weights[self._count - 1]
        filtered: FloatArray = weights.dot(history[len(history) - self._count :])
        return filtered, min(self._delay, self._count - 1) * self._bin_s


def _weights(sos: FloatArray, length: int, delay: int) -> FloatArray:
    """Give the row of the block's filter that makes the value ``delay`` bins before the last."""
    place = max(0, length - 1 - delay)
    padding = min(3 * (2 * len(sos) + 1), length - 1)
    rows: FloatArray = scipy.signal.sosfiltfilt(sos, np.eye(length), axis=0, padlen=padding)
    return np.ascontiguousarray(rows[place])
