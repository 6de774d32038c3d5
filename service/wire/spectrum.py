"""The spectrum of a session's signal."""

from __future__ import annotations

from pydantic import Field

from volition.service.wire.strictness import Answer


class ChannelSpectrum(Answer):
    """The spectrum of one channel."""

    label: str
    unit: str
    amplitudes: list[float] | None = Field(
        description="At each frequency, in the unit by the square root of 1 Hz; null where samples "
        "are missing."
    )


class SpectrumView(Answer):
    """The amplitude spectrum of a session's signal, by Welch's method."""

    t: float | None = Field(description="Time stamp of the newest sample; null without any.")
    seconds: float = Field(description="How much signal it is of.")
    freqs_hz: list[float]
    channels: list[ChannelSpectrum]
