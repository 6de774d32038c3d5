"""What a stimulus program does: it shows flickers, and says so by LSL markers."""

from __future__ import annotations

from typing import Any

from volition.chunk import Event
from volition.service.wire.messages import CueMessage, ServerMessage
from volition.streams.lsl.outlet import MarkerOutlet


class Screen:
    """A screen before a simulated person, who looks at what its markers say."""

    def __init__(self, source_id: str) -> None:
        self.source_id = source_id
        self.markers = MarkerOutlet("screen", source_id)

    def show(self, freq_hz: float, t: float, **data: Any) -> None:
        event = Event(t, "trial_start", {"freq_hz": freq_hz, **data})
        self.markers.push(event.to_marker(), t)

    def clear(self, t: float) -> None:
        self.markers.push("clear", t)

    def follow(self, message: ServerMessage) -> None:
        """Show what a guided calibration asks for."""
        if isinstance(message, CueMessage) and message.phase == "cue":
            self.show(float(message.data["freq_hz"]), message.t)
        elif isinstance(message, CueMessage) and message.phase == "pause":
            self.clear(message.t_end)
