"""A cursor's decoder that nobody has calibrated stands still, and a model takes over from there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from volition.chunk import Chunk, SignalSpec
from volition.decoders.contract.intent import CursorIntent
from volition.decoders.kinematics.methods.kalman import KalmanDecoder
from volition.decoders.registry import build_decoder, decoders_by_kind
from volition.service.sessions.config import load_config
from volition.service.sessions.engine import Engine

RNG = np.random.default_rng(5)
KINDS = ["kalman", "dkf", "wiener"]


def decoder_of(kind: str, **settings: Any) -> Any:
    return build_decoder(decoders_by_kind()[kind].settings_model.model_validate(settings))


def moved(intents: list[Any]) -> set[tuple[float, ...]]:
    assert all(isinstance(intent, CursorIntent) for intent in intents)
    return {tuple(intent.velocity) for intent in intents}


@pytest.mark.parametrize("kind", KINDS)
def test_it_gives_an_intent_of_velocity_zero_a_bin(kind: str) -> None:
    decoder = decoder_of(kind, cursor={"workspace": [[-1, 1], [0, 4]]})
    decoder.prepare(SignalSpec(20.0, ("a", "b", "c")))
    intents = decoder.decode(Chunk(RNG.standard_normal((10, 3)), np.arange(10) / 20), [])
    assert len(intents) == 10
    assert moved(intents) == {(0.0, 0.0)}
    assert intents[-1].position == [0.0, 2.0]
    assert decoder.state()["calibrated"] is False
    assert decoder.model_version is None


def test_a_calibrated_one_takes_over_and_moves_from_where_the_cursor_stood() -> None:
    velocities = RNG.standard_normal((300, 2)).cumsum(axis=0) * 0.1
    rows = velocities @ np.arange(6.0).reshape(2, 3) + RNG.standard_normal((300, 3))
    before, after = (decoder_of("kalman", cursor={"start": [1, 2]}) for _ in range(2))
    after.use(KalmanDecoder.fit(after.settings, rows, velocities))
    for decoder in (before, after):
        decoder.prepare(SignalSpec(20.0, ("a", "b", "c")))
    before.decode(Chunk(rows[:5], np.arange(5) / 20), [])
    assert after.take_over(before)
    intents = after.decode(Chunk(rows[5:10], np.arange(5, 10) / 20), [])
    assert moved(intents) != {(0.0, 0.0)}
    assert np.hypot(*(np.array(intents[0].position) - [1, 2])) < 1.0


@pytest.mark.parametrize(
    ("preset", "rate_hz"), [("cursor-band-power", 250.0), ("cursor-spikes", 30000.0)]
)
def test_the_presets_of_a_cursor_run_without_a_model(preset: str, rate_hz: float) -> None:
    engine = Engine(load_config(preset), SignalSpec(rate_hz, ("a", "b", "c", "d")))
    samples = RNG.standard_normal((round(rate_hz), 4)) * 20
    intents = engine.step(Chunk(samples, np.arange(len(samples)) / rate_hz))
    assert len(intents) >= 19
    assert moved(intents) == {(0.0, 0.0)}
