"""A guided minute: its steps, and what is said of a head, of a bad electrode and of a battery."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from volition.chunk import Chunk, FloatArray
from volition.service.sessions.config import SessionConfig
from volition.service.sessions.guided_check import Outcome, judge, steps
from volition.streams.signal.quality import SignalQuality
from volition.streams.simulated.ssvep_participant import Flicker, SsvepParticipant

LABELS = ("Fp1", "Fp2", "C3", "C4", "PO3", "PO4", "Oz", "PO8")
RATE_HZ = 250.0
PERSON = SsvepParticipant(
    seed=5,
    labels=LABELS,
    targets=(Flicker(12.0),),
    alpha_uv=3.0,
    response_uv=5.0,
    blinks_per_min=0.0,
    mains_uv=0.3,
)


def signals(seed: int = 5) -> dict[str, FloatArray]:
    """Give what a person does in each step."""
    who = replace(PERSON, seed=seed)
    sizes = {one.name: round(one.seconds * RATE_HZ) for one in steps(12.0)}
    looking = who.sit(9)
    looking.attend(0)
    made = {
        "opened": who.sit(1).take(0, sizes["opened"]),
        "closed": replace(who, alpha_uv=10.0).sit(2).take(0, sizes["closed"]),
        "blinking": replace(who, blinks_per_min=90.0).sit(3).take(0, sizes["blinking"]),
        "clenched": who.sit(4).take(0, sizes["clenched"]),
        "flicker": looking.take(0, sizes["flicker"]),
    }
    rng = np.random.default_rng(seed)
    made["clenched"] = made["clenched"] + rng.normal(0, 25, made["clenched"].shape)
    return made


def judged(made: dict[str, FloatArray], **how: Any) -> Outcome:
    received, t = {}, 100.0
    for name, samples in made.items():
        times = t + np.arange(len(samples)) / RATE_HZ
        received[name] = Chunk(samples.copy(), times)
        t = float(times[-1]) + 2.0
    quality = SignalQuality(PERSON.spec())
    quality.add(Chunk(made["opened"].copy(), received["opened"].times))
    quality.update()
    return judge(received, PERSON.spec(), quality.report(), flicker_hz=12.0, **how)


def test_the_steps_take_about_a_minute_and_a_flicker_adds_one() -> None:
    assert [one.name for one in steps()] == ["opened", "closed", "blinking", "clenched"]
    assert sum(one.seconds for one in steps()) <= 60
    assert steps(15.0)[-1].ask == "Look at the flicker of 15 Hz."
    assert steps(pace=0.5)[0].seconds == steps()[0].seconds / 2


def test_a_head_is_proved_by_all_four() -> None:
    outcome = judged(signals())

    assert {one.name: one.verdict for one in outcome.proofs} == dict.fromkeys(
        ("alpha", "blink", "jaw", "flicker"), "yes"
    )
    assert outcome.brain == "yes"
    assert all(one.ok for one in outcome.electrodes)
    json.dumps(outcome.to_dict(), allow_nan=False)


def test_a_dead_electrode_is_named_with_its_place_and_what_to_do() -> None:
    made = signals()
    made["opened"][:, LABELS.index("PO8")] = 7.0

    bad = [one for one in judged(made).electrodes if not one.ok]

    assert [one.check for one in bad] == ["PO8 (right, back of the head)"]
    assert bad[0].advice == "press it to the skin, add gel or water, check its cable"


@pytest.mark.parametrize("kind", ["battery", "noise", "missing"])
def test_what_is_no_head_is_never_proved(kind: str) -> None:
    rng = np.random.default_rng(1)
    made = {
        name: {
            "battery": np.full(samples.shape, 3.0),
            "noise": rng.normal(0, 20, samples.shape),
            "missing": np.full(samples.shape, np.nan),
        }[kind]
        for name, samples in signals().items()
    }

    outcome = judged(made)

    assert outcome.brain != "yes"
    assert "yes" not in [one.verdict for one in outcome.proofs]
    json.dumps(outcome.to_dict(), allow_nan=False)


def test_a_sessions_cleaning_takes_the_blinks_away() -> None:
    config = SessionConfig.model_validate(
        {
            "stream": {"type": "EEG"},
            "stages": [{"kind": "highpass", "cutoff_hz": 12.0}],
            "decoder": {
                "kind": "fbcca",
                "targets": [{"label": "a", "freq_hz": 12}, {"label": "b", "freq_hz": 15}],
            },
        }
    )

    outcome = judged(signals(), session=config.build_cleaner(PERSON.spec()))

    assert {one.name: one.verdict for one in outcome.cleaned}["blink"] == "no"
