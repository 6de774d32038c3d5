"""Events that a client stamps into a session's signal."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from volition.service.wire.strictness import Answer, Request


class MarkerBody(Request):
    """An event to stamp into the session."""

    name: str = Field(min_length=1, max_length=256)
    data: dict[str, Any] = Field(default_factory=dict)
    t: Annotated[float, Field(strict=True, allow_inf_nan=False)] | None = Field(
        default=None, description="LSL time; the time of receipt when left out."
    )


class MarkerView(Answer):
    name: str
    t: float
