"""What goes over the wire, beside the configuration and the intents themselves.

OpenAPI is generated from the REST models, AsyncAPI from the socket's messages.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    Base64Bytes,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    model_validator,
)

from volition.decoders.contract.intent import Intent
from volition.models.manifest import Manifest, ModelCard, ModelName
from volition.service.sessions.config import AnyDecoderSettings, SessionConfig
from volition.service.sessions.states import SessionState

PROTOCOL: Literal["volition.v1.json"] = "volition.v1.json"


class _Answer(BaseModel):
    """What the service says. A client takes what it knows: a newer service may say more."""

    model_config = ConfigDict(extra="ignore", ser_json_inf_nan="null")


class _Request(BaseModel):
    """What the service is told: an unknown key is an error that names it."""

    model_config = ConfigDict(extra="forbid")


# -- REST -------------------------------------------------------------------------------------


class Health(_Answer):
    status: Literal["ok"] = "ok"
    version: str
    lsl_time: float = Field(description="LSL time of the service's host, seconds.")
    utc: float = Field(description="UTC of the same moment, seconds since 1970.")


class Readiness(_Answer):
    ready: bool
    reasons: list[str] = Field(description="Why it cannot take a session; empty when it can.")


class StreamView(_Answer):
    """An LSL stream on the network."""

    name: str
    type: str
    source_id: str
    host: str
    uid: str
    rate_hz: float = Field(description="Nominal sampling rate, 0 for an irregular stream.")
    format: str
    n_channels: int
    labels: list[str]
    units: list[str]
    kinds: list[str]
    clock_offset_s: float | None = Field(
        description="What must be added to the stream's times to get this host's LSL time."
    )


class StreamList(_Answer):
    streams: list[StreamView]


class StepView(_Answer):
    state: SessionState
    reason: str
    t: float = Field(description="LSL time, seconds.")
    utc: float = Field(description="UTC, seconds since 1970.")


class RecordingState(_Answer):
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


class OutputView(_Answer):
    """How one of a session's outputs stands."""

    kind: str
    state: Literal["opening", "open", "stalled", "failed"] = Field(
        description="stalled: it takes more than a second for something; failed: it is closed, and "
        "the session goes on without it."
    )
    intents: int = Field(description="Intents that it has taken.")
    dropped: int = Field(description="Messages to it that were dropped since it was too slow.")
    withdrawn: int = Field(
        description="Intents that an emergency stop took back before they were given to it."
    )
    error: str = Field(description="What keeps it from its work; empty while all is well.")
    detail: dict[str, Any] = Field(description="What the output says of itself.")


class RecordingView(_Answer):
    """A file in the folder of recordings."""

    id: str
    session: str | None = Field(description="Whose recording it is, by its name.")
    epoch: int | None = Field(description="In which life of the session's worker it was made.")
    bytes: int
    changed_utc: float = Field(description="When it was last written, seconds since 1970.")
    growing: bool = Field(description="Whether a session records into it now.")


class RecordingList(_Answer):
    recordings: list[RecordingView]


class ModelUse(_Answer):
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


class SessionModels(_Answer):
    now: ModelUse
    earlier: list[ModelUse] = Field(description="What ran before, the newest first.")


class ModelChoice(_Request):
    """What is to decode: a model, with the settings that it was made with or these."""

    model: str | None = Field(
        default=None, min_length=1, max_length=256, description="NAME@VERSION, or NAME."
    )
    decoder: AnyDecoderSettings | None = Field(
        default=None, description="Settings, in place of those that the model was made with."
    )

    @model_validator(mode="after")
    def _names_something(self) -> ModelChoice:
        if self.model is None and self.decoder is None:
            raise ValueError("give a model, a decoder, or both")
        return self


class CursorPlan(_Request):
    """A cursor's calibration from nothing: targets one by one, newer models, help that fades."""

    seconds: float = Field(default=180.0, ge=5, le=1800, description="How long it lasts.")
    first_s: float | None = Field(
        default=None,
        gt=0,
        description="Until the first model; 12, or a quarter of it, when left out.",
    )
    refresh_s: float = Field(
        default=3.0, ge=0.5, le=600, description="From one model to the next, at the least."
    )
    helped_s: float | None = Field(
        default=None,
        gt=0,
        description="Until the help has faded; 0.64 of it (115 s of 180) when left out.",
    )
    hold_s: float = Field(default=0.3, gt=0, le=10, description="To stay in a target.")
    timeout_s: float = Field(
        default=5.0,
        gt=0,
        le=60,
        description="Of a target; 2 s until the first model, while the cursor stands.",
    )


