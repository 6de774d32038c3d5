"""A guided check of a headset on a head: asked for, in progress, and what was found."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from volition.service.wire.strictness import Answer, Request

CheckState = Literal["going", "done", "failed", "cancelled"]
Verdict = Literal["yes", "no", "could not tell"]


class CheckBody(Request):
    """Which headset to check, and how."""

    uid: str = Field(
        min_length=1,
        max_length=256,
        pattern=r"^[^\x00-\x1f]*$",
        description="Identifier of the stream, as `GET /v1/streams` gives it.",
    )
    flicker_hz: Annotated[float, Field(strict=True, ge=1, le=60)] | None = Field(
        default=None, description="Frequency of a flicker that the person can look at, if any."
    )
    pace: Annotated[float, Field(strict=True, ge=0.25, le=5)] = Field(
        default=1.0, description="Factor on the length of each step."
    )


class CheckStepView(Answer):
    """What a person is asked to do."""

    name: str = Field(description="opened, closed, blinking, clenched or flicker.")
    ask: str = Field(description="The request, in words for the person.")
    seconds: float = Field(description="For how long, after a moment to begin.")


class ElectrodeView(Answer):
    """One channel of the headset."""

    label: str
    ok: bool
    found: str = Field(description="How it is, in words.")
    advice: str = Field(description="What to do; empty where nothing is to be done.")


class ProofView(Answer):
    """Whether something shows that only a head does."""

    name: str = Field(description="alpha, blink, jaw or flicker.")
    verdict: Verdict
    ratio: float | None = Field(description="How strong it is; null where it cannot be told.")
    interval: list[float | None] = Field(description="The ratio's interval of 99 %.")
    found: str = Field(description="The same in words.")


class CheckView(Answer):
    """A guided check."""

    id: str
    uid: str = Field(description="Identifier of the stream.")
    state: CheckState
    progress: float = Field(ge=0, le=1, description="Share of the whole time that has passed.")
    steps: list[CheckStepView] = Field(description="What is asked for, in order.")
    step: int | None = Field(description="Number of the step that goes on, from 0; null before.")
    step_s: float = Field(description="Seconds since that step was asked for.")
    begin_s: float = Field(description="Seconds that each step leaves for the person to begin.")
    detail: str = Field(description="Why it failed; empty otherwise.")
    electrodes: list[ElectrodeView] = Field(description="Empty until it is done.")
    proofs: list[ProofView] = Field(description="Empty until it is done.")
    brain: Verdict | None = Field(
        description="Whether the signal is a brain's; null until it is done."
    )
