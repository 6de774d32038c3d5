"""Intents as keys of this host's keyboard, for any program that has the focus.

Off until a real key arms it (`volition.service.worker.outputs.linux_input`).
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from volition.decoders.contract.intent import Intent
from volition.service.sessions.intent_rules import IntentRule, first_met
from volition.service.worker.outputs.linux_input import (
    KEYS,
    ArmedOutput,
    ArmedSettings,
    Key,
    VirtualDevice,
)


class KeyRule(IntentRule):
    """Which intents press which keys."""

    keys: list[Key] = Field(
        min_length=1, max_length=8, description="Keys that are pressed together, in this order."
    )
    press: Literal["tap", "hold"] = Field(
        default="tap",
        description="tap: down and up at once. hold: down until another intent, or its end.",
    )


class KeyboardOutputSettings(ArmedSettings):
    """Press keys of this host's keyboard, once it is armed by a real one (Linux)."""

    kind: Literal["keyboard"] = "keyboard"
    reaches: ClassVar[str] = "presses keys of this host"
    rules: list[KeyRule] = Field(
        min_length=1, max_length=256, description="Which intents press which keys: the first."
    )


class KeyboardOutput(ArmedOutput[KeyboardOutputSettings]):
    """Keys that any program of this host takes for a person's."""

    settings_model = KeyboardOutputSettings

    _held_by: KeyRule | None = None

    def _needs(self) -> tuple[set[int], bool]:
        return {KEYS[key] for rule in self.settings.rules for key in rule.keys}, False

    def _act(self, device: VirtualDevice, intent: Intent) -> bool:
        rule = first_met(self.settings.rules, intent)
        if rule is None or rule.press == "tap" or rule is not self._held_by:
            device.let_go()
        self._held_by = rule
        if rule is None:
            return False
        device.press(*(KEYS[key] for key in rule.keys))
        if rule.press == "tap":
            device.let_go()
        return True
