"""Recordings: how one stands while a session makes it, and the files that there are."""

from __future__ import annotations

from pydantic import Field

from volition.service.wire.strictness import Answer


class RecordingState(Answer):
    """How a session's recording stands."""

    file: str | None = Field(description="Its name; null until there is one.")
    samples: int
    bytes: int
    lost: int = Field(
        description="Samples that the recording had to leave out. For a recorder that died, those "
        "that it was not known to have written."
    )
    restarts: int = Field(
        description="Times that the recorder died and was started again, into a new file."
    )
    error: str = Field(description="What keeps it from being written; empty while all is well.")


class RecordingView(Answer):
    """A file in the folder of recordings."""

    id: str
    session: str | None = Field(description="Whose recording it is, by its name.")
    epoch: int | None = Field(description="In which life of the session's worker it was made.")
    bytes: int
    changed_utc: float = Field(description="When it was last written, seconds since 1970.")
    growing: bool = Field(description="Whether a session records into it now.")


class RecordingList(Answer):
    recordings: list[RecordingView]
