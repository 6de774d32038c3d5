"""Thresholds know what the stages before a decoder let through."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from volition.chunk import Chunk, SignalSpec
from volition.decoders.passband import share_left
from volition.service.sessions.config import parse_config
from volition.service.sessions.engine import Engine

RATE_HZ = 250.0
SPEC = SignalSpec(RATE_HZ, tuple("abcdefgh"))
CHAINS: dict[str, list[dict[str, Any]]] = {
    "none": [],
    "notch": [{"kind": "notch", "freq_hz": 50}],
    "wide": [{"kind": "bandpass", "low_hz": 3, "high_hz": 100}],
    "narrow": [{"kind": "bandpass", "low_hz": 6, "high_hz": 38}],
    "lowpass": [{"kind": "lowpass", "cutoff_hz": 30}],
    "slower": [{"kind": "resample", "rate_hz": 125}],
}


def behind(chain: list[dict[str, Any]]) -> SignalSpec:
    config = parse_config(
        {
            "stream": {"type": "EEG"},
            "stages": chain,
            "decoder": {
                "kind": "cca",
                "targets": [{"label": "a", "freq_hz": 8}, {"label": "b", "freq_hz": 9}],
            },
        }
    )
    return config.build_cleaner(SPEC).spec


def test_a_notch_and_nothing_leave_a_band_whole() -> None:
    assert share_left(behind(CHAINS["none"]), 8, 88, 4) == 1.0
    assert share_left(behind(CHAINS["notch"]), 8, 88, 4) == 1.0


def test_a_band_pass_leaves_its_share_of_a_band() -> None:
    narrow = behind(CHAINS["narrow"])
    assert 30 / 80 <= share_left(narrow, 8, 88, 4) <= 50 / 80
    assert share_left(narrow, 10, 30, 4) == 1.0


def test_filters_in_a_row_leave_what_all_of_them_leave() -> None:
    both = behind([*CHAINS["narrow"], {"kind": "highpass", "cutoff_hz": 20}])
    assert share_left(both, 8, 88, 4) < share_left(behind(CHAINS["narrow"]), 8, 88, 4)


def test_a_signal_that_was_filtered_is_of_the_same_spec() -> None:
    assert behind(CHAINS["narrow"]) == SPEC


@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize("kind", ["fbcca", "cca"])
def test_rest_stays_rest_behind_any_chain(kind: str, chain: str) -> None:
    low = {"n_subbands": 3} if kind == "fbcca" else {}
    config = parse_config(
        {
            "stream": {"type": "EEG"},
            "stages": CHAINS[chain],
            "decoder": {
                "kind": kind,
                "targets": [{"label": f"{hz}", "freq_hz": hz} for hz in range(9, 16)],
                "n_harmonics": 3,
                "band_high_hz": 50.0,
                "window_s": 2.0,
                "trigger": "sliding",
                "step_s": 0.5,
                **low,
            },
            "selections": "every",
            "rehearse": False,
        }
    )
    rng = np.random.default_rng(11)
    n = int(90 * RATE_HZ)
    engine = Engine(config, SPEC)
    samples, times = 10 * rng.standard_normal((n, 8)), 100 + np.arange(n) / RATE_HZ
    kinds = [
        intent.kind
        for start in range(0, n, 50)
        for intent in engine.step(
            Chunk(samples[start : start + 50].copy(), times[start : start + 50].copy())
        )
    ]
    assert len(kinds) > 150
    assert kinds.count("selection") <= 0.06 * len(kinds)
