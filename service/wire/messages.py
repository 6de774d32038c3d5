"""The messages of a session's sockets, each way."""

from __future__ import annotations

from typing import Annotated, Any, Generic, Literal

from pydantic import ConfigDict, Field, TypeAdapter

from volition.decoders.contract.intent import Intent
from volition.service.sessions.states import SessionState
from volition.service.wire.calibrations import CalibrationState
from volition.service.wire.markers import MarkerBody, MarkersBody
from volition.service.wire.settings import ConfigT
from volition.service.wire.strictness import Answer, Request

PROTOCOL: Literal["volition.v1.json"] = "volition.v1.json"


class Hello(Answer, Generic[ConfigT]):
    """The first message: the state of the session."""

    type: Literal["hello"] = "hello"
    protocol: Literal["volition.v1.json"] = PROTOCOL
    session: str
    state: SessionState
    held: bool = Field(description="Whether the emergency stop holds all outputs.")
    life: str = Field(
        default="",
        description="Names the numbering of the session's intents. A number of another life "
        "cannot be resumed from.",
    )
    epoch: int
    last_seq: int
    lsl_time: float
    config: ConfigT


class Status(Answer):
    """The session's state or its decoder changed."""

    type: Literal["status"] = "status"
    session: str
    state: SessionState
    reason: str
    held: bool = Field(description="Whether the emergency stop holds all outputs.")
    confirmed: bool = Field(
        default=False,
        description="Whether the stop is known to hold: the session's worker obeys, or there is "
        "none.",
    )
    decoder: str = Field(description="Kind of the decoder that runs.")
    model: str | None = Field(description="Its model; null for a decoder without one.")
    t: float
    epoch: int


class CueMessage(Answer):
    """What a guided calibration asks for; the client that shows the targets shows it."""

    type: Literal["cue"] = "cue"
    session: str
    calibration: str
    phase: Literal["cue", "trial", "pause", "end"] = Field(
        description="cue: show what to look at; trial: it begins; pause: it is over; end: all are "
        "over."
    )
    trial: int = Field(description="Number of the trial, from 1.")
    trials: int = Field(description="Number of trials; 0 where they go on for a set time.")
    target: int | None = Field(description="Index of the target; null at rest.")
    label: str
    data: dict[str, Any] = Field(
        description="Data of the onset's marker (trial_start; for a cursor's target: position, "
        "radius). At the end of a cursor's target, its outcome: hit or timeout."
    )
    t: float = Field(
        description="LSL time of the onset, or of this message where there is no onset."
    )
    t_end: float = Field(description="LSL time at which the trial ends.")


class CalibrationMessage(Answer):
    """A calibration made progress."""

    type: Literal["calibration"] = "calibration"
    session: str
    calibration: str
    state: CalibrationState
    step: str
    progress: float
    model: str | None = Field(description="NAME@VERSION, once it is fitted.")
    reason: str | None = Field(description="Why the calibration was refused.")


class GapMessage(Answer):
    """Intents that this client will not receive.

    To a client that resumes behind a number of another life it is all that this life has numbered
    so far: from 1 to `last_seq` of the `hello`.
    """

    model_config = ConfigDict(populate_by_name=True)

    type: Literal["gap"] = "gap"
    first: int = Field(alias="from")
    last: int = Field(alias="to")


class Bye(Answer):
    """Why the service closes the socket."""

    type: Literal["bye"] = "bye"
    reason: str


class Pong(Answer):
    """Answer to a ping: both clocks, and whether the client keeps up."""

    type: Literal["pong"] = "pong"
    t_client: float | None
    lsl_time: float
    waiting: int = Field(default=0, description="Intents that wait for this client.")
    behind_s: float = Field(
        default=0.0,
        description="For how long this client has not read what it is sent, seconds; 0 while it "
        "keeps up.",
    )


class Refused(Answer):
    """A message from the client was not understood or not allowed."""

    type: Literal["refused"] = "refused"
    detail: str


class SignalHello(Answer):
    """What the binary frames of a signal's socket hold; sent again after a change."""

    type: Literal["signal"] = "signal"
    protocol: Literal["volition.v1.json"] = PROTOCOL
    session: str
    source: Literal["cleaned", "raw"]
    rate_hz: float = Field(
        description="Sampling rate of the signal itself; 0 for an irregular one."
    )
    labels: list[str]
    units: list[str]
    lsl_time: float


class MarkerMessage(MarkerBody):
    type: Literal["marker"] = "marker"


class MarkersMessage(MarkersBody):
    """Events to stamp together; as `POST …/markers/batch`."""

    type: Literal["markers"] = "markers"


class Ping(Request):
    type: Literal["ping"] = "ping"
    t_client: float | None = Field(
        default=None, allow_inf_nan=False, description="The client's own clock, returned unchanged."
    )


class Gather(Request):
    """From now on, send intents in groups, for a client that only shows them; none is left out."""

    type: Literal["gather"] = "gather"
    for_s: float = Field(
        ge=0,
        le=1,
        description="Longest time that an intent is held back, in seconds; 0 for no delay.",
    )


class EmergencyStop(Request):
    """Hold all outputs of the session; they can be released over REST only."""

    type: Literal["estop"] = "estop"


#: What may follow the first message.
LaterMessage = Intent | Status | CueMessage | CalibrationMessage | GapMessage | Bye | Pong | Refused
ServerMessage = Annotated[Hello | LaterMessage, Field(discriminator="type")]


ClientMessage = Annotated[
    MarkerMessage | MarkersMessage | Ping | Gather | EmergencyStop, Field(discriminator="type")
]


SignalMessage = Annotated[SignalHello | Bye, Field(discriminator="type")]


signal_message_adapter: TypeAdapter[SignalMessage] = TypeAdapter(SignalMessage)


server_message_adapter: TypeAdapter[ServerMessage] = TypeAdapter(ServerMessage)


client_message_adapter: TypeAdapter[ClientMessage] = TypeAdapter(ClientMessage)
