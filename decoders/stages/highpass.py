"""Remove offset and slow drift: a Butterworth high-pass."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from volition.chunk import FloatArray
from volition.decoders.contract.settings import Settings
from volition.decoders.filtering import check_below_half_rate
from volition.decoders.stages.iir import IirStage, butterworth


class HighpassSettings(Settings):
    """Settings of `Highpass`."""

    kind: Literal["highpass"] = "highpass"
    cutoff_hz: float = Field(gt=0, description="Edge (-3 dB), Hz; below half the rate.")
    order: int = Field(default=2, ge=1, le=12)


class Highpass(IirStage[HighpassSettings]):
    """Remove what lies below ``cutoff_hz``."""

    settings_model: ClassVar[type[Settings]] = HighpassSettings

    def design(self, rate_hz: float) -> FloatArray:
        check_below_half_rate("highpass", "cutoff_hz", self.settings.cutoff_hz, rate_hz)
        return butterworth("highpass", self.settings.order, self.settings.cutoff_hz, rate_hz)
