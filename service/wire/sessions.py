"""Sessions, and each step of their state."""

from __future__ import annotations

from typing import Generic, Literal

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


class StopDeed(Answer):
    """One press of the emergency stop, or its release."""

    order: int = Field(description="Number of the press, or of the last press that was released.")
    by: str = Field(description="Name of the token or of the user.")
    where: str = Field(description="From where.")
    utc: float = Field(description="When, UTC, seconds since 1970.")


class StopView(Answer):
    """The emergency stop of a session."""

    order: int = Field(description="Number of the newest press; 0 before the first.")
    confirmed: bool = Field(
        description="Whether nothing but neutral intents leaves the session: its worker says so, "
        "or has to read of the stop before it sends anything. False while the stop is not set; "
        "pressing again leaves it as it is. Each press is confirmed by its own answer."
    )
    pressed: StopDeed | None = Field(description="The newest press.")
    released: StopDeed | None = Field(description="The newest release.")
    remembered: bool = Field(
        default=True,
        description="Whether the disk has the newest press and the newest release: what it has not "
        "taken yet survives all but a power cut, and the disk is asked until it has.",
    )
    release_moves: list[str] = Field(
        description="What is let go by a release: who and what gets intents of this session."
    )


class StopAnswer(Answer):
    """What became of a press of the emergency stop."""

    order: int = Field(description="Number of this press.")
    outcome: Literal["confirmed", "no_worker", "killed"] = Field(
        description="How it holds: the worker obeys; there is none; or it did not obey within "
        "150 ms, was killed, and comes back held."
    )
    took_ms: float = Field(description="From the press until it held.")
    remembered: bool = Field(
        description="Whether it is on the disk; if not, it survives all but a power cut, and the "
        "disk is asked until it has it: see `remembered` of the view's `stop`."
    )


class SessionView(Answer, Generic[ConfigT]):
    """A session: its state and its configuration."""

    id: str
    state: SessionState
    reason: str
    since_utc: float
    held: bool = Field(description="Whether the emergency stop holds all outputs.")
    stop: StopView
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


class StoppedSession(SessionView[ConfigT], Generic[ConfigT]):
    """A session whose emergency stop was pressed, and what became of that."""

    answer: StopAnswer


class SessionList(Answer):
    sessions: list[SessionView]
