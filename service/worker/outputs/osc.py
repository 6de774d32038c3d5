"""Intents as Open Sound Control messages, for music, light and stage programs.

A message is an address, the types of its values and the values, each padded to four bytes, numbers
big-endian (Wright, "The Open Sound Control 1.0 Specification", 2002,
https://opensoundcontrol.stanford.edu/spec-1_0.html). Each message is a UDP datagram.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from volition.decoders.contract.intent import Intent
from volition.service.sessions.intent_rules import (
    IntentRule,
    IntentText,
    filled,
    filled_values,
    first_met,
)
from volition.service.sessions.outputs import OutputSettings
from volition.service.worker.outputs.udp import DatagramOutput

OscValue = IntentText | Annotated[int, Field(ge=-(2**31), lt=2**31)] | float


class OscRule(IntentRule):
    """Which intents become which message."""

    address: IntentText = Field(
        pattern="^/", description="Address of the message, such as /lights/{label}."
    )
    values: list[OscValue] = Field(
        default_factory=list, max_length=64, description='Its values, such as "{velocity}" or 1.'
    )


def _usual_rules() -> list[OscRule]:
    values: dict[str, list[OscValue]] = {
        "selection": ["{label}", "{confidence}"],
        "class": ["{label}", "{confidence}"],
        "click": ["{confidence}"],
        "cursor": ["{velocity}"],
        "idle": ["{reason}"],
    }
    return [
        OscRule.model_validate({"intent": kind, "address": f"/volition/{kind}", "values": of})
        for kind, of in values.items()
    ]


class OscOutputSettings(OutputSettings):
    """Send intents as OSC messages to a UDP port."""

    kind: Literal["osc"] = "osc"
    reaches: ClassVar[str] = "sends over the network"
    host: str = Field(default="127.0.0.1", min_length=1, max_length=253, description="Receiver.")
    port: int = Field(ge=1, le=65535, description="Port on which it listens.")
    rules: list[OscRule] = Field(
        default_factory=_usual_rules,
        min_length=1,
        max_length=256,
        description="Which intents become which message: the first that fits. When left out, "
        "/volition/KIND with the label and confidence, the velocity, or the reason of idle.",
    )


class OscOutput(DatagramOutput[OscOutputSettings]):
    """OSC messages to one port."""

    settings_model = OscOutputSettings

    @property
    def _address(self) -> str:
        return f"{self.settings.host}:{self.settings.port}"

    @property
    def _tells_expiry(self) -> bool:
        return False

    def _connect(self) -> None:
        self._open_socket(self.settings.host, self.settings.port)

    def _send(self, encoded: bytes, intent: Intent) -> bool:
        rule = first_met(self.settings.rules, intent)
        if rule is None:
            return False
        values: list[str | int | float] = []
        for one in rule.values:
            values += filled_values(one, intent) if isinstance(one, str) else [one]
        self._send_datagram(osc_message(filled(rule.address, intent), values))
        return True


def osc_message(address: str, values: Sequence[str | int | float]) -> bytes:
    """Encode a message: text, 32-bit integers and 32-bit floats."""
    types, body = ",", b""
    for value in values:
        if isinstance(value, str):
            types, body = types + "s", body + _padded(value)
        elif isinstance(value, int):
            types, body = types + "i", body + struct.pack(">i", value)
        else:
            types, body = types + "f", body + struct.pack(">f", value)
    return _padded(address) + _padded(types) + body


def _padded(text: str) -> bytes:
    """Encode a text with its end, padded to four bytes; OSC knows ASCII, and most read UTF-8."""
    encoded = text.replace("\0", "").encode()
    return encoded + b"\0" * (4 - len(encoded) % 4)
