"""What the service says of itself, and the tickets that it gives."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from volition.service.wire.strictness import Answer


class Health(Answer):
    status: Literal["ok"] = "ok"
    version: str
    lsl_time: float = Field(description="LSL time of the service's host, seconds.")
    utc: float = Field(description="UTC of the same moment, seconds since 1970.")


class Readiness(Answer):
    ready: bool
    reasons: list[str] = Field(description="Why it cannot take a session; empty when it can.")


class TicketView(Answer):
    """A ticket, shown once."""

    ticket: str
    role: str = Field(description="read, control or admin.")
    expires_s: float = Field(description="Seconds within which it must be used.")