class GuidedPlan(_Request):
    """A guided calibration: what the service asks for, and when; a client shows it."""

    cursor: CursorPlan | None = Field(
        default=None,
        description="Guide a cursor by this, and not by trials of a fixed length: of the rest "
        "only targets and seed count.",
    )

    blocks: int = Field(default=4, ge=1, le=50, description="Each target comes once in each.")
    rest_trials: int = Field(default=0, ge=0, le=20, description="Trials at rest in each block.")
    cue_s: float = Field(default=0.6, ge=0, le=30, description="From the cue to the onset.")
    trial_s: float = Field(default=2.0, gt=0, le=60, description="From the onset to its end.")
    pause_s: float = Field(default=0.4, ge=0, le=60, description="From the end to the next cue.")
    seed: int = Field(default=0, ge=0, le=1 << 31, description="Of the order within the blocks.")
    onsets: Literal["service", "client"] = Field(
        default="service",
        description="Who marks the onsets (trial_start, with the data of the cue): the service, at "
        "the time that the cue announced, or whoever shows the flicker, at the time it began.",
    )
    targets: list[dict[str, Any]] | None = Field(
        default=None,
        min_length=1,
        max_length=256,
        description="Data of each target's marker (position and radius of a cursor's target); the "
        "decoder's own targets when left out.",
    )


class CalibrationBody(_Request):
    """What is to be calibrated, and on what."""

    name: ModelName = Field(description="Of the model; it gets a new version.")
    source: Literal["session", "recording", "guided"] = Field(
        default="session",
        description="The session's signal so far with its markers, a recording, or trials that "
        "the service now asks for.",
    )
    recording: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,159}$",
        description="Its id; needs the role admin, as recordings do.",
    )
    guided: GuidedPlan = GuidedPlan()
    decoder: AnyDecoderSettings | None = Field(
        default=None, description="What to calibrate; the session's own decoder when left out."
    )
    last_s: float | None = Field(
        default=None, gt=0, le=7200, description="Of the session, only the newest so many seconds."
    )
    options: dict[str, float] = Field(
        default_factory=dict,
        description="For cursors: speed, slowing_s and reaction_s of what is meant. For a network "
        "of flicker (dnn): passes over the trials, batch and dropout of its training.",
    )
    swap: bool = Field(default=False, description="Decode by the new model as soon as it is there.")
    licence: str = Field(default="", max_length=4000)
    note: str = Field(default="", max_length=4000)

    @model_validator(mode="after")
    def _says_which(self) -> CalibrationBody:
        if (self.source == "recording") != (self.recording is not None):
            raise ValueError("recording goes with the source 'recording', and with no other")
        return self


class CalibrationRefusal(_Answer):
    """Why a calibration gave no model."""

    reason: str = Field(
        description="no-trials, too-few-trials, class-missing, trials-too-short, missing-samples, "
        "flat-channel, bad-channel, not-above-chance, cannot-be-calibrated, cannot-be-fitted, "
        "model-changed, or the code of another error."
    )
    detail: str
    fields: dict[str, Any] = Field(default_factory=dict)


CalibrationState = Literal[
    "guiding", "collecting", "fitting", "swapping", "done", "refused", "cancelled"
]


class CalibrationView(_Answer):
    """Where a calibration stands."""

    id: str
    session: str
    name: str
    source: Literal["session", "recording", "guided"]
    state: CalibrationState
    step: str = Field(description="What it does now.")
    progress: float = Field(description="0 to 1; of a guided one its trials are the first half.")
    trials_done: int = 0
    trials: int = Field(
        default=0, description="That a guided one asks for; 0 for a cursor's, which goes by time."
    )
    hits: int = Field(default=0, description="Of a cursor's, targets that were reached.")
    models: int = Field(default=0, description="Of a cursor's, models taken up on the way.")
    started_utc: float
    ended_utc: float | None = None
    model: Manifest | None = Field(default=None, description="The new version, with its scores.")
    swapped: ModelSwap | None = Field(default=None, description="Where a swap was asked for.")
    refusal: CalibrationRefusal | None = None


