"""The spectrum of a session's signal."""

from __future__ import annotations

from pydantic import Field

from volition.service.wire.strictness import Answer


class ChannelSpectrum(Answer):
    """The spectrum of one channel."""

    label: str
    unit: str
    amplitudes: list[float] | None = Field(
        description="Amplitude at each frequency, in units per square root of Hz; null where "
        "samples are missing."
    )


class SpectrumView(Answer):
    """The amplitude spectrum of a session's signal, by Welch's method."""

    t: float | None = Field(description="Time stamp of the newest sample; null if there is none.")
    seconds: float = Field(description="Length of the signal used.")
    freqs_hz: list[float]
    channels: list[ChannelSpectrum]
