"""What the decoders of classes have in common: classes, windows, evidence and re-centring."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from volition.decoders.contract.trials import Choice, ClassTrials
from volition.decoders.filtering import check_below_half_rate
from volition.decoders.fitting.decoder import FittedSettings
from volition.errors import ConfigError

#: Numbers that a window machine may keep: bands x channels x samples.
MOST_KEPT = 4_000_000

Recentring = Literal["auto", "off", "running", "rest"]


class Evidence(BaseModel):
    """How the probabilities of sliding windows become commands.

    With p the probability of a class, y <- (1 - share) y + share (p - 1 / number of classes). A
    command is given once y of a class has stayed above the threshold for ``hold_s``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    share: float = Field(default=0.1, gt=0, le=1, description="Weight of each new window.")
    threshold: float = Field(
        default=0.2, gt=0, lt=1, description="Evidence above which a class is commanded."
    )
    dead_zone: float = Field(
        default=0.05, ge=0, lt=1, description="Differences from chance up to this count as none."
    )
    bound: float = Field(default=0.6, gt=0, le=1, description="Evidence never exceeds it.")
    hold_s: float = Field(
        default=0.5, ge=0, le=60, description="For how long it must stay above the threshold."
    )
    refractory_s: float = Field(
        default=1.0, ge=0, le=600, description="Least time from one command to the next."
    )

    @model_validator(mode="after")
    def _can_be_reached(self) -> Evidence:
        if self.threshold >= self.bound:
            raise ValueError(
                f"the threshold {self.threshold:g} must be below the bound {self.bound:g}"
            )
        return self


class ClassSettings(FittedSettings):
    """Settings that every decoder of classes has."""

    #: A session that changes to another model keeps what it was told about the day.
    kept_by_session: ClassVar[tuple[str, ...]] = ("recentre", "trigger", "onset_markers")

    classes: list[str] = Field(
        default=["left", "right"],
        min_length=2,
        max_length=16,
        description="What is told apart: the labels that the trials' events name.",
    )
    rest: str | None = Field(
        default=None, description="Which of the classes means that nothing is wanted: idle."
    )
    trigger: Literal["markers", "sliding"] = Field(
        default="markers", description="One window after each onset marker, or one every step_s."
    )
    onset_markers: list[str] = Field(
        default=["trial_start"],
        description="Names of the markers that start a window; all if empty.",
    )
    delay_s: float = Field(
        default=0.5, ge=0, le=60, description="From an onset marker to the start of its window."
    )
    window_s: float = Field(default=2.0, gt=0, le=60, description="Length of a window.")
    step_s: float = Field(
        default=0.1, gt=0, le=60, description="Between the windows that slide, seconds."
    )
    evidence: Evidence | None = Field(
        default=None,
        description="How sliding windows add up to commands; each window is one when left out.",
    )
    min_probability: float = Field(
        default=0.0, ge=0, lt=1, description="Idle (low_confidence) below this probability."
    )
    electrodes: list[str] = Field(
        default_factory=list,
        description="Position of each channel in the 10-20 system, in order, where the stream "
        "names none: for the report and its check of eye movements.",
    )
    expires_s: float = Field(default=1.0, gt=0)

    @model_validator(mode="after")
    def _classes_fit(self) -> ClassSettings:
        if len(set(self.classes)) < len(self.classes):
            raise ValueError("each class needs a label of its own")
        if self.rest is not None and self.rest not in self.classes:
            raise ValueError(f"rest is {self.rest!r}, which is none of the classes")
        if self.evidence is not None and self.trigger != "sliding":
            raise ValueError("evidence adds up over windows that slide (trigger: sliding)")
        return self

    @property
    def rest_place(self) -> int | None:
        """Index of the class that means rest; None without one."""
        return None if self.rest is None else self.classes.index(self.rest)

    def window_samples(self, rate_hz: float) -> int:
        """Give the length of a window."""
        return max(2, round(self.window_s * rate_hz))

    def step_samples(self, rate_hz: float) -> int:
        """Give the distance of windows that slide."""
        return max(1, round(self.step_s * rate_hz))

    def trials_asked(self) -> ClassTrials:
        """Say what a trial may ask for: each class; that of rest as one of them."""
        return ClassTrials(tuple(Choice(label, {"class": label}) for label in self.classes))

    def check_size(self, n_bands: int, n_channels: int, rate_hz: float) -> None:
        """Refuse a window that would fill the memory.

        Raises
        ------
        ConfigError
            See above.
        """
        kept = n_bands * n_channels * self.window_samples(rate_hz)
        if kept > MOST_KEPT:
            raise ConfigError(
                f"{self.kind}: {n_channels} channels, {n_bands} bands and a window of "
                f"{self.window_s:g} s would keep {kept:.2g} numbers; at most {MOST_KEPT:.2g} are "
                "allowed. Use fewer channels, a lower rate or a shorter window",
                found=kept,
                allowed=MOST_KEPT,
            )


class BandSettings(ClassSettings):
    """Settings of a decoder that looks at one band."""

    low_hz: float = Field(default=8.0, gt=0, description="Lower edge of the band.")
    high_hz: float = Field(default=30.0, gt=0, description="Upper edge of the band.")
    band_order: int = Field(default=4, ge=1, le=12, description="Butterworth order of each edge.")

    @model_validator(mode="after")
    def _edges_rise(self) -> BandSettings:
        if self.low_hz >= self.high_hz:
            raise ValueError(f"low_hz {self.low_hz:g} must be below high_hz {self.high_hz:g}")
        return self

    def bands(self, rate_hz: float) -> list[tuple[float, float]]:
        """Give the edges of each band.

        Raises
        ------
        ConfigError
            The rate is too low for them.
        """
        check_below_half_rate(self.kind, "high_hz", self.high_hz, rate_hz)
        return [(self.low_hz, self.high_hz)]


class RecentringSettings(BandSettings):
    """Settings of a decoder of covariances, which can be re-centred from day to day."""

    recentre: Recentring = Field(
        default="auto",
        description="Whether covariances are whitened by the session's own mean: never (off), by "
        "that of its windows so far (running), by that of its first recentre_s seconds (rest), or "
        "as the calibration found it to help (auto).",
    )
    recentre_s: float = Field(
        default=30.0, gt=0, le=600, description="For recentre rest: seconds of rest at the start."
    )
    when_drifted: Literal["idle", "tell"] = Field(
        default="idle",
        description="Once the signal lies further from the calibration than its sessions lay from "
        "each other, and is not re-centred: say nothing more, or say so in the state alone.",
    )

    def centre_windows(self) -> int:
        """Give how many windows of one a second the rest at the start holds."""
        return max(1, math.floor(self.recentre_s - self.window_s) + 1)
