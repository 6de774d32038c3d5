"""How strictly each side reads what the other sends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, model_validator

from volition.incoming import MOST_REQUEST_DEPTH, fault_of_data


class Answer(BaseModel):
    """What the service says. A client takes what it knows: a newer service may say more."""

    # What has a default is sent as well: a generated client need not ask whether it is there.
    model_config = ConfigDict(
        extra="ignore", ser_json_inf_nan="null", json_schema_serialization_defaults_required=True
    )


#: The gateway bounds the bytes of a body by its route.
_MOST_BYTES = 64 << 20


class Request(BaseModel):
    """What the service is told: an unknown key is an error that names it."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _can_be_passed_on(cls, data: Any) -> Any:
        """Refuse texts and numbers that could not be written again, and endless nesting."""
        if fault := fault_of_data(data, _MOST_BYTES, MOST_REQUEST_DEPTH):
            raise ValueError(fault)
        return data


def _integer_of(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


#: Takes 1.0 for 1, which JSON Schema does; stands after the bounds of a strict integer.
WHOLE = BeforeValidator(_integer_of)


def refused_for(fault_of: Callable[[Any], str]) -> AfterValidator:
    """Refuse what a function says a fault of, as those of `volition.incoming` do."""

    def check(value: Any) -> Any:
        if fault := fault_of(value):
            raise ValueError(fault)
        return value

    return AfterValidator(check)