class CalibrationList(_Answer):
    calibrations: list[CalibrationView] = Field(description="Of the session, the newest first.")


class SessionView(_Answer):
    id: str
    state: SessionState
    reason: str
    since_utc: float
    held: bool = Field(description="Whether the emergency stop holds all outputs.")
    epoch: int = Field(description="Lives of the worker so far.")
    worker_pid: int | None = Field(description="Process of the worker; null when there is none.")
    last_seq: int
    stream: StreamView | None = Field(description="The stream in use, once it was found.")
    warnings: list[str]
    recording: RecordingState | None = Field(
        description="Null when the session is not recorded, or has not begun to be."
    )
    model: ModelUse = Field(description="What decodes now.")
    config: SessionConfig
    steps: list[StepView] = Field(description="The last steps of the state, oldest first.")


class PresetView(_Answer):
    """A configuration that ships."""

    name: str
    about: str = Field(description="What it is for, and what it needs.")
    text: str = Field(description="The file, YAML.")


class PresetList(_Answer):
    presets: list[PresetView]


SimulationKind = Literal["recording", "speller", "cursor"]


class SimulationBody(_Request):
    """A headset or person to play."""

    kind: SimulationKind = Field(
        default="recording",
        description="A packaged recording of a person who looks at LEDs, or a simulated person "
        "before the speller or the cursor, who is told what the screen shows.",
    )


def _whole(value: object) -> object:
    """Give 1 for 1.0: to JSON Schema they are the same integer."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


class GazeBody(_Request):
    """What a simulated person looks at."""

    target: Annotated[int, Field(strict=True, ge=0, le=39), BeforeValidator(_whole)] | None = Field(
        default=None, description="Index of the flicker, row by row; null for none."
    )
    t: Annotated[float, Field(strict=True, ge=-1e12, le=1e12)] | None = Field(
        default=None,
        description="LSL time of the flicker's onset, from which its phase counts; now if past.",
    )


_Centimetres = Annotated[float, Field(strict=True, ge=-1000, le=1000)]
_Place = tuple[_Centimetres, _Centimetres]


class SceneBody(_Request):
    """Where things are on a simulated person's screen, centimetres right and up of its middle."""

    cursor: _Place
    target: _Place | None = None


class SimulationView(_Answer):
    """A simulated headset that plays."""

    id: str
    kind: SimulationKind
    about: str
    source_id: str = Field(
        description="Of its LSL stream; that of a recording's markers ends in -markers."
    )
    decoder: dict[str, Any] | None = Field(
        description="The decoder that was fitted to a person; a session takes it as it is."
    )


class SimulationList(_Answer):
    simulations: list[SimulationView]


class QualityView(_Answer):
    """One channel's last second, before any stage."""

    label: str
    flat: bool
    saturated: bool
    line_noise: float = Field(description="Share of the power at 50 or 60 Hz.")
    rms: float = Field(description="In the channel's unit, without its mean.")
    missing: float = Field(description="Share of the samples that are missing.")
    impedance_kohm: float | None = Field(description="Null where the device sends none.")
    position: tuple[float, float] | None = Field(
        description="Of an electrode of the 10-20 system, the head seen from above: right and "
        "forward of the vertex, the line from nasion over the ears to inion at 1."
    )


class ChannelSpectrum(_Answer):
    """The spectrum of one channel."""

    label: str
    unit: str
    amplitudes: list[float] | None = Field(
        description="At each frequency, in the unit by the square root of 1 Hz; null where samples "
        "are missing."
    )


class SpectrumView(_Answer):
    """The amplitude spectrum of a session's signal, by Welch's method."""

    t: float | None = Field(description="Time stamp of the newest sample; null without any.")
    seconds: float = Field(description="How much signal it is of.")
    freqs_hz: list[float]
    channels: list[ChannelSpectrum]


