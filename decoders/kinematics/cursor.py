"""From a decoded velocity to what the cursor is told, within limits that a person may rely on.

In order: bias, gain, dead zone, speed limit; then the position moves by velocity times the bin's
length and stays within the workspace. Bins that are missing give no observation: for ``coast_s``
the velocity is what the dynamics predict, over ``decay_s`` it then falls to nothing, and from
there on the answer is idle. Both are 0 unless set, so a missing bin is idle at once.

While somebody learns to steer, an event may ask for `Help`: a share of the movement perpendicular
to the target direction is removed, after the limits (Brandman et al., J. Neural Eng. 15:026007,
2018). The event says until when, so that help that is forgotten ends.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field, model_validator

from volition.chunk import Event
from volition.decoders.contract.intent import ClickIntent, CursorIntent, IdleIntent, Intent


class DwellSettings(BaseModel):
    """When staying in one place is a click."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    radius: float = Field(gt=0, description="Radius of the place, in the workspace's unit.")
    hold_s: float = Field(
        default=0.5, gt=0, le=60, description="How long to stay: 0.3 to 1 s is usual."
    )


class Help(NamedTuple):
    """Help on the way to a target.

    Attributes
    ----------
    target
        Where the cursor is to go.
    attenuation
        Share of the velocity perpendicular to the target direction that is removed, 0 to 1.
    until
        LSL time from which there is none.
    """

    target: list[float]
    attenuation: float
    until: float

    def given(self, velocity: list[float], position: list[float]) -> list[float]:
        """Give what is left of a velocity."""
        line = [t - p for t, p in zip(self.target, position, strict=True)]
        distance = math.hypot(*line)
        if distance == 0:
            return velocity
        along = sum(v * (d / distance) for v, d in zip(velocity, line, strict=True))
        straight = [along * (d / distance) for d in line]
        keep = 1.0 - self.attenuation
        return [s + keep * (v - s) for v, s in zip(velocity, straight, strict=True)]


def help_of(event: Event, n_dimensions: int) -> Help | None:
    """Give the help that an event asks for: ``position``, ``attenuation``, ``until`` in its data.

    None where it asks for none, or where its data are not numbers that make sense.
    """
    position, share, until = (event.data.get(key) for key in ("position", "attenuation", "until"))
    if not isinstance(position, list | tuple) or len(position) != n_dimensions:
        return None
    numbers = [*position, share, until]
    if not all(isinstance(one, int | float) and math.isfinite(one) for one in numbers):
        return None
    target = [float(one) for one in position]
    found = Help(target, min(max(float(numbers[-2]), 0.0), 1.0), float(numbers[-1]))
    return found if found.attenuation else None


