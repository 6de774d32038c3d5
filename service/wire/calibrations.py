"""Calibrations: what is asked for, and where one stands."""

from __future__ import annotations

from typing import Any, Generic, Literal, Self

from pydantic import Field, model_validator

from volition.models.manifest import Manifest, ModelName
from volition.service.wire.models import ModelSwap
from volition.service.wire.settings import DecoderT
from volition.service.wire.strictness import Answer, Request


class CursorPlan(Request):
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


class GuidedPlan(Request):
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


class CalibrationBody(Request, Generic[DecoderT]):
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
    decoder: DecoderT | None = Field(
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
    def _says_which(self) -> Self:
        if (self.source == "recording") != (self.recording is not None):
            raise ValueError("recording goes with the source 'recording', and with no other")
        return self


class CalibrationRefusal(Answer):
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


class CalibrationView(Answer):
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


class CalibrationList(Answer):
    calibrations: list[CalibrationView] = Field(description="Of the session, the newest first.")
