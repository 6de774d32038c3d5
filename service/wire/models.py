"""Models: those that are kept, and what decodes in a session."""

from __future__ import annotations

from typing import Generic, Self

from pydantic import Base64Bytes, Field, model_validator

from volition.models.manifest import Manifest, ModelCard, ModelName
from volition.service.wire.settings import DecoderT
from volition.service.wire.strictness import Answer, Request


class ModelUse(Answer):
    """What decodes."""

    decoder: str = Field(description="Kind of the decoder.")
    model: str | None = Field(description="As a configuration names it; null for one without.")
    version: str | None = Field(description="Of the model, as in intents; null until it was read.")


class ModelSwap(ModelUse):
    """What decodes from now on."""

    t_sample: float | None = Field(
        description="LSL time of the last sample before the change; null before the first."
    )
    took_s: float = Field(description="How long the worker's loop stood for it.")


class SessionModels(Answer):
    now: ModelUse
    earlier: list[ModelUse] = Field(description="What ran before, the newest first.")


class ModelChoice(Request, Generic[DecoderT]):
    """What is to decode: a model, with the settings that it was made with or these."""

    model: str | None = Field(
        default=None, min_length=1, max_length=256, description="NAME@VERSION, or NAME."
    )
    decoder: DecoderT | None = Field(
        default=None, description="Settings, in place of those that the model was made with."
    )

    @model_validator(mode="after")
    def _names_something(self) -> Self:
        if self.model is None and self.decoder is None:
            raise ValueError("give a model, a decoder, or both")
        return self


class ModelList(Answer):
    models: list[Manifest] = Field(description="By name, the newest version first.")


class ModelVersions(Answer):
    name: str
    versions: list[Manifest] = Field(description="The newest first.")


class ModelUpload(Request):
    """A model's file with what is said of it."""

    name: ModelName
    card: ModelCard
    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="Of the file.")
    content: Base64Bytes = Field(description="The file, as base64.")
