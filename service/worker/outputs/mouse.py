"""Cursor intents as movements of this host's pointer, and clicks as clicks.

Off until a real key arms it (`volition.service.worker.outputs.linux_input`).
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from volition.decoders.contract.intent import ClickIntent, CursorIntent, Intent
from volition.service.worker.outputs.linux_input import (
    LEFT_BUTTON,
    ArmedOutput,
    ArmedSettings,
    VirtualDevice,
)


class MouseOutputSettings(ArmedSettings):
    """Move this host's pointer, once it is armed by a real key (Linux)."""

    kind: Literal["mouse"] = "mouse"
    reaches: ClassVar[str] = "moves the pointer of this host"
    steps_per_unit: float = Field(
        default=400.0, gt=0, le=1e6, description="Steps of the mouse for one unit of the workspace."
    )
    up_is_positive: bool = Field(
        default=True, description="Whether a positive second velocity moves the pointer up."
    )
    clicks: bool = Field(default=True, description="Whether a click presses the left button.")


class MouseOutput(ArmedOutput[MouseOutputSettings]):
    """A pointer that moves at the decoded velocity."""

    settings_model = MouseOutputSettings

    _last_t: float | None = None
    _left_over = (0.0, 0.0)

    def intent(self, encoded: bytes, intent: Intent) -> None:
        super().intent(encoded, intent)
        self._last_t = intent.t_sample

    def _needs(self) -> tuple[set[int], bool]:
        return {LEFT_BUTTON}, True

    def _act(self, device: VirtualDevice, intent: Intent) -> bool:
        if isinstance(intent, ClickIntent) and self.settings.clicks:
            device.press(LEFT_BUTTON)
            device.let_go()
            return True
        if not isinstance(intent, CursorIntent):
            return False
        device.move(*self._steps(intent))
        return True

    def _steps(self, intent: CursorIntent) -> tuple[int, int]:
        """Give whole steps right and down since the last intent; what is left over is kept."""
        last = self._last_t
        passed_s = 0.0 if last is None else min(max(0.0, intent.t_sample - last), intent.expires_s)
        across, along, *_ = [*intent.velocity, 0.0, 0.0]
        per_unit = self.settings.steps_per_unit * passed_s
        down = -along if self.settings.up_is_positive else along
        exact = (self._left_over[0] + across * per_unit, self._left_over[1] + down * per_unit)
        whole = (int(exact[0]), int(exact[1]))
        self._left_over = (exact[0] - whole[0], exact[1] - whole[1])
        return whole
