"""Recordings: how one stands while a session makes it, and the files that there are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from volition.service.wire.strictness import Answer


class RecordingState(Answer):
    """State of a session's recording."""

    file: str | None = Field(description="Name of the file; null until there is one.")
    samples: int
    bytes: int
    lost: int = Field(
        description="Samples missing from the recording; after the death of a recorder, all that "
        "it had not confirmed as written."
    )
    restarts: int = Field(
        description="How often the recorder died and was started again, with a new file."
    )
    error: str = Field(description="Why it cannot be written; empty while all is well.")


def recording_view(state: Mapping[str, Any] | None) -> RecordingState | None:
    """Show how a recording stands, where there is one."""
    return None if state is None else RecordingState.model_validate(state)


class RecordingView(Answer):
    """A file in the folder of recordings."""

    id: str
    session: str | None = Field(description="The session that made it, judged by the file's name.")
    epoch: int | None = Field(description="The worker generation of the session that made it.")
    bytes: int
    changed_utc: float = Field(description="When it was last written, seconds since 1970.")
    growing: bool = Field(description="Whether a session records into it now.")


class RecordingList(Answer):
    recordings: list[RecordingView]
