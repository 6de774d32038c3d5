"""LSL streams on the network."""

from __future__ import annotations

from pydantic import Field

from volition.service.wire.strictness import Answer


class StreamView(Answer):
    """An LSL stream on the network."""

    name: str
    type: str
    source_id: str
    host: str
    uid: str
    rate_hz: float = Field(description="Nominal sampling rate, 0 for an irregular stream.")
    format: str
    n_channels: int
    labels: list[str]
    units: list[str]
    kinds: list[str]
    clock_offset_s: float | None = Field(
        description="What must be added to the stream's times to get this host's LSL time."
    )


class StreamList(Answer):
    streams: list[StreamView]
