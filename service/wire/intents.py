"""Intents by the page."""

from __future__ import annotations

from pydantic import Field

from volition.decoders.contract.intent import Intent
from volition.service.wire.strictness import Answer


class IntentPage(Answer):
    intents: list[Intent]
    last_seq: int = Field(description="Number of the newest intent of the session.")
    life: str = Field(default="", description="Life of the session that gave these numbers.")
