"""Gates: a channel that is too large, jumps, is flat or saturated does not count.

Plain limits on every channel, in microvolts. The signal should be high-passed before, but for
saturation, which is seen only in the raw signal: then leave the other limits out.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from volition.chunk import FloatArray
from volition.decoders.contract.settings import Settings
from volition.decoders.filtering import BoolArray
from volition.decoders.stages.flagging import FlagSettings, FlagStage


class GateSettings(FlagSettings):
    """Settings of `Gate`; a limit that is null is not looked at."""

    kind: Literal["gate"] = "gate"
    peak_to_peak_uv: float | None = Field(
        default=200.0, gt=0, description="Largest difference within the window."
    )
    gradient_uv_per_ms: float | None = Field(
        default=50.0, gt=0, description="Largest step between two samples, over their distance."
    )
    flat_uv: float | None = Field(
        default=0.5, gt=0, description="A channel that moves by less within the window is flat."
    )
    saturation_uv: float | None = Field(
        default=None, gt=0, description="The amplifier's rail: a sample at or beyond it is wrong."
    )


def missing_too_much(missing: FloatArray) -> BoolArray:
    """Say which channels lack half of a window: those are not judged, their samples are NaN."""
    result: BoolArray = missing.mean(axis=0) > 0.5
    return result


class Gate(FlagStage[GateSettings]):
    """Flag channels beyond plain limits."""

    settings_model: ClassVar[type[Settings]] = GateSettings

    def judge(self, window: FloatArray, missing: FloatArray) -> BoolArray:
        limits = self.settings
        bad = np.zeros(window.shape[1], dtype=bool)
        spread = np.ptp(window, axis=0)
        if limits.peak_to_peak_uv is not None:
            bad |= spread > limits.peak_to_peak_uv
        if limits.gradient_uv_per_ms is not None:
            steps = np.abs(np.diff(window, axis=0)).max(axis=0)
            bad |= steps * self.rate_hz / 1000 > limits.gradient_uv_per_ms
        if limits.flat_uv is not None:
            bad |= spread < limits.flat_uv
        if limits.saturation_uv is not None:
            bad |= np.abs(window).max(axis=0) >= limits.saturation_uv
        return bad & ~missing_too_much(missing)
