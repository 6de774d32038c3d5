"""What the stages of a session say of themselves."""

from __future__ import annotations

import json

import numpy as np

from volition.chunk import SignalSpec
from volition.service.sessions.config import load_config


def test_a_cleaner_says_what_each_of_its_stages_did() -> None:
    cleaner = load_config("asr").build_cleaner(SignalSpec(256.0, ("Oz", "O1", "O2", "POz")))
    samples = 10 * np.random.default_rng(0).standard_normal((1024, 4))
    cleaner.whole(samples, np.arange(1024) / 256.0)
    states = cleaner.stage_states()
    assert [state["kind"] for state in states] == ["highpass", "notch", "asr"]
    assert states[0] == {"kind": "highpass"}
    assert 0.1 < states[2]["calibration"]["progress"] < 0.2
    json.dumps(states, allow_nan=False)