class ContinuityView(_Answer):
    """What the stamps of the samples told, since the worker started."""

    samples: int
    missing: int = Field(description="Samples that never came.")
    gaps: int
    bridged: int = Field(description="Of the missing samples, those that were filled.")
    repeated: int = Field(description="Samples that came twice and were dropped.")
    equal_stamps: int
    early_stamps: int
    bad_stamps: int
    jumps_forward: int
    jumps_backward: int
    resets: int = Field(description="How often the pipeline was made to forget.")
    nonfinite: int = Field(description="Values that were no numbers.")
    rate_hz: float | None = Field(description="Measured since the last reset; null until then.")
    drift_ppm: float | None = Field(description="Of the measured from the nominal rate.")
    tolerance_s: float = Field(description="Steps of up to this are no gap.")


class ClockView(_Answer):
    """The clock of the stream's host, by LSL's measure."""

    offset_s: float | None = Field(description="What is added to the stream's times.")
    uncertainty_s: float | None
    steps: int = Field(description="How often the offset stepped.")


class SessionList(_Answer):
    sessions: list[SessionView]


class StateView(_Answer):
    """The state of the decoder and of its signal now."""

    session: str
    state: SessionState
    reason: str
    held: bool = Field(description="Whether the emergency stop holds all outputs.")
    epoch: int
    last_seq: int
    fresh: bool = Field(description="Whether the worker answered; else the last it said stands.")
    lsl_time: float
    t_last_sample: float | None = Field(default=None, description="When samples last came.")
    t_newest: float | None = Field(
        default=None, description="Time stamp of the newest of the samples counted in `samples`."
    )
    signal: dict[str, Any] | None = Field(
        default=None, description="Rate, labels and units that the decoder sees."
    )
    quality: list[QualityView] = Field(default_factory=list, description="Of each channel.")
    continuity: ContinuityView | None = None
    clock: ClockView | None = None
    outputs: list[OutputView] = Field(
        default_factory=list,
        description="In the order of the configuration; empty until the signal is known.",
    )
    recording: RecordingState | None = None
    model: ModelUse
    stages: list[dict[str, Any]] = Field(
        default_factory=list, description="What each stage did, in their order."
    )
    decoder: dict[str, Any] | None = Field(default=None, description="The decoder's own state.")
    latency_ms: dict[str, dict[str, float]] = Field(
        default_factory=dict, description="Percentiles by step, milliseconds."
    )
    samples: int = 0
    chunks: int = 0
    intents: int = 0
    dropped_samples: int = Field(default=0, description="Dropped unread because of overload.")
    lost_with_workers: int = Field(
        default=0,
        description="Samples between the last that a worker which died had told of, four times a "
        "second, and the first of its successor: the most that may be lost.",
    )
    reconnects: int = 0
    restarts: int = 0
    clients: int = 0
    dropped_by_bus: int = 0


class IntentPage(_Answer):
    intents: list[Intent]
    last_seq: int = Field(description="Number of the newest intent of the session.")


class MarkerBody(_Request):
    """An event to stamp into the session."""

    name: str = Field(min_length=1, max_length=256)
    data: dict[str, Any] = Field(default_factory=dict)
    t: Annotated[float, Field(strict=True, allow_inf_nan=False)] | None = Field(
        default=None, description="LSL time; that of receipt when left out."
    )


class MarkerView(_Answer):
    name: str
    t: float


class ModelList(_Answer):
    models: list[Manifest] = Field(description="By name, the newest version first.")


class ModelVersions(_Answer):
    name: str
    versions: list[Manifest] = Field(description="The newest first.")


class ModelUpload(_Request):
    """A model's file with what is said of it."""

    name: ModelName
    card: ModelCard
    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="Of the file.")
    content: Base64Bytes = Field(description="The file, as base64.")


class TicketView(_Answer):
    """A ticket, shown once."""

    ticket: str
    role: str = Field(description="read, control or admin.")
    expires_s: float = Field(description="Seconds within which it must be used.")


class ProblemError(_Answer):
    path: str
    message: str
    allowed: list[str] | None = None


