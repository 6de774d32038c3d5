"""Keep a band: a Butterworth band-pass."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from volition.chunk import FloatArray
from volition.decoders.contract.settings import Settings
from volition.decoders.filtering import check_below_half_rate
from volition.decoders.stages.iir import IirStage, butterworth


class BandpassSettings(Settings):
    """Settings of `Bandpass`."""

    kind: Literal["bandpass"] = "bandpass"
    low_hz: float = Field(gt=0, description="Lower edge (-3 dB), Hz.")
    high_hz: float = Field(gt=0, description="Upper edge (-3 dB), Hz; below half the rate.")
    order: int = Field(default=4, ge=1, le=12, description="Order of each of the two edges.")

    @model_validator(mode="after")
    def _in_order(self) -> BandpassSettings:
        if self.low_hz >= self.high_hz:
            raise ValueError(f"low_hz ({self.low_hz:g}) must be below high_hz ({self.high_hz:g})")
        return self


class Bandpass(IirStage[BandpassSettings]):
    """Keep what lies between ``low_hz`` and ``high_hz``."""

    settings_model: ClassVar[type[Settings]] = BandpassSettings

    def design(self, rate_hz: float) -> FloatArray:
        low, high = self.settings.low_hz, self.settings.high_hz
        check_below_half_rate("bandpass", "high_hz", high, rate_hz)
        return butterworth("bandpass", self.settings.order, (low, high), rate_hz)
