"""What a session's worker does now: its signal, stages, decoder and counts."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from volition.service.sessions.states import SessionState
from volition.service.wire.models import ModelUse
from volition.service.wire.recordings import RecordingState
from volition.service.wire.strictness import Answer


class QualityView(Answer):
    """One channel's last second, before any stage."""

    label: str
    flat: bool
    saturated: bool
    line_noise: float = Field(description="Share of the power at 50 or 60 Hz.")
    rms: float = Field(description="Root mean square about the mean, in the channel's unit.")
    missing: float = Field(description="Share of the samples that are missing.")
    impedance_kohm: float | None = Field(description="Null where the device sends none.")
    position: tuple[float, float] | None = Field(
        description="Position of an electrode of the 10-20 system on the head seen from above: "
        "right and forward of the vertex; the line from nasion over the ears to inion is at "
        "distance 1."
    )


class ImplausibleView(Answer):
    """Something in which the signal cannot be what it says it is."""

    code: Literal["amplitude", "spectrum", "rate", "channels", "reference"]
    text: str


class PlausibilityView(Answer):
    """What the signal is like over the last half minute, of its channels of EEG together."""

    amplitude_uv: float = Field(
        description="Root mean square from 1 to 40 Hz of the median channel, microvolts."
    )
    fall_decades: float | None = Field(
        description="By how many powers of ten the power falls from 2..7 to 25..40 Hz; null at a "
        "rate too low to tell."
    )
    line_hz: float | None = Field(description="Where a narrow line stands out; null without one.")
    order: float | None = Field(
        description="Correlation, by ranks, of how alike electrodes are with how far apart they "
        "lie, from -1 (as it should be) to 1; null where fewer than six places are known."
    )
    reference: Literal["average", "other"] = Field(description="average: the channels sum to zero.")
    findings: list[ImplausibleView] = Field(
        description="What has not been plausible for a quarter of a minute; also among the "
        "session's warnings."
    )


class ContinuityView(Answer):
    """What the time stamps of the samples show, since the worker started."""

    samples: int
    missing: int = Field(description="Samples that never arrived.")
    gaps: int
    bridged: int = Field(description="Missing samples that were filled in.")
    repeated: int = Field(description="Samples that arrived twice; the second was dropped.")
    equal_stamps: int
    early_stamps: int
    bad_stamps: int
    jumps_forward: int
    jumps_backward: int
    resets: int = Field(description="How often the pipeline was reset.")
    nonfinite: int = Field(description="Values that were not finite.")
    rate_hz: float | None = Field(description="Measured since the last reset; null until then.")
    drift_ppm: float | None = Field(description="Deviation of the measured from the nominal rate.")
    tolerance_s: float = Field(description="A step of the time stamps up to this is no gap.")
    uncertain: int = Field(
        default=0,
        description="Missing samples in gaps whose length the stamps do not tell exactly.",
    )
    rate_uncertainty_hz: float | None = Field(
        default=None, description="Two standard deviations of `rate_hz`."
    )
    rate_trusted: bool = Field(
        default=True,
        description="Whether the rate is what the stream announces, within 2 %; else nothing is "
        "decided.",
    )
    stamping: Literal["sample", "packet", "burst"] = Field(
        default="sample", description="What the device stamps: every sample, packets, or bursts."
    )
    packet_samples: int = Field(default=1, description="Samples that come with one stamp.")
    jitter_s: float = Field(
        default=0.0, description="How much later than others a packet is stamped."
    )


class ClockView(Answer):
    """The clock of the stream's host, as LSL measures it."""

    offset_s: float | None = Field(description="What is added to the stream's times.")
    uncertainty_s: float | None
    steps: int = Field(description="How often the offset jumped.")
    clock: Literal["lsl", "unix", "device"] | None = Field(
        default=None, description="Which clock the stream stamps by; null before the first samples."
    )
    mapped_s: float = Field(
        default=0.0, description="What is added to stamps of another clock to have LSL's."
    )
    distance_s: float | None = Field(
        default=None, description="How far the first stamps lay from their arrival."
    )


