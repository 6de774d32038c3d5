"""The configurations that ship."""

from __future__ import annotations

from pydantic import Field

from volition.service.wire.strictness import Answer


class PresetView(Answer):
    """A configuration that ships."""

    name: str
    about: str = Field(description="What it is for, and what it needs.")
    text: str = Field(description="The file, YAML.")


class PresetList(Answer):
    presets: list[PresetView]
