"""The session's configuration: one model for a YAML file, a REST body and a recording's header.

The unions of stages and decoders come from the registry; an unknown key is an error that names
the key. Shipped configurations are the YAML files in ``service/presets``.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from decoders import registry
from decoders.pipeline import Pipeline
from decoders.settings import Settings
from streams.errors import ConfigError

if TYPE_CHECKING:
    AnyStageSettings = Settings
    AnyDecoderSettings = Settings
else:
    AnyStageSettings = registry.settings_union(registry.stages())
    AnyDecoderSettings = registry.settings_union(registry.decoders_by_kind())


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StreamSelector(_Model):
    """Which LSL stream: every key that is given must match."""

    name: str | None = None
    type: str | None = None
    source_id: str | None = None
    wait_s: float = Field(
        default=10.0, gt=0, le=3600, description="How long to look for the stream."
    )

    @model_validator(mode="after")
    def _names_something(self) -> StreamSelector:
        if self.name is None and self.type is None and self.source_id is None:
            raise ValueError("give at least one of name, type, source_id")
        return self


class SignalStream(StreamSelector):
    """The stream of samples, and which of its channels to use."""

    type: str | None = "EEG"
    channels: list[str] | None = Field(
        default=None, min_length=1, description="Labels to use, in this order; all when left out."
    )
    units: str | None = Field(
        default=None, description="Unit of the samples where the stream names none, or a wrong one."
    )


class MarkerStream(StreamSelector):
    """The stream of markers."""

    type: str | None = "Markers"


class Outputs(_Model):
    """Where intents go beside the API."""

    lsl_outlet: bool = Field(default=False, description="Publish intents as an LSL marker stream.")
    trace: bool = Field(
        default=False, description="Add to each intent the moments it passed the worker's steps."
    )


class SessionConfig(_Model):
    """A stream, stages, a decoder and outputs."""

    name: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$",
        description="The session's id; made up when left out.",
    )
    stream: SignalStream
    markers: MarkerStream | None = Field(
        default=None, description="LSL marker stream to listen to; markers by REST always work."
    )
    stages: list[AnyStageSettings] = Field(default_factory=list, max_length=32)
    decoder: AnyDecoderSettings
    outputs: Outputs = Outputs()

    def build_pipeline(self) -> Pipeline:
        """Make the stages and the decoder that this configuration names."""
        return Pipeline(
            [registry.build_stage(stage) for stage in self.stages],
            registry.build_decoder(self.decoder),
        )