class Problem(BaseModel):
    """RFC 9457 problem document; further members depend on the type."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    errors: list[ProblemError] | None = None


# -- the socket, server to client -------------------------------------------------------------


class Hello(_Answer):
    """The first message: where the session stands."""

    type: Literal["hello"] = "hello"
    protocol: Literal["volition.v1.json"] = PROTOCOL
    session: str
    state: SessionState
    held: bool = Field(description="Whether the emergency stop holds all outputs.")
    epoch: int
    last_seq: int
    lsl_time: float
    config: SessionConfig


class Status(_Answer):
    """The session's state changed, or what decodes in it."""

    type: Literal["status"] = "status"
    session: str
    state: SessionState
    reason: str
    held: bool = Field(description="Whether the emergency stop holds all outputs.")
    decoder: str = Field(description="Kind of the decoder that runs.")
    model: str | None = Field(description="What it decodes by; null for one without.")
    t: float
    epoch: int


class CueMessage(_Answer):
    """A guided calibration asks for something; whoever shows the targets shows this."""

    type: Literal["cue"] = "cue"
    session: str
    calibration: str
    phase: Literal["cue", "trial", "pause", "end"] = Field(
        description="Show what to look at; it begins; it is over; all are over."
    )
    trial: int = Field(description="From 1.")
    trials: int = Field(description="0 where they go on for a time.")
    target: int | None = Field(description="Its place among the targets; null at rest.")
    label: str
    data: dict[str, Any] = Field(
        description="Of the onset's marker (trial_start; for a cursor target: position, radius). "
        "Where a cursor's target is over, its outcome: hit or timeout."
    )
    t: float = Field(description="LSL time of the onset; of this moment where there is none.")
    t_end: float = Field(description="LSL time at which the trial ends.")


class CalibrationMessage(_Answer):
    """A calibration went on."""

    type: Literal["calibration"] = "calibration"
    session: str
    calibration: str
    state: CalibrationState
    step: str
    progress: float
    model: str | None = Field(description="NAME@VERSION, once it is there.")
    reason: str | None = Field(description="Why it was refused.")


class GapMessage(_Answer):
    """Intents that this client will not get."""

    model_config = ConfigDict(populate_by_name=True)

    type: Literal["gap"] = "gap"
    first: int = Field(alias="from")
    last: int = Field(alias="to")


class Bye(_Answer):
    """Why the server closes."""

    type: Literal["bye"] = "bye"
    reason: str


class Pong(_Answer):
    """Answer to a ping: both clocks."""

    type: Literal["pong"] = "pong"
    t_client: float | None
    lsl_time: float


class Refused(_Answer):
    """A message of the client that was not understood or not allowed."""

    type: Literal["refused"] = "refused"
    detail: str


class SignalHello(_Answer):
    """What the binary frames of a signal's socket hold; sent again when it changes."""

    type: Literal["signal"] = "signal"
    protocol: Literal["volition.v1.json"] = PROTOCOL
    session: str
    source: Literal["cleaned", "raw"]
    rate_hz: float = Field(description="Of the signal itself; 0 for an irregular one.")
    labels: list[str]
    units: list[str]
    lsl_time: float


# -- the socket, client to server -------------------------------------------------------------


class MarkerMessage(MarkerBody):
    type: Literal["marker"] = "marker"


class Ping(_Request):
    type: Literal["ping"] = "ping"
    t_client: float | None = Field(
        default=None, allow_inf_nan=False, description="The client's own clock, given back."
    )


class Gather(_Request):
    """Send intents together from now on, for a client that only shows them; none is left out."""

    type: Literal["gather"] = "gather"
    for_s: float = Field(ge=0, le=1, description="How long they are kept back; 0 for at once.")


class EmergencyStop(_Request):
    """Hold all outputs of the session; only REST releases it."""

    type: Literal["estop"] = "estop"


ServerMessage = Annotated[
    Hello | Intent | Status | CueMessage | CalibrationMessage | GapMessage | Bye | Pong | Refused,
    Field(discriminator="type"),
]
ClientMessage = Annotated[
    MarkerMessage | Ping | Gather | EmergencyStop, Field(discriminator="type")
]

SignalMessage = Annotated[SignalHello | Bye, Field(discriminator="type")]

signal_message_adapter: TypeAdapter[SignalMessage] = TypeAdapter(SignalMessage)
server_message_adapter: TypeAdapter[ServerMessage] = TypeAdapter(ServerMessage)
client_message_adapter: TypeAdapter[ClientMessage] = TypeAdapter(ClientMessage)
