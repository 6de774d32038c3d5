"""How strictly each side reads what the other sends."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Answer(BaseModel):
    """What the service says. A client takes what it knows: a newer service may say more."""

    # What has a default is sent as well: a generated client need not ask whether it is there.
    model_config = ConfigDict(
        extra="ignore", ser_json_inf_nan="null", json_schema_serialization_defaults_required=True
    )


class Request(BaseModel):
    """What the service is told: an unknown key is an error that names it."""

    model_config = ConfigDict(extra="forbid")
