"""A cursor that classes steer: probabilities become a velocity of one or two dimensions.

Each class that steers has a direction. With p its probability and c that of a guess, the velocity
is the sum of direction x speed x (p - c) / (1 - c) over the classes whose excess is beyond the dead
zone, no faster than the limit. Whatever is idle stands still: rest, too little confidence, a
missing sample, a signal that has drifted. Position follows from the velocities and the time between
them, and stays while outputs are held.
"""

from __future__ import annotations

import math

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from volition.chunk import FloatArray
from volition.decoders.contract.intent import ClassIntent, CursorIntent, IdleIntent, Intent


class SteeringPolicy(BaseModel):
    """Which way each class steers, and how fast."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    directions: dict[str, list[float]] = Field(
        min_length=1,
        max_length=16,
        description="Direction of each class that steers, as one or two numbers: {left: [-1, 0]}.",
    )
    speed: float = Field(
        default=1.0, gt=0, description="At probability 1, workspace units a second."
    )
    dead_zone: float = Field(
        default=0.1, ge=0, lt=1, description="Share of the way from a guess to certainty: no move."
    )
    max_speed: float | None = Field(
        default=None, gt=0, description="Limit of the whole velocity; `speed` when left out."
    )
    workspace: list[tuple[float, float]] | None = Field(
        default=None, description="Lowest and highest coordinate of each dimension."
    )

    @model_validator(mode="after")
    def _dimensions_agree(self) -> SteeringPolicy:
        sizes = {len(one) for one in self.directions.values()}
        if len(sizes) != 1 or not sizes <= {1, 2}:
            raise ValueError("directions have one number each, or two each")
        if self.workspace is not None and len(self.workspace) not in sizes:
            raise ValueError("the workspace needs a lowest and highest of each dimension")
        return self

    @property
    def n_dimensions(self) -> int:
        """One or two."""
        return len(next(iter(self.directions.values())))


class Steering:
    """Makes a cursor's intents of a decoder's classes.

    Parameters
    ----------
    policy
        Which way each class steers.
    """

    def __init__(self, policy: SteeringPolicy) -> None:
        self._policy = policy
        #: Whether outputs are held: what is sent now moves nothing.
        self.still = False
        self._last_t: float | None = None
        low_high = np.array(policy.workspace or [(-math.inf, math.inf)] * policy.n_dimensions)
        self._low, self._high = low_high.T
        middle = (self._low + self._high) / 2 if policy.workspace else np.zeros(len(low_high))
        self._position: FloatArray = np.asarray(middle, dtype=np.float64)

    def forget(self) -> None:
        """Begin anew with the signal; the cursor stays where it is."""
        self._last_t = None

    def apply(self, intent: Intent) -> Intent:
        """Give the cursor's intent that a class or idle becomes; any other as it is."""
        if not isinstance(intent, ClassIntent | IdleIntent):
            return intent
        velocity = self.velocity(intent)
        if self._last_t is not None and not self.still:
            step_s = min(max(0.0, intent.t_sample - self._last_t), intent.expires_s)
            moved = self._position + velocity * step_s
            self._position = np.clip(moved, self._low, self._high)
        self._last_t = intent.t_sample
        return CursorIntent(
            velocity=velocity.tolist(),
            position=self._position.tolist(),
            t_sample=intent.t_sample,
            t_trigger=intent.t_trigger,
            expires_s=intent.expires_s,
        )

    def velocity(self, intent: ClassIntent | IdleIntent) -> FloatArray:
        """Give the velocity that an intent asks for, workspace units a second."""
        policy = self._policy
        total: FloatArray = np.zeros(policy.n_dimensions)
        if isinstance(intent, IdleIntent):
            return total
        guess = 1.0 / len(intent.probabilities)
        for label, direction in policy.directions.items():
            excess = (intent.probabilities.get(label, 0.0) - guess) / (1.0 - guess)
            if excess > policy.dead_zone:
                total += policy.speed * excess * np.array(direction)
        fastest = policy.max_speed or policy.speed
        speed = float(np.linalg.norm(total))
        return total * (fastest / speed) if speed > fastest else total
