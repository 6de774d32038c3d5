"""Settings of what is likely to be spelled next."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Words(BaseModel):
    """Which language, and how far it is trusted."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    language: str = Field(
        default="en",
        pattern="^[a-z]{2,3}$",
        description="Language by its ISO 639 code; `volition.decoders.codes.words.lexicon` lists "
        "them.",
    )
    smoothing: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="Share of the prior that all items have alike; 1 is no prior at all.",
    )
    floor: float = Field(
        default=1e-3, gt=0, le=0.01, description="No item is less likely than this."
    )
    space: str = Field(default="_", description="Label of the item that is a space.")
    backspace: str = Field(default="<", description="Label of the item that takes one back.")
    backspace_probability: float = Field(
        default=0.035, gt=0, lt=0.5, description="What is thought of it beforehand, always."
    )
    completions: list[str] = Field(
        default_factory=list,
        max_length=16,
        description="Labels of items that complete the word that is begun, the likeliest first.",
    )
