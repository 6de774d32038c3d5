"""A guided minute with a headset on a head: which electrodes are good, and whether it is a brain.

A person is asked to sit still, close their eyes, blink and clench their teeth, and may look at a
flicker. `steps` says what is asked for and for how long; `judge` what the signal then proves.
Neither knows a terminal, a page or a stream: whoever guides shows the steps and brings what was
received.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from volition.chunk import Chunk, FloatArray, SignalSpec
from volition.service.sessions.cleaner import Cleaner
from volition.streams.lsl.verdict import Finding
from volition.streams.signal.electrodes import fault_in_words, place_in_words
from volition.streams.signal.proofs import (
    Proof,
    alpha_proof,
    blink_proof,
    flicker_proof,
    is_brain,
    jaw_proof,
)


@dataclass(frozen=True)
class Step:
    """What a person is asked to do.

    Attributes
    ----------
    name
        What the stretch is known by: opened, closed, blinking, clenched, flicker.
    ask
        The request, in words for the person.
    seconds
        How long.
    """

    name: str
    ask: str
    seconds: float


def steps(flicker_hz: float | None = None, pace: float = 1.0) -> list[Step]:
    """Give the steps of a check.

    Parameters
    ----------
    flicker_hz
        Frequency of a flicker that the person can look at; None without one.
    pace
        Factor on the length of each step.
    """
    asked = [
        Step("opened", "Look at one point, eyes open, and sit still.", 20.0),
        Step("closed", "Close your eyes, and relax.", 20.0),
        Step("blinking", "Blink about once a second.", 10.0),
        Step("clenched", "Clench your teeth.", 8.0),
    ]
    if flicker_hz is not None:
        asked.append(Step("flicker", f"Look at the flicker of {flicker_hz:g} Hz.", 10.0))
    return [Step(one.name, one.ask, one.seconds * pace) for one in asked]


@dataclass(frozen=True)
class Outcome:
    """What a check found.

    Attributes
    ----------
    electrodes
        Each channel with its place in words, whether it is good, what is wrong and what to do.
    proofs
        Alpha, blink, jaw and, where there was one, flicker.
    cleaned
        The proofs of blink and jaw behind a session's stages: there they should fail.
    brain
        Whether the signal is a brain's: yes, no or could not tell.
    """

    electrodes: list[Finding]
    proofs: list[Proof]
    cleaned: list[Proof]
    brain: str

    def to_dict(self) -> dict[str, Any]:
        """Give it as plain data; NaN becomes None."""

        def plain(one: Proof) -> dict[str, Any]:
            told = np.isfinite(one.ratio)
            return {
                "name": one.name,
                "verdict": one.verdict,
                "ratio": one.ratio if told else None,
                "interval": [edge if np.isfinite(edge) else None for edge in one.interval],
                "found": one.found,
            }

        return {
            "electrodes": [asdict(one) for one in self.electrodes],
            "proofs": [plain(one) for one in self.proofs],
            "cleaned": [plain(one) for one in self.cleaned],
            "brain": self.brain,
        }


def judge(
    received: Mapping[str, Chunk],
    spec: SignalSpec,
    quality: list[dict[str, Any]],
    *,
    flicker_hz: float | None = None,
    session: Cleaner | None = None,
) -> Outcome:
    """Say what the steps' signals prove.

    Parameters
    ----------
    received
        The signal of each step as the inlet gave it, by its name, in the order of time.
    spec
        Its rate and channels.
    quality
        What `volition.streams.signal.quality.SignalQuality.report` said of the first step.
    flicker_hz
        Frequency of the flicker of that step.
    session
        A session's cleaner: blinks and muscle are looked for behind it too.
    """
    signal = _cleaned(Cleaner(spec), received)
    opened = signal["opened"]
    proofs = [
        alpha_proof(opened, signal["closed"], spec),
        blink_proof(opened, signal["blinking"], spec),
        jaw_proof(opened, signal["clenched"], spec),
    ]
    if flicker_hz is not None:
        proofs.append(flicker_proof(signal["flicker"], spec, flicker_hz))
    cleaned: list[Proof] = []
    if session is not None:
        after = _cleaned(session, received)
        cleaned = [
            blink_proof(after["opened"], after["blinking"], session.spec),
            jaw_proof(after["opened"], after["clenched"], session.spec),
        ]
    return Outcome([electrode(one) for one in quality], proofs, cleaned, is_brain(proofs))


def _cleaned(cleaner: Cleaner, received: Mapping[str, Chunk]) -> dict[str, FloatArray]:
    """Give each step's signal as a cleaner leaves it."""
    return {name: cleaner.whole(one.samples, one.times).samples for name, one in received.items()}


def electrode(channel: dict[str, Any]) -> Finding:
    """Say of one channel where it sits, whether it is good, and what to do."""
    label = str(channel["label"])
    place = place_in_words(label)
    named = f"{label} ({place})" if place else label
    fault = fault_in_words(channel)
    if fault is None:
        return Finding(named, True, f"good, {channel['rms']:.0f} uV")
    return Finding(named, False, *fault)
