"""Real devices' rates and stamps, from the samples to the decisions."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from volition.chunk import Chunk, FloatArray, SignalSpec
from volition.service.sessions.config import parse_config
from volition.service.sessions.engine import Engine

TARGETS_HZ = [9.0 + 0.5 * k for k in range(14)]


def decide(
    stamps: FloatArray,
    rate_hz: float,
    announced_hz: float,
    *,
    looked_at_hz: float = 12.0,
    chunk: int = 9,
    missing: FloatArray | None = None,
    policy: str = "hold",
    resampled_hz: float | None = None,
) -> tuple[Counter[str], Engine]:
    """Decode a person who looks at one frequency; count what is decided."""
    config = parse_config(
        {
            "stream": {"type": "EEG", "continuity": {"policy": policy}},
            "stages": [{"kind": "resample", "rate_hz": resampled_hz}] if resampled_hz else [],
            "decoder": {
                "kind": "fbcca",
                "targets": [{"label": f"{hz:g}", "freq_hz": hz} for hz in TARGETS_HZ],
                "trigger": "sliding",
                "window_s": 2.0,
                "step_s": 0.25,
            },
            "selections": "every",
            "rehearse": False,
        }
    )
    rng = np.random.default_rng(3)
    n = len(stamps)
    wave = 7 * np.sin(2 * np.pi * looked_at_hz * np.arange(n) / rate_hz)
    samples = wave[:, np.newaxis] + 8 * rng.standard_normal((n, 4))
    if missing is not None:
        samples, stamps = samples[~missing.astype(bool)], stamps[~missing.astype(bool)]
    engine = Engine(config, SignalSpec(announced_hz, ("O1", "Oz", "O2", "POz")))
    found: Counter[str] = Counter()
    for start in range(0, len(stamps), chunk):
        place = slice(start, start + chunk)
        for intent in engine.step(Chunk(samples[place].copy(), stamps[place].copy())):
            found[str(getattr(intent, "label", getattr(intent, "reason", "")))] += 1
    return found, engine


def packets(
    rate_hz: float, packet: int, late_s: float, seconds: float, seed: int = 5
) -> FloatArray:
    """Give one stamp for each packet: when it arrived, late by chance."""
    n_packets = int(seconds * rate_hz) // packet
    ends = 1000.0 + ((np.arange(n_packets) + 1) * packet - 1) / rate_hz
    late = np.random.default_rng(seed).uniform(0, late_s, n_packets)
    return np.repeat(ends + late, packet)


def exact(rate_hz: float, seconds: float) -> FloatArray:
    stamps: FloatArray = 1000.0 + np.arange(int(seconds * rate_hz)) / rate_hz
    return stamps


@pytest.mark.parametrize("late_s", [0.0, 0.003, 0.011, 0.025, 0.045, 0.06])
def test_packets_of_one_stamp_decide_as_often_as_exact_stamps_and_never_wrong(
    late_s: float,
) -> None:
    with_exact, _ = decide(exact(256.0, 30.0), 256.0, 256.0)
    found, _ = decide(packets(256.0, 12, late_s, 30.0), 256.0, 256.0)
    assert {*found} - {"rate"} == {"12"}
    # The rate of stamps that jitter by more than half a packet is not known at once.
    learning = 0 if late_s < 0.5 * 12 / 256 else 3
    assert found["12"] >= with_exact["12"] - learning


@pytest.mark.parametrize(
    ("rate_hz", "announced_hz"),
    [(220, 250), (180, 300), (228, 250), (190, 196), (500, 514), (300, 250)],
)
@pytest.mark.parametrize("stamping", ["exact", "packets"])
def test_nothing_is_decided_at_a_wrong_rate_and_all_is_once_it_is_given(
    rate_hz: float, announced_hz: float, stamping: str
) -> None:
    stamps = exact(rate_hz, 30.0) if stamping == "exact" else packets(rate_hz, 10, 0.005, 30.0)
    wrong, engine = decide(stamps, rate_hz, announced_hz)
    assert {*wrong} <= {"rate", "missing_samples"}
    assert not engine.cleaner.continuity.trusted
    right, _ = decide(stamps, rate_hz, rate_hz)
    assert {*right} - {"rate"} == {"12"}


@pytest.mark.parametrize(
    ("rate_hz", "announced_hz"),
    [(200, 256), (235, 250), (125, 250), (243, 250), (500, 512), (243.37, 250)],
)
def test_the_true_rate_resampled_to_the_announced_one_decides_as_an_exact_stream_does(
    rate_hz: float, announced_hz: float
) -> None:
    stamps = exact(rate_hz, 20.0)
    as_it_comes, _ = decide(stamps, rate_hz, announced_hz)
    assert {*as_it_comes} <= {"rate", "missing_samples"}
    exactly, _ = decide(exact(announced_hz, 20.0), announced_hz, announced_hz)
    for chunk in (9, 64):
        found, engine = decide(
            stamps, rate_hz, rate_hz, resampled_hz=float(announced_hz), chunk=chunk
        )
        assert engine.decoder_spec.rate_hz == announced_hz
        assert found == exactly


@pytest.mark.parametrize("chunk", [1, 30, 1000])
def test_a_replay_in_other_chunks_decides_the_same(chunk: int) -> None:
    stamps = packets(256.0, 12, 0.02, 20.0)
    assert decide(stamps, 256.0, 256.0, chunk=chunk)[0] == decide(stamps, 256.0, 256.0)[0]
    wrong = packets(230.0, 12, 0.02, 20.0)
    assert decide(wrong, 230.0, 256.0, chunk=chunk)[0] == decide(wrong, 230.0, 256.0)[0]


def test_packets_that_are_lost_are_bridged_and_decide_right_where_it_is_asked_for() -> None:
    stamps = packets(256.0, 12, 0.004, 60.0)
    lost = np.repeat(np.random.default_rng(7).random(len(stamps) // 12) < 0.15, 12)
    found, engine = decide(stamps, 256.0, 256.0, missing=lost.astype(float), policy="interpolate")
    assert found["12"] > 100
    assert {*found} <= {"rate", "rest", "12"}
    report = engine.cleaner.continuity.report()
    assert abs(report["missing"] - int(lost.sum())) <= 24