class CursorSettings(BaseModel):
    """How a decoded velocity becomes a cursor's. Lengths are in the workspace's unit."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    gain: float = Field(default=1.0, gt=0, description="Factor on the decoded velocity.")
    dead_zone: float = Field(
        default=0.0, ge=0, description="Speed, after the gain, below which the cursor stands."
    )
    speed_limit: float | None = Field(
        default=None, gt=0, description="Largest speed, after the gain; the direction stays."
    )
    workspace: list[tuple[float, float]] | None = Field(
        default=None, min_length=1, description="Lowest and highest position of each dimension."
    )
    start: list[float] | None = Field(
        default=None, description="First position; the workspace's middle, or 0, when left out."
    )
    coast_s: float = Field(
        default=0.0, ge=0, le=10, description="How long predictions stand in for missing bins."
    )
    decay_s: float = Field(
        default=0.0, ge=0, le=10, description="After coasting, time in which the speed falls to 0."
    )
    bias_time_s: float | None = Field(
        default=None,
        gt=0,
        description="Subtract a running mean of the decoded velocity with this time constant.",
    )
    bias_least_speed: float = Field(
        default=0.0, ge=0, description="Only velocities of at least this speed enter that mean."
    )
    dwell: DwellSettings | None = Field(
        default=None, description="Click by staying in one place; never when left out."
    )
    expires_s: float = Field(default=0.3, gt=0)

    @model_validator(mode="after")
    def _workspace_in_order(self) -> CursorSettings:
        for low, high in self.workspace or ():
            if not low < high:
                raise ValueError(f"workspace: {low:g} must be below {high:g}")
        for name, values in (("start", self.start), ("workspace", self.workspace)):
            other = self.workspace if name == "start" else None
            if values is not None and other is not None and len(values) != len(other):
                raise ValueError(f"{name} needs {len(other)} numbers, found {len(values)}")
        return self


class Cursor:
    """The cursor's position and what it is told, bin by bin.

    Parameters
    ----------
    settings
        Limits and gains.
    n_dimensions
        Dimensions of the velocity.
    bin_s
        Length of a bin.

    Attributes
    ----------
    help
        None where there is none.
    """

    def __init__(self, settings: CursorSettings, n_dimensions: int, bin_s: float) -> None:
        self._settings = settings
        self._bin_s = bin_s
        self._limits = settings.workspace
        if settings.start is not None:
            self._start = list(settings.start)
        elif settings.workspace is not None:
            self._start = [(low + high) / 2 for low, high in settings.workspace]
        else:
            self._start = [0.0] * n_dimensions
        keep = 0.0 if settings.bias_time_s is None else bin_s / settings.bias_time_s
        self._bias_rate = min(keep, 1.0)
        self._plain = (
            settings.gain == 1
            and settings.dead_zone == 0
            and settings.speed_limit is None
            and not self._bias_rate
        )
        self.reset()

    def reset(self) -> None:
        self.position = list(self._start)
        self.velocity = [0.0] * len(self._start)
        self.bias = [0.0] * len(self._start)
        self.missing_bins = 0
        self.help: Help | None = None
        self._place: list[float] | None = None
        self._stayed_bins = 0

    def dwelt(self, time: float) -> ClickIntent | None:
        """Give a click if the cursor, since the last `move`, has stayed in its place long enough.

        The place is where it came to be first. Once it has clicked, only leaving it begins another.
        A missing bin begins the wait anew: nobody knows what was meant in it.
        """
        dwell = self._settings.dwell
        if dwell is None:
            return None
        if self._place is None or math.dist(self._place, self.position) > dwell.radius:
            self._place, self._stayed_bins = list(self.position), 0
            return None
        if self._stayed_bins < 0:  # has clicked here
            return None
        self._stayed_bins = 0 if self.missing_bins else self._stayed_bins + 1
        if self._stayed_bins * self._bin_s < dwell.hold_s - 1e-9:
            return None
        self._stayed_bins = -1
        return ClickIntent(confidence=1.0, t_sample=time, expires_s=self._settings.expires_s)

    def move(
        self,
        velocity: list[float],
        covariance: list[list[float]],
        time: float,
        *,
        position: Sequence[float] | None = None,
        missing: bool = False,
        delay_s: float = 0.0,
    ) -> Intent:
        """Take a bin's decoded velocity; give the intent.

        Parameters
        ----------
        velocity, covariance
            As decoded.
        time
            LSL time of the bin's newest sample.
        position
            Decoded, where the decoder knows one; else the velocity is summed up.
        missing
            Whether the bin was missing and ``velocity`` only a prediction.
        delay_s
            By how much the velocity lies behind ``time``.
        """
        share = 1.0
        if missing:
            self.missing_bins += 1
            share = self._share_left()
            if share <= 1e-9:
                self.velocity = [0.0] * len(velocity)
                return IdleIntent(
                    reason="missing_samples",
                    t_sample=time,
                    expires_s=self._settings.expires_s,
                )
        elif self.missing_bins:
            self.missing_bins = 0
        if not self._plain:
            velocity = self._limited(velocity, learn=not missing)
        if share < 1.0:
            velocity = [share * v for v in velocity]
        if self.help is not None:
            if time < self.help.until:
                velocity = self.help.given(velocity, self.position)
                position = None  # it goes by what it is told
            else:
                self.help = None
        moved = (
            [p + self._bin_s * v for p, v in zip(self.position, velocity, strict=True)]
            if position is None
            else list(position)
        )
        if self._limits is not None:
            moved = [
                min(max(p, low), high) for p, (low, high) in zip(moved, self._limits, strict=True)
            ]
        self.position, self.velocity = moved, velocity
        return CursorIntent(
            velocity=velocity,
            position=moved,
            covariance=covariance,
            delay_s=delay_s,
            t_sample=time,
            expires_s=self._settings.expires_s,
        )

    def _share_left(self) -> float:
        """Give the share of the predicted velocity that is still followed."""
        # The tolerances, here and where it is used, make 0.1 s exactly five bins of 0.02 s.
        silent_s = self.missing_bins * self._bin_s
        beyond = silent_s - self._settings.coast_s
        if beyond <= 1e-9:
            return 1.0
        if self._settings.decay_s == 0:
            return 0.0
        return 1.0 - beyond / self._settings.decay_s

    def _limited(self, velocity: list[float], *, learn: bool) -> list[float]:
        settings = self._settings
        if self._bias_rate:
            if learn and math.hypot(*velocity) >= settings.bias_least_speed:
                rate = self._bias_rate
                self.bias = [b + rate * (v - b) for b, v in zip(self.bias, velocity, strict=True)]
            velocity = [v - b for b, v in zip(self.bias, velocity, strict=True)]
        speed = math.hypot(*velocity) * settings.gain
        if speed < settings.dead_zone:
            return [0.0] * len(velocity)
        factor = settings.gain
        if settings.speed_limit is not None and speed > settings.speed_limit:
            factor *= settings.speed_limit / speed
        return [factor * v for v in velocity]
