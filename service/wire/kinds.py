"""What is installed, as ``GET /v1/kinds`` tells it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from volition.service.wire.strictness import Answer


class KindView(Answer):
    """A stage, decoder, output or data set that is installed."""

    family: Literal["stages", "decoders", "outputs", "datasets"]
    kind: str = Field(description="What a configuration names it by.")
    summary: str = Field(description="What it does.")
    distribution: str = Field(description="The installed package that brings it.")
    settings_schema: dict[str, Any] | None = Field(
        description="JSON schema of its settings; null for a data set."
    )
    example: str | None = Field(description="Settings that run, YAML.")
    trials: Literal["targets", "classes", "positions"] | None = Field(
        description="What a decoder's trials name; null where nobody can be asked for any."
    )
    calibrated: bool = Field(description="Whether it is a decoder that a person's trials fit.")
    passed_on: list[str] = Field(
        description="Settings that a decoder of another kind takes over when it is "
        "calibrated in its place, if both name them here."
    )


class BrokenView(Answer):
    """Something that is installed and cannot be used."""

    group: str
    name: str
    distribution: str
    error: str


class KindList(Answer):
    kinds: list[KindView]
    broken: list[BrokenView]