class MarkerRead(Answer):
    """A marker of the session's marker stream, and how it was read."""

    time: float
    text: str = Field(description="As it came, its beginning.")
    name: str
    read_as: str


class MarkersView(Answer):
    """The session's marker stream."""

    connected: bool
    recent: list[MarkerRead] = Field(description="The last markers, oldest first.")
    skipped: int = Field(description="Samples that held no marker.")
    refused: int = Field(description="Markers of another clock, or far from the signal's time.")
    clock: Literal["lsl", "unix", "device"] | None = None
    mapped_s: float = 0.0


class TriggerRead(Answer):
    """A code of the trigger channel."""

    time: float
    name: str


class TriggersView(Answer):
    """The trigger channel of the session's signal."""

    count: int = Field(description="Events since the worker started.")
    recent: list[TriggerRead] = Field(description="The last of them, oldest first.")


class OutputView(Answer):
    """State of one of a session's outputs."""

    kind: str
    state: Literal["opening", "open", "stalled", "failed"] = Field(
        description="stalled: a call has taken more than a second; failed: it is closed, and the "
        "session goes on without it."
    )
    intents: int = Field(description="Intents that it has taken.")
    dropped: int = Field(description="Messages to it that were dropped because it was too slow.")
    withdrawn: int = Field(
        description="Intents that an emergency stop took back before they were given to it."
    )
    error: str = Field(description="What keeps it from working; empty while all is well.")
    detail: dict[str, Any] = Field(description="What the output reports about itself.")


class StateView(Answer):
    """The state of the decoder and of its signal now."""

    session: str
    state: SessionState
    reason: str
    held: bool = Field(description="Whether the emergency stop holds all outputs.")
    life: str = Field(default="", description="Names the numbering of the session's intents.")
    epoch: int
    last_seq: int
    fresh: bool = Field(
        description="Whether the worker answered; if not, its last report is shown."
    )
    lsl_time: float
    t_last_sample: float | None = Field(
        default=None, description="LSL time at which samples last arrived."
    )
    t_newest: float | None = Field(
        default=None, description="Time stamp of the newest of the samples counted in `samples`."
    )
    signal: dict[str, Any] | None = Field(
        default=None, description="Rate, labels and units that the decoder sees."
    )
    quality: list[QualityView] = Field(
        default_factory=list, description="Signal quality of each channel."
    )
    plausibility: PlausibilityView | None = Field(
        default=None,
        description="Whether the signal can be what it says it is; null until that is known.",
    )
    continuity: ContinuityView | None = None
    clock: ClockView | None = None
    markers: MarkersView | None = Field(
        default=None, description="Null where the session listens to no marker stream."
    )
    triggers: TriggersView | None = Field(
        default=None, description="Null where the session names no trigger channel."
    )
    outputs: list[OutputView] = Field(
        default_factory=list,
        description="In the order of the configuration; empty until the signal is known.",
    )
    recording: RecordingState | None = None
    model: ModelUse
    stages: list[dict[str, Any]] = Field(
        default_factory=list, description="What each stage did, in order."
    )
    decoder: dict[str, Any] | None = Field(default=None, description="The decoder's own state.")
    latency_ms: dict[str, dict[str, float]] = Field(
        default_factory=dict, description="Percentiles by step, milliseconds."
    )
    samples: int = 0
    chunks: int = 0
    intents: int = 0
    dropped_samples: int = Field(
        default=0, description="Samples dropped unread because of overload."
    )
    lost_with_workers: int = Field(
        default=0,
        description="Upper limit of the samples lost between a worker that died and its successor: "
        "all from the last that it reported, four times a second, to the successor's first.",
    )
    reconnects: int = 0
    restarts: int = 0
    clients: int = 0
    clients_behind: int = Field(
        default=0, description="Sockets whose client does not read what it is sent."
    )
    dropped_by_bus: int = 0
