"""Models: those that are kept, and what decodes in a session."""

from __future__ import annotations

from typing import Any, Generic, Literal, Self

from pydantic import Base64Bytes, Field, model_validator

from volition.decoders.contract.settings import FileName
from volition.models.manifest import Manifest, ModelCard, ModelName
from volition.service.wire.settings import DecoderT
from volition.service.wire.strictness import Answer, Request


class ModelUse(Answer):
    """What decodes."""

    decoder: str = Field(description="Kind of the decoder.")
    model: str | None = Field(
        description="The model, as a configuration names it; null for a decoder without one."
    )
    version: str | None = Field(
        description="Version of the model, as in intents; null until it is loaded."
    )


class ChangedSetting(Answer):
    """A setting of the decoder that is another than before."""

    setting: str
    before: Any
    now: Any


class ModelSwap(ModelUse):
    """What decodes from now on."""

    changed: list[ChangedSetting] = Field(
        default_factory=list,
        description="Settings that both decoders have and that differ, beside kind and model.",
    )
    t_sample: float | None = Field(
        description="LSL time of the last sample before the change; null before the first."
    )
    took_s: float = Field(description="Seconds for which the worker's loop stood still.")
    change: str = Field(default="", description="Names this change among the session's `changes`.")


class ModelChange(Answer):
    """A change of what decodes that was asked for."""

    change: str
    decoder: str = Field(description="Kind of the decoder that was asked for.")
    model: str | None
    state: Literal["pending", "made", "not made"]
    reason: str = Field(description="Why it was not made; empty otherwise.")


class SessionModels(Answer):
    now: ModelUse
    earlier: list[ModelUse] = Field(description="What decoded before, newest first.")
    changes: list[ModelChange] = Field(
        default_factory=list, description="The last changes that were asked for, newest first."
    )


class ModelChoice(Request, Generic[DecoderT]):
    """What to decode with: a model, with its own settings or with these."""

    model: FileName | None = Field(
        default=None, min_length=1, max_length=256, description="NAME@VERSION, or NAME."
    )
    decoder: DecoderT | None = Field(
        default=None, description="Settings to use instead of the model's own."
    )

    @model_validator(mode="after")
    def _names_something(self) -> Self:
        if self.model is None and self.decoder is None:
            raise ValueError("give a model, a decoder, or both")
        return self


class ModelList(Answer):
    models: list[Manifest] = Field(description="Sorted by name, then newest version first.")


class ModelVersions(Answer):
    name: str
    versions: list[Manifest] = Field(description="Newest first.")


class ModelUpload(Request):
    """A model's file and its description."""

    name: ModelName
    card: ModelCard
    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="Hash of the file.")
    content: Base64Bytes = Field(description="The file, as base64.")
