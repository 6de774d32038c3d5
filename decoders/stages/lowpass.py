"""Remove what is fast: a Butterworth low-pass."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from volition.chunk import FloatArray
from volition.decoders.contract.settings import Settings
from volition.decoders.filtering import check_below_half_rate
from volition.decoders.stages.iir import IirStage, butterworth


class LowpassSettings(Settings):
    """Settings of `Lowpass`."""

    kind: Literal["lowpass"] = "lowpass"
    cutoff_hz: float = Field(gt=0, description="Edge (-3 dB), Hz; below half the rate.")
    order: int = Field(default=4, ge=1, le=12)


class Lowpass(IirStage[LowpassSettings]):
    """Remove what lies above ``cutoff_hz``."""

    settings_model: ClassVar[type[Settings]] = LowpassSettings

    def design(self, rate_hz: float) -> FloatArray:
        check_below_half_rate("lowpass", "cutoff_hz", self.settings.cutoff_hz, rate_hz)
        return butterworth("lowpass", self.settings.order, self.settings.cutoff_hz, rate_hz)
