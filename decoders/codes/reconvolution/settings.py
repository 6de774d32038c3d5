"""Settings of the decoder by reconvolution."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from volition.decoders.codes.reconvolution.events import EventKind
from volition.decoders.codes.ring import LATE_S
from volition.decoders.codes.settings import CodedSettings
from volition.errors import ConfigError


class ReconvolutionSettings(CodedSettings):
    """Settings of `ReconvolutionDecoder`."""

    kept_by_session: ClassVar[tuple[str, ...]] = (
        *CodedSettings.kept_by_session,
        *("learning", "late_s"),
    )

    kind: Literal["reconvolution"] = "reconvolution"
    events: tuple[EventKind, ...] = Field(
        default=("rise", "fall", "onset"),
        min_length=1,
        max_length=5,
        description="What has a response; see volition.decoders.codes.reconvolution.events.",
    )
    flash_s: float | None = Field(
        default=None,
        gt=0,
        le=2,
        description="How long a marked flash lasts; until the next marker when left out.",
    )
    late_s: float = Field(
        default=0.2,
        ge=0,
        le=LATE_S,
        description="Markers that arrive no later than this are used; each look waits as "
        "long. Without effect where steps follow the onset at `step_hz`.",
    )
    response_s: float = Field(default=0.3, gt=0, le=2, description="Length of a response.")
    n_components: int = Field(default=2, ge=1, le=8, description="Spatial filters.")
    whitening_s: float = Field(
        default=0.07, ge=0, le=1, description="Length of the filter that makes the noise white."
    )
    step_s: float = Field(default=0.1, gt=0, le=10, description="From one look to the next.")
    low_hz: float = Field(default=2.0, gt=0, description="Lower edge of the decoder's band-pass.")
    high_hz: float = Field(default=40.0, gt=0, description="Upper edge.")
    learning: Literal["none", "refine", "unsupervised"] = Field(
        default="none",
        description="'refine' goes on learning from selections that are sure; 'unsupervised' needs "
        "no model, and may begin with other people's: the item with which all that was heard "
        "agrees best is selected, and learned from.",
    )

    start_weight: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="What the model's own trials weigh against those that 'refine' adds: less than "
        "1 where it is other people's.",
    )

    @model_validator(mode="after")
    def _events_differ(self) -> ReconvolutionSettings:
        if len({*self.events}) < len(self.events):
            raise ValueError(f"each kind of event is named once; found {list(self.events)}")
        return self

    def lags(self, rate_hz: float) -> int:
        """Give how many samples a response lasts."""
        return max(1, round(self.response_s * rate_hz))

    def delays(self, rate_hz: float) -> int:
        """Give how many taps the filter over time has."""
        return 1 + round(self.whitening_s * rate_hz)

    def look_samples(self, rate_hz: float) -> int:
        """Give how many samples lie between two looks."""
        return max(1, round(self.step_s * rate_hz))

    def flash_samples(self, rate_hz: float) -> int | None:
        """Give how many samples a marked flash lasts; None where it lasts until the next."""
        return None if self.flash_s is None else max(1, round(self.flash_s * rate_hz))

    def late_samples(self, rate_hz: float) -> int:
        """Give for how many samples a look waits for markers; none where no step is marked."""
        return 0 if self.step_hz is not None else round(self.late_s * rate_hz)

    def step_samples(self, rate_hz: float) -> float | None:
        """Give how many samples a step lasts; None where steps are marked."""
        return None if self.step_hz is None else rate_hz / self.step_hz

    def short_samples(self, rate_hz: float) -> float:
        """Give how many samples a short flash has at most."""
        return 1.5 * rate_hz / (self.step_hz or 60.0)

    def check(self, rate_hz: float, n_channels: int) -> None:
        super().check(rate_hz, n_channels)
        if self.step_s > self.max_s:
            raise ConfigError(
                f"reconvolution: from one look to the next are {self.step_s:g} s, and a selection "
                f"takes {self.max_s:g} s at most",
                found=self.step_s,
                allowed=self.max_s,
            )
