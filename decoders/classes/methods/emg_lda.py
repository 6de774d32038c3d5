"""Muscle: amplitude and shape of the signal in the time domain, and linear discriminant analysis.

The features of each channel in a window are the logarithms of the root mean square and of the
waveform length, and how often a second it crosses zero and turns, each beyond a threshold that
noise does not reach (Hudgins, Parker and Scott, IEEE Trans. Biomed. Eng. 40:82, 1993, section III).
The threshold is a share of the channel's own root mean square in the window, so that it follows the
gain.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from volition.chunk import FloatArray
from volition.decoders.classes.decoder import ClassDecoder
from volition.decoders.classes.discriminant import fit_discriminant
from volition.decoders.classes.method import Arrays, BandMethod, IntArray, normalised
from volition.decoders.classes.settings import BandSettings
from volition.decoders.contract.settings import Settings
from volition.decoders.filtering import check_below_half_rate


class EmgLdaSettings(BandSettings):
    """Settings of `EmgLdaDecoder` and `EmgLda`."""

    kind: Literal["emg_lda"] = "emg_lda"
    low_hz: float = Field(default=20.0, gt=0, description="Lower edge of the band.")
    high_hz: float = Field(
        default=450.0,
        gt=0,
        description="Upper edge of the band; kept below 0.45 of the rate.",
    )
    delay_s: float = Field(default=0.2, ge=0, le=60)
    window_s: float = Field(default=0.25, gt=0, le=60)
    step_s: float = Field(default=0.05, gt=0, le=60)
    least_share: float = Field(
        default=0.3,
        ge=0,
        lt=10,
        description="Crossings and turns below this share of a channel's root mean square "
        "do not count.",
    )

    def bands(self, rate_hz: float) -> list[tuple[float, float]]:
        check_below_half_rate(self.kind, "low_hz", self.low_hz / 0.9, rate_hz)
        return [(self.low_hz, min(self.high_hz, 0.45 * rate_hz))]


class EmgLda(BandMethod[EmgLdaSettings]):
    """The method, as an estimator."""

    of_brain: ClassVar[bool] = False

    def feature(self, window: FloatArray) -> FloatArray:
        rows = window[0]
        per_s = self.rate_hz / rows.shape[1]
        size = np.sqrt(np.square(rows).mean(axis=1))
        least = self.settings.least_share * size[:, None]
        steps = np.diff(rows, axis=1)
        large = np.abs(steps) > least
        crossings = (rows[:, :-1] * rows[:, 1:] < 0) & large
        turns = (steps[:, :-1] * steps[:, 1:] < 0) & (large[:, :-1] | large[:, 1:])
        length = np.abs(steps).sum(axis=1) * per_s
        return np.concatenate(
            [
                np.log(np.maximum(size, 1e-12)),
                np.log(np.maximum(length, 1e-12)),
                crossings.sum(axis=1) * per_s,
                turns.sum(axis=1) * per_s,
            ]
        )

    def fit(self, features: FloatArray, classes: IntArray, n_classes: int) -> dict[str, FloatArray]:
        weights, offsets = fit_discriminant(features, classes, n_classes)
        return {"weights": weights, "offsets": offsets}

    def log_probabilities(self, arrays: Arrays, features: FloatArray) -> FloatArray:
        return normalised(features @ arrays["weights"] + arrays["offsets"])


class EmgLdaDecoder(ClassDecoder[EmgLdaSettings]):
    """Tells movements apart by the muscles that make them."""

    settings_model: ClassVar[type[Settings]] = EmgLdaSettings
    method = EmgLda
