"""Settings that every decoder of coded items has."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field, model_validator

from volition.decoders.codes.book import CodeBook
from volition.decoders.codes.markers import Convention
from volition.decoders.codes.stopping import CodedStopping
from volition.decoders.codes.words.settings import Words
from volition.decoders.contract.trials import Choice, TargetTrials
from volition.decoders.filtering import check_below_half_rate
from volition.decoders.fitting.decoder import FittedSettings
from volition.errors import ConfigError

#: Target of a trial in which no item is attended.
REST = "rest"

#: Most numbers of its signal that a session keeps for a decision.
MOST_KEPT = 2**26


class CodedSettings(FittedSettings):
    """Settings of every decoder of coded items."""

    kept_by_session: ClassVar[tuple[str, ...]] = (
        *("book", "convention", "step_hz", "onset_markers", "end_markers", "words"),
        *("stopping", "min_s", "max_s", "min_flashes", "expires_s"),
    )

    passed_on: ClassVar[tuple[str, ...]] = (
        *("book", "convention", "step_hz", "onset_markers", "end_markers"),
        *("words", "max_s"),
    )

    book: CodeBook = Field(description="The items and when each is on.")
    convention: Convention = Field(
        default="volition",
        description="How flashes are marked; see volition.decoders.codes.markers.",
    )
    step_hz: float | None = Field(
        default=None,
        gt=0,
        le=240,
        description="Steps follow an onset marker at this rate, again and again, and are not "
        "marked; when left out, each step has its marker.",
    )
    onset_markers: list[str] = Field(
        default_factory=lambda: ["trial_start"],
        min_length=1,
        description="Names of the markers at which a selection begins.",
    )
    end_markers: list[str] = Field(
        default_factory=lambda: ["trial_end"],
        description="Names of the markers at which no more flashes come.",
    )
    low_hz: float = Field(default=0.5, gt=0, description="Lower edge of the decoder's band-pass.")
    high_hz: float = Field(default=20.0, gt=0, description="Upper edge.")
    band_order: int = Field(default=2, ge=1, le=8, description="Butterworth order of each edge.")
    stopping: CodedStopping | None = Field(
        default=None, description="Select before `max_s`, as soon as it is sure."
    )
    min_s: float = Field(default=0.5, ge=0, le=600, description="No selection before, seconds.")
    max_s: float = Field(default=10.0, gt=0, le=600, description="None after, from the onset.")
    min_flashes: int = Field(
        default=1, ge=0, le=1000, description="No selection before each item was on as often."
    )
    max_flashes: int = Field(
        default=1000,
        ge=1,
        le=1000,
        description="What comes after each item was on as often is left out.",
    )
    idle_log_odds: float = Field(
        default=0.0,
        description="Nothing is selected below these log odds that an item is attended at all; a "
        "calibration with trials at rest suggests them.",
    )
    words: Words | None = Field(
        default=None, description="What is likely to be spelled next; left out: all items alike."
    )
    expires_s: float = Field(default=2.0, gt=0)

    @model_validator(mode="after")
    def _times_fit(self) -> CodedSettings:
        if self.min_s > self.max_s:
            raise ValueError(f"min_s ({self.min_s:g}) is longer than max_s ({self.max_s:g})")
        if self.low_hz >= self.high_hz:
            raise ValueError(f"low_hz ({self.low_hz:g}) must be below high_hz ({self.high_hz:g})")
        both = sorted({*self.onset_markers} & {*self.end_markers})
        if both:
            raise ValueError(f"the markers {both} would begin and end a selection at once")
        return self

    @property
    def items(self) -> list[str]:
        """Labels of what can be selected."""
        return self.book.items

    def trials(self) -> TargetTrials:
        """Say what a trial may ask for: one of the items, or rest."""
        choices = (Choice(item, {"target": item}) for item in self.items)
        return TargetTrials(tuple(choices), rest=Choice(REST, {"target": REST}))

    def kept_s(self) -> float:
        """Give for how long a decoder keeps its signal."""
        return self.max_s

    def check(self, rate_hz: float, n_channels: int) -> None:
        """Refuse what the signal does not allow.

        Raises
        ------
        ConfigError
            The band does not fit below half the rate, a step has no sample of its own, the code's
            file is wrong, or the longest selection would fill the memory.
        """
        check_below_half_rate(self.kind, "high_hz", self.high_hz, rate_hz)
        if self.step_hz is not None and self.step_hz > rate_hz:
            raise ConfigError(
                f"{self.kind}: steps at {self.step_hz:g} Hz are faster than the signal's "
                f"{rate_hz:g} Hz",
                found=self.step_hz,
                allowed=rate_hz,
            )
        self.book.steps  # noqa: B018 - it checks a code that a file holds
        kept = n_channels * self.kept_s() * rate_hz
        if kept > MOST_KEPT:
            raise ConfigError(
                f"{self.kind}: {n_channels} channels for {self.kept_s():g} s would keep {kept:.2g} "
                f"numbers; at most {MOST_KEPT:.2g} are allowed. Use fewer channels, a lower rate "
                "or a shorter max_s",
                found=kept,
                allowed=MOST_KEPT,
            )
