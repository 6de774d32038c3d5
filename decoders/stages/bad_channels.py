"""Bad channels: told by their company, replaced until they are good again.

A window of a channel is odd when it is flat, when its size is far from the other channels' (a
robust deviation of log variance), or when it resembles none of them (largest absolute
correlation), as a loose electrode does; the criteria are those of the PREP pipeline (Bigdely-Shamlo
et al., Front. Neuroinform. 9:16, 2015), which runs offline. A channel becomes bad after
``bad_after_s`` of odd windows and good after ``good_after_s`` of others: it does not flicker.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from volition.chunk import FloatArray
from volition.decoders.contract.settings import Settings
from volition.decoders.filtering import BoolArray
from volition.decoders.stages.flagging import FlagSettings, FlagStage
from volition.decoders.stages.gate import missing_too_much


class BadChannelsSettings(FlagSettings):
    """Settings of `BadChannels`."""

    kind: Literal["bad_channels"] = "bad_channels"
    step_s: float = Field(default=0.25, gt=0, le=10)
    release_s: float = Field(default=0.0, ge=0, le=600)
    bad_after_s: float = Field(default=1.0, ge=0, le=600)
    good_after_s: float = Field(default=5.0, ge=0, le=600)
    deviations: float = Field(
        default=5.0, gt=0, description="Robust deviations of log variance from the median channel."
    )
    least_correlation: float = Field(
        default=0.2,
        ge=0,
        lt=1,
        description="A channel whose largest absolute correlation with another is below is odd.",
    )
    flat_uv: float = Field(default=0.1, ge=0)


#: Log variances are not expected to agree better than this, however few channels there are.
LEAST_SCATTER = 0.5


class BadChannels(FlagStage[BadChannelsSettings]):
    """Flag channels that stay odd, with hysteresis."""

    settings_model: ClassVar[type[Settings]] = BadChannelsSettings

    def begin(self) -> None:
        super().begin()
        n = len(self.picks)
        self._odd_for, self._fine_for = np.zeros(n), np.zeros(n)
        self._bad = np.zeros(n, dtype=bool)

    def judge(self, window: FloatArray, missing: FloatArray) -> BoolArray:
        odd = self._odd(window) & ~missing_too_much(missing)
        step_s = self.block_samples / self.rate_hz
        self._odd_for = np.where(odd, self._odd_for + step_s, 0.0)
        self._fine_for = np.where(odd, 0.0, self._fine_for + step_s)
        slack = step_s / 2  # sums of steps
        self._bad |= odd & (self._odd_for + slack > self.settings.bad_after_s)
        self._bad &= ~(self._fine_for + slack > self.settings.good_after_s)
        return self._bad.copy()

    def _odd(self, window: FloatArray) -> BoolArray:
        centred = window - window.mean(axis=0)
        deviations = np.sqrt(np.square(centred).mean(axis=0))
        odd: BoolArray = np.ptp(window, axis=0) <= self.settings.flat_uv
        if window.shape[1] < 3:  # no company to tell by
            return odd
        sizes = 2 * np.log(np.maximum(deviations, 1e-6))
        away = np.abs(sizes - np.median(sizes))
        odd |= away > self.settings.deviations * max(LEAST_SCATTER, 1.4826 * float(np.median(away)))
        scaled = centred / np.maximum(deviations, 1e-6)
        alike = np.abs(scaled.T @ scaled / len(window))
        np.fill_diagonal(alike, 0.0)
        odd |= alike.max(axis=0) < self.settings.least_correlation
        return odd
