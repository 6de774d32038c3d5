"""Intents as lines on a serial port, for an Arduino, a relay or a robot (the extra ``serial``)."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from volition.decoders.contract.intent import Intent
from volition.decoders.contract.settings import FileName
from volition.service.sessions.intent_rules import IntentRule, IntentText, filled, first_met
from volition.service.sessions.outputs import OutputSettings
from volition.service.worker.outputs.sending import SendingOutput, optional_module

#: A line that the port does not take within this is given up with the link.
_WRITE_S = 0.1


class SerialRule(IntentRule):
    """Which intents become which line."""

    text: IntentText = Field(description='What is written, such as "M {velocity[0]:.2f}\\n".')


class SerialOutputSettings(OutputSettings):
    """Write intents to a serial port."""

    kind: Literal["serial"] = "serial"
    reaches: ClassVar[str] = "writes to a device of this host"
    port: FileName = Field(description="Path of the port, such as /dev/ttyUSB0, or COM3.")
    baud: int = Field(default=115200, ge=50, le=4_000_000, description="Bits a second.")
    rules: list[SerialRule] = Field(
        default_factory=list,
        max_length=256,
        description="Which intents become which text: the first that fits. When left out, each "
        "intent's JSON as a line.",
    )


class SerialOutput(SendingOutput[SerialOutputSettings]):
    """Text on one serial port."""

    settings_model = SerialOutputSettings

    _port: Any = None

    @property
    def _address(self) -> str:
        return str(self.settings.port)

    @property
    def _tells_expiry(self) -> bool:
        return not self.settings.rules

    def _connect(self) -> None:
        serial = optional_module("serial", extra="serial")
        self._port = serial.Serial(
            str(self.settings.port), self.settings.baud, timeout=0, write_timeout=_WRITE_S
        )

    def _send(self, encoded: bytes, intent: Intent) -> bool:
        rule = first_met(self.settings.rules, intent)
        if rule is not None:
            self._port.write(filled(rule.text, intent).encode())
        elif not self.settings.rules:
            self._port.write(encoded + b"\n")
        return rule is not None or not self.settings.rules

    def _disconnect(self) -> None:
        if self._port is not None:
            if self._error:
                self._throw_away()
            self._port.close()
            self._port = None

    def _throw_away(self) -> None:
        """Leave nothing in the port's buffer that could move something later."""
        try:
            self._port.reset_output_buffer()
        except Exception:  # noqa: BLE001 - termios.error is no OSError, and Unix's alone
            return  # the port is gone, and its buffer with it
