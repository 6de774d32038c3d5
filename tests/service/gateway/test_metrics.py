"""The metrics tell what runs, what is held, and what was decided, by kind and reason."""

from __future__ import annotations

from volition.service.gateway import metrics
from volition.service.sessions.config import parse_config
from volition.service.supervision.session import Session

CONFIG = {
    "stream": {"name": "x"},
    "decoder": {
        "kind": "fbcca",
        "targets": [{"label": "a", "freq_hz": 9}, {"label": "b", "freq_hz": 12}],
    },
}


async def test_held_sessions_the_build_and_intents_by_kind_are_told() -> None:
    session = Session("s", parse_config(CONFIG))
    session.word.press("a test", "here")
    session.counts = {"intents_by": [["idle", "held", 3], ["selection", "", 2]]}
    text = metrics.render([session])[0].decode()
    assert 'volition_session_held{session="s"} 1.0' in text
    assert "volition_build_info{" in text
    assert 'volition_intents_by_kind_total{kind="idle",reason="held",session="s"} 3.0' in text
    assert 'volition_intents_by_kind_total{kind="selection",reason="",session="s"} 2.0' in text


async def test_every_name_of_a_count_says_what_is_counted() -> None:
    text = metrics.render([Session("s", parse_config(CONFIG))])[0].decode()
    assert "volition_lost_with_workers_samples_total" in text
    assert "volition_dropped_by_bus_frames_total" in text
