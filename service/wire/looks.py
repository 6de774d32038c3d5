"""A look at one stream: asked for, in progress, and what was found."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from volition.service.wire.strictness import Answer, Request

LookState = Literal["looking", "done", "failed", "cancelled"]


class LookBody(Request):
    """Which stream to look at, and for how long."""

    uid: str = Field(
        min_length=1,
        max_length=256,
        pattern=r"^[^\x00-\x1f]*$",
        description="Identifier of the stream, as `GET /v1/streams` gives it.",
    )
    seconds: float = Field(default=30.0, ge=1, le=120, description="How long to look, in seconds.")


class FindingView(Answer):
    """One thing that was looked at."""

    check: str = Field(description="What: rate, stamps, clock, losses, units, channels.")
    ok: bool
    found: str = Field(description="How it is, in words.")
    advice: str = Field(description="What to do; empty where nothing is to be done.")
    stream: dict[str, Any] = Field(description="What to set in a session's `stream`.")


class LookView(Answer):
    """A look at one stream."""

    id: str
    uid: str = Field(description="Identifier of the stream.")
    seconds: float = Field(description="How long the stream is looked at, in seconds.")
    state: LookState
    progress: float = Field(ge=0, le=1, description="Share of that time which has passed.")
    detail: str = Field(description="Why it failed; empty otherwise.")
    findings: list[FindingView] = Field(description="Empty until it is done.")


class LookList(Answer):
    looks: list[LookView]
