"""Which of a sliding decoder's selections become intents.

A sliding decoder answers each window anew: ten times a second it says what is looked at. A speller
or a wheelchair wants it once. `SelectionFilter` takes the answers in order and lets a selection
through where the policy is met; the others become idle intents that say why. It follows from the
intents alone, so a replay gives the same.

    answers ──> n of the last m agree ──> for dwell_s ──> not selected already ──> (twice) ──> out
"""

from __future__ import annotations

from collections import deque
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from volition.decoders.contract.intent import IdleIntent, Intent, SelectionIntent


class SelectionPolicy(BaseModel):
    """When a sliding decoder's answer is a selection.

    The defaults were chosen on the even-numbered people of ssvep_exo (docs/protocol.md).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    agree: int = Field(
        default=3,
        ge=1,
        le=100,
        description="Number of the last `of` windows that must say the same.",
    )
    of: int = Field(default=3, ge=1, le=100)
    dwell_s: float = Field(
        default=0.5, ge=0, le=60, description="Time for which they must have agreed."
    )
    refractory_s: float = Field(
        default=1.0, ge=0, le=600, description="Least time from one selection to the next."
    )
    repeat: Literal["release", "always"] = Field(
        default="release",
        description="release: the same target again only after it was let go; always: as often as "
        "refractory_s allows.",
    )
    release_s: float = Field(
        default=1.0,
        ge=0,
        le=60,
        description="A target is let go when the decoder was idle, or said another, for this long.",
    )
    confirm_within_s: float | None = Field(
        default=None,
        gt=0,
        le=600,
        description="Select only what is chosen twice, let go between, within this many seconds.",
    )

    @model_validator(mode="after")
    def _can_be_met(self) -> Self:
        if self.agree > self.of:
            raise ValueError(f"agree ({self.agree}) is more than of ({self.of})")
        return self


class SelectionFilter:
    """Applies a policy to the intents of one session.

    Parameters
    ----------
    policy
        What is to be met.
    """

    def __init__(self, policy: SelectionPolicy) -> None:
        self._policy = policy
        self._answers: deque[str | None] = deque(maxlen=policy.of)
        self._agreed: tuple[str, float] | None = None  # on what, since when
        self._selected: str | None = None  # until it is let go
        self._t_selected = -float("inf")
        self._let_go_since: float | None = None
        self._proposed: tuple[str, float] | None = None

    def forget(self) -> None:
        """Forget the windows before; the signal begins anew."""
        self._answers.clear()
        self._agreed = None

    def apply(self, intent: Intent) -> Intent:
        """Give the intent itself, or an idle one in its place."""
        if intent.t_trigger is not None or not isinstance(intent, SelectionIntent | IdleIntent):
            return intent
        if isinstance(intent, IdleIntent) and intent.reason not in ("rest", "low_confidence"):
            self.forget()
            return intent
        label = intent.label if isinstance(intent, SelectionIntent) else None
        self._answers.append(label)
        self._watch_release(label, intent.t_sample)
        agreed = self._watch_agreement(label, intent.t_sample)
        if not isinstance(intent, SelectionIntent):
            return intent
        why = self._why_not(intent.label, intent.t_sample, agreed=agreed)
        if why is not None:
            return _idle(intent, why)
        self._selected, self._t_selected = intent.label, intent.t_sample
        self._let_go_since = None
        return intent

    def _watch_release(self, label: str | None, t: float) -> None:
        """See whether the target that was chosen last is let go."""
        if self._selected is None or label == self._selected:
            self._let_go_since = None
        elif self._let_go_since is None:
            self._let_go_since = t
        if self._let_go_since is not None and t - self._let_go_since >= self._policy.release_s:
            self._selected = self._let_go_since = None

    def _watch_agreement(self, label: str | None, t: float) -> bool:
        """Say whether enough windows agree on a target, and have for long enough."""
        if label is None or self._answers.count(label) < self._policy.agree:
            if self._agreed is not None and self._answers.count(self._agreed[0]) == 0:
                self._agreed = None
            return False
        if self._agreed is None or self._agreed[0] != label:
            self._agreed = (label, t)
        return t - self._agreed[1] >= self._policy.dwell_s

    def _why_not(
        self, label: str, t: float, *, agreed: bool
    ) -> Literal["undecided", "repeated", "unconfirmed"] | None:
        policy = self._policy
        if not agreed:
            return "undecided"
        is_held = policy.repeat == "release" and label == self._selected
        if is_held or t - self._t_selected < policy.refractory_s:
            return "repeated"
        if policy.confirm_within_s is None:
            return None
        proposed, self._proposed = self._proposed, None
        is_chosen_again = proposed is not None and proposed[0] == label
        if proposed is not None and is_chosen_again and t - proposed[1] <= policy.confirm_within_s:
            return None
        self._proposed = (label, t)
        self._selected, self._let_go_since = label, None
        return "unconfirmed"


def _idle(
    intent: SelectionIntent, reason: Literal["undecided", "repeated", "unconfirmed"]
) -> IdleIntent:
    return IdleIntent(
        reason=reason,
        confidence=intent.confidence,
        evidence=intent.evidence,
        t_sample=intent.t_sample,
        expires_s=intent.expires_s,
    )
