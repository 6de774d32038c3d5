"""Settings that every kinematic decoder has."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from volition.decoders.fitting.decoder import FittedSettings
from volition.decoders.kinematics.bessel import BesselSettings
from volition.decoders.kinematics.click import ClickSettings
from volition.decoders.kinematics.cursor import CursorSettings
from volition.decoders.kinematics.features import FeatureSettings


class KinematicSettings(FittedSettings):
    """Settings that every kinematic decoder has."""

    kept_by_session: ClassVar[tuple[str, ...]] = ("reset_markers",)

    features: FeatureSettings = FeatureSettings()
    cursor: CursorSettings = CursorSettings()
    bessel: BesselSettings | None = Field(
        default=None, description="Smooth the velocity, forwards and backwards over a short block."
    )
    click: ClickSettings | None = Field(
        default=None,
        description="Decode clicks, by a model to which `with_click` has added them; never when "
        "left out.",
    )
    step_s: float | None = Field(
        default=None,
        gt=0,
        le=10,
        description="Length of a bin, seconds; each sample is a bin when left out.",
    )
    step_value: Literal["mean", "last", "power"] = Field(
        default="mean", description="What the samples of a step become."
    )
    reset_markers: list[str] = Field(
        default_factory=list,
        description="Names of the markers at which a trial begins and the state starts anew.",
    )
