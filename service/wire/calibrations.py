"""Calibrations: what is asked for, and where one stands."""

from __future__ import annotations

from typing import Annotated, Any, Generic, Literal, Self

from pydantic import Field, model_validator

from volition.incoming import MOST_DATA_BYTES, MOST_DEPTH, fault_of_data
from volition.models.manifest import Manifest, ModelName
from volition.service.wire.models import ModelSwap
from volition.service.wire.settings import DecoderT
from volition.service.wire.strictness import WHOLE, Answer, Request, refused_for

#: The data of all targets of a plan together.
_MOST_TARGETS_BYTES = 64 << 10
#: Each trial is told to every client, and marked: shorter ones would keep the service from others.
_LEAST_TRIAL_S = 0.05


def _fault_of_targets(targets: list[dict[str, Any]]) -> str:
    """Say why data are not taken as those of markers; nothing where they are."""
    for data in targets:
        if fault := fault_of_data(data):
            return fault
    return fault_of_data(targets, _MOST_TARGETS_BYTES, MOST_DEPTH + 1)


_Targets = Annotated[
    list[dict[str, Any]],
    Field(min_length=1, max_length=256, fail_fast=True),
    refused_for(_fault_of_targets),
]


class CursorPlan(Request):
    """A cursor's calibration from nothing: target by target, model by model, with fading help."""

    seconds: float = Field(
        default=180.0, ge=5, le=1800, description="Length of the calibration, in seconds."
    )
    first_s: float | None = Field(
        default=None,
        gt=0,
        description="Seconds until the first model; the shorter of 12 s and a quarter of `seconds` "
        "by default.",
    )
    refresh_s: float = Field(
        default=3.0, ge=0.5, le=600, description="Seconds between two models, at least."
    )
    helped_s: float | None = Field(
        default=None,
        gt=0,
        description="Seconds until the help has faded to zero; 0.64 of `seconds` by default (115 "
        "of 180 s).",
    )
    hold_s: float = Field(
        default=0.3, gt=0, le=10, description="Seconds that the cursor must stay in a target."
    )
    timeout_s: float = Field(
        default=5.0,
        gt=0,
        le=60,
        description="Seconds to reach a target; 2 s before the first model, while the cursor "
        "stands still.",
    )


class GuidedPlan(Request):
    """A guided calibration: the service says what to do and when, and a client shows it."""

    cursor: CursorPlan | None = Field(
        default=None,
        description="Guide a cursor by this plan instead of trials of a fixed length. Only "
        "`targets` and `seed` also apply.",
    )

    blocks: Annotated[int, Field(strict=True, ge=1, le=50), WHOLE] = Field(
        default=4, description="Number of blocks; each holds every target once."
    )
    rest_trials: Annotated[int, Field(strict=True, ge=0, le=20), WHOLE] = Field(
        default=0, description="Number of trials at rest in each block."
    )
    cue_s: float = Field(default=0.6, ge=0, le=30, description="Seconds from the cue to the onset.")
    trial_s: float = Field(
        default=2.0, gt=0, le=60, description="Seconds from the onset to the end of the trial."
    )
    pause_s: float = Field(
        default=0.4, ge=0, le=60, description="Seconds from the end of a trial to the next cue."
    )
    seed: Annotated[int, Field(strict=True, ge=0, le=1 << 31), WHOLE] = Field(
        default=0, description="Seed of the random order within the blocks."
    )
    onsets: Literal["service", "client"] = Field(
        default="service",
        description="Who marks the onsets (trial_start, with the data of the cue): the service, at "
        "the time announced by the cue, or the client that shows the flicker, at the time it "
        "began.",
    )
    targets: _Targets | None = Field(
        default=None,
        description="Data of each target's marker (position and radius of a cursor's target); the "
        f"decoder's own targets by default. Each at most {MOST_DATA_BYTES} bytes and {MOST_DEPTH} "
        f"deep, all together {_MOST_TARGETS_BYTES} bytes.",
    )

    @model_validator(mode="after")
    def _lasts(self) -> Self:
        lasts_s = self.cue_s + self.trial_s + self.pause_s
        if lasts_s < _LEAST_TRIAL_S:
            raise ValueError(
                f"a trial with its cue and pause lasts {_LEAST_TRIAL_S:g} s at least, found "
                f"{lasts_s:g}"
            )
        return self


class CalibrationBody(Request, Generic[DecoderT]):
    """What to calibrate, and with which data."""

    name: ModelName = Field(description="Name of the model, which gets a new version.")
    source: Literal["session", "recording", "guided"] = Field(
        default="session",
        description="The session's signal so far with its markers, a recording, or trials that the "
        "service asks for now.",
    )
    recording: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,159}$",
        description="Id of the recording; needs the role admin, as all recordings do.",
    )
    guided: GuidedPlan = GuidedPlan()
    decoder: DecoderT | None = Field(
        default=None,
        description="Settings of the decoder to calibrate; those of the session by default.",
    )
    last_s: float | None = Field(
        default=None,
        gt=0,
        le=7200,
        description="Use only this many of the session's newest seconds.",
    )
    options: dict[Annotated[str, Field(max_length=64)], float] = Field(
        default_factory=dict,
        max_length=64,
        description="For cursors: speed, slowing_s and reaction_s of the intended movement. For "
        "the SSVEP network (dnn): passes over the trials, batch and dropout of its training.",
    )
    swap: bool = Field(
        default=False, description="Decode with the new model as soon as it is fitted."
    )
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
    step: str = Field(description="What the calibration does now.")
    progress: float = Field(
        description="0 to 1; the trials of a guided calibration are the first half."
    )
    trials_done: int = 0
    trials: int = Field(
        default=0,
        description="Trials of a guided calibration; 0 for a cursor, whose calibration goes by "
        "time.",
    )
    hits: int = Field(default=0, description="Targets reached with a cursor.")
    models: int = Field(
        default=0, description="Models that took over during a cursor's calibration."
    )
    started_utc: float
    ended_utc: float | None = None
    model: Manifest | None = Field(default=None, description="The new version, with its scores.")
    swapped: ModelSwap | None = Field(
        default=None, description="The change of model, if it was asked for."
    )
    refusal: CalibrationRefusal | None = None


class CalibrationList(Answer):
    calibrations: list[CalibrationView] = Field(
        description="The session's calibrations, newest first."
    )
