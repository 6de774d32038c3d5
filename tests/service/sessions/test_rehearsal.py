"""Doing a chunk's work before it comes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from volition.chunk import Chunk, SignalSpec
from volition.decoders.contract.intent import Intent, canonical_json
from volition.service.sessions.config import SessionConfig
from volition.service.sessions.engine import Engine
from volition.service.sessions.rehearsal import Rehearsal

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
    """A clock that is set."""

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


def play(
    worked_s: Callable[[int], float],
    *,
    n: int = 60,
    rehearse: bool = True,
    config: SessionConfig = CONFIG,
) -> tuple[list[Intent], dict[int, float]]:
    """Run a stream, each chunk 5 ms after its newest sample.

    Give the intents, and for the numbers of those chunks behind which the next was rehearsed how
    long before that.
    """
    clock = Clock()
    engine = Engine(config, SPEC)
    said: list[Intent] = []
    rehearsal = Rehearsal(Engine(config, SPEC), lambda _: None, clock)
    moments: dict[int, float] = {}
    for number, chunk in enumerate(chunks(n)):
        clock.now = float(chunk.times[-1]) + 0.005
        raw = chunk.samples.copy() if rehearsal.is_wanted else None
        intents = engine.step(chunk)
        said += intents
        if not rehearse:
            continue
        rehearsal.note(
            chunk.times,
            raw,
            (),
            t_pulled=clock.now,
            worked_s=worked_s(number),
            decided=bool(intents),
        )
        due_in_s = rehearsal.due_in_s()
        if due_in_s is not None:
            moments[number] = CHUNK_S - due_in_s
            clock.now += due_in_s
            rehearsal.run()
    return said, moments


def quickly(_: int) -> float:
    return 0.0005


def test_what_is_decided_is_what_is_decided_without() -> None:
    with_it, moments = play(quickly)
    without, _ = play(quickly, rehearse=False)
    assert moments
    assert with_it
    assert [canonical_json(intent) for intent in with_it] == [
        canonical_json(intent) for intent in without
    ]


def test_it_runs_a_moment_before_the_next_chunk_is_due_once_the_rhythm_is_known() -> None:
    _, moments = play(quickly)
    # The ninth chunk makes the rhythm known, and the one after it is the first to be kept.
    assert list(moments) == list(range(9, 60))
    assert list(moments.values()) == pytest.approx([0.001] * len(moments), abs=1e-9)


def test_long_work_is_not_rehearsed() -> None:
    def long_at_each_fifth(number: int) -> float:
        return 0.0011 if number % 5 == 4 else 0.0005

    _, moments = play(long_at_each_fifth)
    assert max(moments, default=0) < 14


def test_a_few_chunks_that_the_system_held_up_are_no_reason() -> None:
    def held_up_twice(number: int) -> float:
        return 0.2 if number in {3, 30} else 0.0005

    _, moments = play(held_up_twice)
    assert len(moments) == 51


def test_nothing_is_rehearsed_while_nothing_is_decided() -> None:
    idle = CONFIG.model_copy(
        update={"decoder": CONFIG.decoder.model_copy(update={"trigger": "markers"})}
    )
    said, moments = play(quickly, config=idle)
    assert said == []
    assert max(moments, default=0) < 32
