"""Events that a client stamps into a session's signal."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from volition.incoming import (
    MOST_DATA_BYTES,
    MOST_DEPTH,
    fault_of_data,
    fault_of_text,
    fault_of_time,
)
from volition.service.wire.strictness import Answer, Request, refused_for


class MarkerBody(Request):
    """An event to stamp into the session."""

    name: Annotated[str, refused_for(fault_of_text)] = Field(min_length=1, max_length=256)
    data: Annotated[dict[str, Any], refused_for(fault_of_data)] = Field(
        default_factory=dict,
        description=f"At most {MOST_DATA_BYTES} bytes, {MOST_DEPTH} deep; numbers are finite.",
    )
    t: (
        Annotated[float, Field(strict=True, allow_inf_nan=False), refused_for(fault_of_time)] | None
    ) = Field(default=None, description="LSL time; the time of receipt when left out.")


class MarkerView(Answer):
    name: str
    t: float
