"""Settings of every SSVEP decoder: targets, sub-bands, windows, and what they ask of a signal."""

from __future__ import annotations

import math
from typing import ClassVar, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from volition.chunk import FloatArray
from volition.decoders.contract.settings import Settings
from volition.decoders.contract.trials import Choice, TargetTrials
from volition.decoders.filtering import check_below_half_rate
from volition.decoders.ssvep.scores.bank import FilterBank, sub_band_edges
from volition.decoders.ssvep.windows.stopping import Stopping
from volition.errors import ConfigError

#: Most numbers that a decoder may keep: half a GiB of them.
MOST_KEPT = 2**26


class Target(BaseModel):
    """A flickering target."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: str = Field(min_length=1)
    freq_hz: float = Field(gt=0)


#: Where nothing else is asked for, and no more than fit.
_HARMONICS = 5


#: The sub-bands of decoders that look at them alike; other decoders have bands of their own.
SUB_BANDS = (
    *("n_harmonics", "n_subbands"),
    *("band_low_hz", "band_step_hz", "band_high_hz", "band_order"),
)


class SelectorSettings(Settings):
    """Settings that every SSVEP decoder has."""

    kept_by_session: ClassVar[tuple[str, ...]] = (
        *("trigger", "step_s", "onset_markers", "expires_s", "stopping", "destructive"),
    )
    passed_on: ClassVar[tuple[str, ...]] = ("targets", "delay_s")

    targets: list[Target] = Field(
        min_length=2, max_length=256, description="What can be selected, each with its flicker."
    )
    n_harmonics: int | None = Field(
        default=None,
        ge=1,
        le=20,
        description="Harmonics in the references; when left out, as many of five as lie below half "
        "the rate.",
    )
    n_subbands: int = Field(default=5, ge=1, le=20)
    band_low_hz: float = Field(default=8.0, gt=0, description="Lower edge of the first sub-band.")
    band_step_hz: float = Field(default=8.0, gt=0, description="From one lower edge to the next.")
    band_high_hz: float = Field(
        default=88.0, gt=0, description="Upper edge of every sub-band; kept below 0.45 of the rate."
    )
    band_order: int = Field(default=4, ge=1, le=12, description="Butterworth order of each edge.")
    window_s: float = Field(default=3.0, gt=0, le=60)
    trigger: Literal["markers", "sliding"] = Field(
        default="markers", description="One window after each onset marker, or one every step_s."
    )
    step_s: float = Field(
        default=0.1,
        gt=0,
        le=60,
        description="Between decisions when sliding; fbcca rounds its window to whole steps.",
    )
    delay_s: float = Field(
        default=0.14,
        ge=0,
        le=60,
        description="From an onset marker to the start of its window: the latency of vision.",
    )
    onset_markers: list[str] = Field(
        default_factory=list, description="Names of the markers that start a window; all if empty."
    )
    stopping: Stopping | None = Field(
        default=None, description="Decide before the window is full; after markers alone."
    )
    destructive: list[str] = Field(
        default_factory=list,
        description="Labels of targets that are selected only where the window judged just before "
        "(a shorter look, a step before, or the last trial) says the same.",
    )
    expires_s: float = Field(default=1.0, gt=0)

    def harmonics(self, rate_hz: float) -> int:
        """Give how many harmonics are used at a rate: those asked for, or as many as fit."""
        if self.n_harmonics is not None:
            return self.n_harmonics
        highest_hz = max(target.freq_hz for target in self.targets)
        return max(1, min(_HARMONICS, math.ceil(rate_hz / 2 / highest_hz) - 1))

    @model_validator(mode="after")
    def _stopping_and_destructive_fit(self) -> SelectorSettings:
        unknown = sorted({*self.destructive} - {target.label for target in self.targets})
        if unknown:
            raise ValueError(f"destructive names {unknown}, which no target is labelled")
        if self.stopping is not None:
            if self.trigger != "markers":
                raise ValueError("stopping needs windows that markers start (trigger: markers)")
            if self.stopping.min_s > self.window_s:
                raise ValueError(
                    f"the first look, of {self.stopping.min_s:g} s, is longer than the window of "
                    f"{self.window_s:g} s"
                )
        return self

    @model_validator(mode="after")
    def _labels_and_frequencies_differ(self) -> SelectorSettings:
        for name in ("label", "freq_hz"):
            values = [getattr(target, name) for target in self.targets]
            repeated = sorted({value for value in values if values.count(value) > 1})
            if repeated:
                raise ValueError(f"each target needs a {name} of its own; found twice: {repeated}")
        return self

    def trials(self) -> TargetTrials:
        """Say what a trial may ask for: one of the targets, or rest."""
        choices = (
            Choice(target.label, {"target": target.label, "freq_hz": target.freq_hz})
            for target in self.targets
        )
        return TargetTrials(tuple(choices), rest=Choice("rest", {"target": "rest", "freq_hz": 0}))

    def looks_s(self) -> list[float]:
        """Give the lengths at which a window is judged; the last is ``window_s``."""
        return [self.window_s] if self.stopping is None else self.stopping.looks(self.window_s)

    def at(self, window_s: float) -> Self:
        """Give the same settings for windows of another length that are judged once."""
        return self.model_copy(update={"window_s": window_s, "stopping": None})

    @property
    def freqs_hz(self) -> FloatArray:
        """Flicker frequency of each target."""
        return np.array([target.freq_hz for target in self.targets])

    def edges(self, rate_hz: float) -> list[tuple[float, float]]:
        """Give the sub-bands' edges at this rate; see `sub_band_edges`."""
        return sub_band_edges(
            self.n_subbands, self.band_low_hz, self.band_step_hz, self.band_high_hz, rate_hz
        )

    @property
    def n_bands(self) -> int:
        """Number of sub-bands."""
        return self.n_subbands

    def window_samples(self, rate_hz: float) -> int:
        """Give the length of a window."""
        return round(self.window_s * rate_hz)

    def bank(self, rate_hz: float, n_channels: int) -> FilterBank:
        """Make the sub-bands' filters."""
        return FilterBank(self.edges(rate_hz), self.band_order, rate_hz, n_channels)

    def check(self, rate_hz: float, n_channels: int) -> None:
        """Refuse what the signal does not allow.

        Raises
        ------
        ConfigError
            A target or a harmonic lies above what the rate allows, the window is too short, or it
            would fill the memory.
        """
        check_frequencies(self, rate_hz)
        window_samples = self.window_samples(rate_hz)
        check_window(self, window_samples, rate_hz, n_channels)
        kept = self.n_bands * n_channels * window_samples
        if kept > MOST_KEPT:
            raise ConfigError(
                f"{self.kind}: {n_channels} channels, {self.n_bands} sub-bands and a window of "
                f"{window_samples} samples would keep {kept:.2g} numbers; at most {MOST_KEPT:.2g} "
                "are allowed. Use fewer channels, a lower rate or a shorter window",
                found=kept,
                allowed=MOST_KEPT,
            )


