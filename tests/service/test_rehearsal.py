"""Doing a chunk's work before it comes."""

from __future__ import annotations

import numpy as np
import pytest

from decoders.intent import Intent, canonical_json
from service.config import SessionConfig
from service.engine import Engine
from service.rehearsal import Rehearsal
from streams.chunk import Chunk, SignalSpec

SPEC = SignalSpec(250.0, ("a", "b"))
CONFIG = SessionConfig.model_validate(
    {
        "stream": {"source_id": "exo"},
        "stages": [{"kind": "bandpass", "low_hz": 5, "high_hz": 45}],
        "decoder": {
            "kind": "fbcca",
            "targets": [{"label": str(f), "freq_hz": f} for f in (9, 12)],
            "trigger": "sliding",
            "window_s": 0.5,
            "step_s": 0.1,
        },
    }
)
CHUNK_S = 0.04


class Clock:
    """A clock that is set, and takes as long as is said for each rehearsal."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def chunks(n: int) -> list[Chunk]:
    signal = np.random.default_rng(0).normal(0, 10, (10 * n, 2))
    times = 5.0 + np.arange(10 * n) / 250.0
    return [
        Chunk(signal[k : k + 10].copy(), times[k : k + 10].copy()) for k in range(0, 10 * n, 10)
    ]


def play(cost_s: float, *, n: int = 60, rehearse: bool = True) -> tuple[list[Intent], list[float]]:
    """Run a stream, each chunk 5 ms after its newest sample; give intents and moments rehearsed."""
    clock = Clock()
    engine = Engine(CONFIG, SPEC)
    said: list[Intent] = []

    def encode(intent: Intent) -> None:
        clock.now += cost_s

    rehearsal = Rehearsal(Engine(CONFIG, SPEC), encode, clock)
    moments: list[float] = []
    for chunk in chunks(n):
        clock.now = max(clock.now, float(chunk.times[-1]) + 0.005)
        raw = chunk.samples.copy()
        said += engine.step(chunk)
        if not rehearse:
            continue
        rehearsal.note(Chunk(raw, chunk.times), (), clock.now)
        due_in_s = rehearsal.due_in_s()
        if due_in_s is not None:
            moments.append(due_in_s)
            clock.now += due_in_s
            rehearsal.run()
    return said, moments


def test_what_is_decided_is_what_is_decided_without() -> None:
    with_it, moments = play(0.0)
    without, _ = play(0.0, rehearse=False)
    assert moments
    assert with_it
    assert [canonical_json(intent) for intent in with_it] == [
        canonical_json(intent) for intent in without
    ]


def test_it_runs_a_moment_before_the_next_chunk_is_due() -> None:
    _, moments = play(0.0)
    assert moments == pytest.approx([CHUNK_S - 0.001] * len(moments), abs=1e-9)


def test_it_is_left_out_where_it_takes_most_of_the_time_there_is() -> None:
    _, quick = play(0.001)
    _, slow = play(0.5)
    assert len(quick) > 40
    assert len(slow) < len(quick) / 2


def test_nothing_is_rehearsed_before_the_rhythm_is_known() -> None:
    rehearsal = Rehearsal(Engine(CONFIG, SPEC), lambda _: None, Clock())
    for chunk in chunks(5):
        rehearsal.note(chunk, (), float(chunk.times[-1]))
        assert rehearsal.due_in_s() is None
