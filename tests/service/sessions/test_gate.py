"""What leaves while the emergency stop holds."""

from __future__ import annotations

import numpy as np
import pytest

from volition.chunk import Chunk, Event, SignalSpec
from volition.decoders.contract.intent import (
    ClickIntent,
    CursorIntent,
    IdleIntent,
    Intent,
    SelectionIntent,
)
from volition.service.sessions.config import SessionConfig
from volition.service.sessions.engine import Engine
from volition.service.sessions.gate import Gate


def cursor(seq: int, position: list[float]) -> CursorIntent:
    return CursorIntent(
        velocity=[1.0, -2.0],
        position=position,
        covariance=[[1.0, 0.0], [0.0, 1.0]],
        delay_s=0.1,
        seq=seq,
        t_sample=float(seq),
    )


def test_a_held_cursor_has_no_velocity_and_stands_where_it_was_sent_last() -> None:
    gate = Gate()
    gate.pass_on(cursor(1, [3.0, 4.0]))
    gate.turn(True, 2)
    held = gate.pass_on(cursor(2, [5.0, 6.0]))
    assert held == CursorIntent(velocity=[0.0, 0.0], position=[3.0, 4.0], seq=2, t_sample=2.0)


def test_a_cursor_that_is_held_from_the_beginning_has_no_position() -> None:
    held = Gate(closed=True).pass_on(cursor(1, [5.0, 6.0]))
    assert held == CursorIntent(velocity=[0.0, 0.0], position=None, seq=1, t_sample=1.0)


@pytest.mark.parametrize(
    "intent",
    [
        SelectionIntent(target=1, label="go", confidence=1, evidence={"go": 2.0}, t_sample=5.0),
        ClickIntent(confidence=0.9, t_sample=5.0),
        IdleIntent(evidence={"go": 2.0}, t_sample=5.0),
    ],
)
def test_whatever_else_is_held_says_nothing_but_that(intent: Intent) -> None:
    assert Gate(closed=True).pass_on(intent) == IdleIntent(reason="held", t_sample=5.0)


def test_what_is_held_keeps_its_number_and_whose_it_is() -> None:
    intent = ClickIntent(confidence=1, seq=9, session="arm", epoch=3, decoder="fbcca", t_sample=1.0)
    held = Gate(closed=True).pass_on(intent)
    assert (held.seq, held.session, held.epoch, held.decoder) == (9, "arm", 3, "fbcca")


def test_the_gate_knows_at_which_intent_it_turned() -> None:
    gate = Gate()
    gate.turn(False, 3)
    before = gate.turned_at
    gate.turn(True, 5)
    gate.turn(True, 6)
    assert (before, gate.turned_at) == (None, 5)


def test_thousands_of_events_for_one_moment_take_no_time_to_be_met() -> None:
    config = {
        "stream": {"source_id": "exo"},
        "decoder": {
            "kind": "fbcca",
            "targets": [{"label": "a", "freq_hz": 9}, {"label": "b", "freq_hz": 12}],
        },
    }
    engine = Engine(SessionConfig.model_validate(config), SignalSpec(250.0, ("O1", "O2")))
    events = [Event(0.01, "m", {"d": list(range(500)), "n": n}) for n in range(1000)]
    engine.step(Chunk(np.ones((5, 2)), np.arange(5) / 250.0), events)
    assert engine._waiting == []
