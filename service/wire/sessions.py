"""Sessions, and each step of their state."""

from __future__ import annotations

from typing import Generic

from pydantic import Field

from volition.service.sessions.states import SessionState
from volition.service.wire.models import ModelUse
from volition.service.wire.recordings import RecordingState
from volition.service.wire.settings import ConfigT
from volition.service.wire.streams import StreamView
from volition.service.wire.strictness import Answer


class StepView(Answer):
    state: SessionState
    reason: str
    t: float = Field(description="LSL time, seconds.")
    utc: float = Field(description="UTC, seconds since 1970.")


class SessionView(Answer, Generic[ConfigT]):
    """A session: its state and its configuration."""

    id: str
    state: SessionState
    reason: str
    since_utc: float
    held: bool = Field(description="Whether the emergency stop holds all outputs.")
    life: str = Field(default="", description="Names the numbering of the session's intents.")
    epoch: int = Field(description="Number of workers that the session has had.")
    worker_pid: int | None = Field(description="Process id of the worker; null when there is none.")
    last_seq: int
    stream: StreamView | None = Field(description="The stream in use, once it is found.")
    warnings: list[str]
    recording: RecordingState | None = Field(description="Null while the session is not recorded.")
    model: ModelUse = Field(description="What decodes now.")
    config: ConfigT
    steps: list[StepView] = Field(description="The latest changes of the state, oldest first.")


class SessionList(Answer):
    sessions: list[SessionView]