def check_frequencies(settings: SelectorSettings, rate_hz: float) -> None:
    """Refuse a target or harmonic that is not below half the rate."""
    kind = settings.kind
    for target in settings.targets:
        check_below_half_rate(kind, f"target {target.label!r}", target.freq_hz, rate_hz)
    highest = max(target.freq_hz for target in settings.targets)
    n_harmonics = settings.harmonics(rate_hz)
    if n_harmonics * highest >= rate_hz / 2:
        allowed = math.ceil(rate_hz / 2 / highest) - 1
        raise ConfigError(
            f"{kind}: harmonic {n_harmonics} of {highest:g} Hz is "
            f"{n_harmonics * highest:g} Hz, not below half the rate, {rate_hz / 2:g} Hz; "
            f"n_harmonics may be at most {allowed}",
            found=n_harmonics,
            allowed=allowed,
        )


def check_window(
    settings: SelectorSettings, window_samples: int, rate_hz: float, n_channels: int
) -> None:
    """Refuse a window that is too short to tell a target by."""
    lowest = min(target.freq_hz for target in settings.targets)
    # A full period, and more samples than channels and references can fit between them.
    n_harmonics = settings.harmonics(rate_hz)
    needed = max(math.ceil(rate_hz / lowest), n_channels + 2 * n_harmonics + 2)
    if window_samples < needed:
        raise ConfigError(
            f"{settings.kind}: a window of {window_samples} samples ({settings.window_s:g} s) is "
            f"too short for {n_channels} channels, {n_harmonics} harmonics and "
            f"{lowest:g} Hz; at {rate_hz:g} Hz it must have at least {needed} "
            f"({needed / rate_hz:.3g} s)",
            found=window_samples,
            allowed_from=needed,
        )
