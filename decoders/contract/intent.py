"""What a decoder says: the tagged union ``Intent``.

A decoder fills in the body and ``t_sample``; the engine that runs it stamps the header
(``session``, ``epoch``, ``seq``, ``t_decoded``, ``decoder``, ``model``) once, before the intent is
encoded. The same models describe the wire: what ``to_json`` gives is what a client receives.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class IntentBase(BaseModel):
    """The header that all intents share."""

    # No validation on assignment: the engine stamps a handful of fields per decision. Unknown
    # keys are ignored: a client may be older than the service. What has a default is sent as well.
    model_config = ConfigDict(
        extra="ignore", ser_json_inf_nan="null", json_schema_serialization_defaults_required=True
    )

    type: Literal["intent"] = "intent"
    session: str = Field(default="", description="Session that decoded it.")
    epoch: int = Field(default=0, description="Counts the lives of the session's worker, from 1.")
    seq: int = Field(default=0, description="Number within the session, gapless from 1.")
    life: str = Field(
        default="", description="Names the numbering: another life counts from 1 again."
    )
    t_sample: float = Field(description="LSL time of the newest sample it used, seconds.")
    t_decoded: float = Field(default=0.0, description="LSL time when it was decoded, seconds.")
    decoder: str = Field(default="", description="Kind of the decoder.")
    model: str | None = Field(default=None, description="Version of the fitted model, if any.")
    expires_s: float = Field(
        default=1.0,
        gt=0,
        description="Seconds after t_sample, or an earlier t_decoded, from which a client "
        "must treat it as neutral.",
    )
    t_trigger: float | None = Field(
        default=None, description="LSL time of the marker that asked for it, seconds."
    )


class CursorIntent(IntentBase):
    """A velocity, in workspace units per second, and the position it leads to."""

    kind: Literal["cursor"] = "cursor"
    velocity: list[float]
    position: list[float] | None = None
    covariance: list[list[float]] | None = Field(
        default=None, description="Covariance of the decoded state."
    )
    delay_s: float = Field(
        default=0.0,
        ge=0,
        description="Seconds by which the velocity lies behind t_sample: what smoothing added.",
    )


class SelectionIntent(IntentBase):
    """One of a set of targets was selected."""

    kind: Literal["selection"] = "selection"
    target: int = Field(ge=0, description="Index of the target in the decoder's settings.")
    label: str
    confidence: float = Field(ge=0, le=1)
    evidence: dict[str, float] = Field(description="Score of each target, by label.")


class ClassIntent(IntentBase):
    """Probabilities of a set of classes."""

    kind: Literal["class"] = "class"
    label: str
    probabilities: dict[str, float]


class ClickIntent(IntentBase):
    """A click (or a dwell that counts as one)."""

    kind: Literal["click"] = "click"
    confidence: float = Field(ge=0, le=1)


class IdleIntent(IntentBase):
    """Nothing is wanted, or it cannot be known: do nothing."""

    kind: Literal["idle"] = "idle"
    reason: Literal[
        "rest",
        "low_confidence",
        "missing_samples",
        "not_finite",
        "held",
        "rate",
        "undecided",
        "repeated",
        "unconfirmed",
        "drifted",
        "settling",
        "uncalibrated",
    ] = Field(
        default="rest",
        description="not_finite: what was decoded is no number. rate: the stream's rate is not "
        "what it announces. undecided, repeated, unconfirmed: a selection that the session's "
        "policy does not let through: too few windows agree, it was selected already, or it is to "
        "be chosen once more. drifted: the signal lies too far from what the model was calibrated "
        "on. settling: where it lies is not known yet. uncalibrated: there is no model yet.",
    )
    confidence: float = Field(default=1.0, ge=0, le=1)
    evidence: dict[str, float] = Field(default_factory=dict)


Intent = Annotated[
    CursorIntent | SelectionIntent | ClassIntent | ClickIntent | IdleIntent,
    Field(discriminator="kind"),
]


def to_json(intent: Intent) -> bytes:
    """Encode once; the result is what every client receives."""
    return intent.__pydantic_serializer__.to_json(intent)


_HEADER_FIELDS = ("session", "epoch", "seq", "t_decoded", "decoder", "model")


def neutral(
    intent: Intent,
    position: list[float] | None = None,
    reason: Literal["held", "rate"] = "held",
) -> Intent:
    """Give the intent that stands in for ``intent`` while nothing may be decided: nothing moves.

    Parameters
    ----------
    intent
        What was decoded; its header is kept.
    position
        Where a cursor stands; None where that is unknown.
    reason
        Why, in the place of anything but a cursor.
    """
    t_sample, expires_s = intent.t_sample, intent.expires_s
    stand_in: Intent
    if isinstance(intent, CursorIntent):
        still = [0.0] * len(intent.velocity)
        stand_in = CursorIntent(
            velocity=still, position=position, t_sample=t_sample, expires_s=expires_s
        )
    else:
        stand_in = IdleIntent(
            reason=reason, t_trigger=intent.t_trigger, t_sample=t_sample, expires_s=expires_s
        )
    for name in _HEADER_FIELDS:
        setattr(stand_in, name, getattr(intent, name))
    return stand_in


def finite(intent: Intent) -> Intent:
    """Give the intent itself, or an idle one where it holds what is no number.

    A fitted model may diverge; infinity times nothing moves no cursor.
    """
    if isinstance(intent, CursorIntent):
        rows = (intent.velocity, intent.position or (), *(intent.covariance or ()))
        total = sum(sum(row) for row in rows)
    elif isinstance(intent, ClassIntent):
        total = sum(intent.probabilities.values())
    else:
        return intent
    if math.isfinite(total):
        return intent
    return IdleIntent(reason="not_finite", t_sample=intent.t_sample, expires_s=intent.expires_s)


#: Fields that differ between two runs over the same samples: not part of what was decoded.
MOMENT_FIELDS = frozenset({"t_decoded", "session", "epoch", "life"})


def canonical_json(intent: Intent) -> bytes:
    """Encode without the moments of decoding: equal bytes for equal decisions."""
    return intent.__pydantic_serializer__.to_json(intent, exclude=set(MOMENT_FIELDS))
