"""Remove the mains hum and its harmonics: second-order notches in a row."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
import scipy
from pydantic import Field

from volition.chunk import FloatArray
from volition.decoders.contract.settings import Settings
from volition.decoders.filtering import check_below_half_rate
from volition.decoders.stages.iir import IirStage


class NotchSettings(Settings):
    """Settings of `Notch`."""

    kind: Literal["notch"] = "notch"
    freq_hz: float = Field(default=50.0, gt=0, description="The hum, Hz; below half the rate.")
    harmonics: int = Field(
        default=1,
        ge=1,
        le=20,
        description="How many multiples of freq_hz are removed, itself the first; those at or "
        "above half the rate are left out.",
    )
    quality: float = Field(
        default=30.0, gt=0, description="Centre over width (-3 dB): the larger, the narrower."
    )


class Notch(IirStage[NotchSettings]):
    """Remove ``freq_hz`` and its first ``harmonics`` multiples."""

    settings_model: ClassVar[type[Settings]] = NotchSettings

    def design(self, rate_hz: float) -> FloatArray:
        check_below_half_rate("notch", "freq_hz", self.settings.freq_hz, rate_hz)
        multiples = self.settings.freq_hz * np.arange(1, self.settings.harmonics + 1)
        # One quality for all: when the mains wander, the k-th harmonic wanders k times as far.
        return np.array(
            [
                np.concatenate(scipy.signal.iirnotch(freq_hz, self.settings.quality, fs=rate_hz))
                for freq_hz in multiples[multiples < rate_hz / 2]
            ]
        )
