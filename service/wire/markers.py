"""Events that a client stamps into a session's signal."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from volition.incoming import (
    MOST_DATA_BYTES,
    MOST_DEPTH,
    fault_of_data,
    fault_of_text,
    fault_of_time,
    n_bytes_of,
)
from volition.service.wire.strictness import Answer, Request, refused_for

#: A batch holds four seconds of a display of 60 Hz whose every frame is marked, or the flashes of a
#: whole selection by rows and columns.
MOST_MARKERS = 256
MOST_BATCH_BYTES = 32_768


LslTime = Annotated[float, Field(strict=True, allow_inf_nan=False), refused_for(fault_of_time)]


class MarkerBody(Request):
    """An event to stamp into the session."""

    name: Annotated[str, refused_for(fault_of_text)] = Field(min_length=1, max_length=256)
    data: Annotated[dict[str, Any], refused_for(fault_of_data)] = Field(
        default_factory=dict,
        description=f"At most {MOST_DATA_BYTES} bytes, {MOST_DEPTH} deep; numbers are finite.",
    )
    t: LslTime | None = Field(
        default=None, description="LSL time; the time of receipt when left out."
    )


class StampedMarker(MarkerBody):
    """An event of a batch; its time says where it belongs."""

    t: LslTime = Field(description="LSL time.")


class MarkersBody(Request):
    """Events to stamp into the session together: all of them, or none if one is wrong."""

    markers: list[StampedMarker] = Field(
        min_length=1,
        max_length=MOST_MARKERS,
        description=f"In any order; their names and data are at most {MOST_BATCH_BYTES} bytes.",
    )

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        n_bytes = sum(n_bytes_of([one.name, one.data]) for one in self.markers)
        if n_bytes > MOST_BATCH_BYTES:
            raise ValueError(
                f"names and data of a batch are {n_bytes} bytes, at most {MOST_BATCH_BYTES} are "
                "allowed"
            )
        return self


class MarkerView(Answer):
    name: str
    t: float


class StampedView(Answer):
    """How many events were stamped."""

    count: int
