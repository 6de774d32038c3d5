from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator

import pytest

from volition.chunk import SignalSpec
from volition.service.sessions.config import SessionConfig
from volition.service.worker.connector import Connector, GaveUpError, _Pauses
from volition.streams.lsl.discovery import find_one
from volition.streams.lsl.outlet import SignalOutlet

TARGETS = [{"label": "a", "freq_hz": 8.0}, {"label": "b", "freq_hz": 9.0}]


class Told:
    """A connector, what it said, and when it is to end: at its first word after a connection."""

    def __init__(self, source_id: str, known_uid: str | None = None, **stream: object) -> None:
        config = SessionConfig.model_validate(
            {
                "stream": {"source_id": source_id, **stream},
                "decoder": {"kind": "cca", "targets": TARGETS},
            }
        )
        self.said: list[str] = []
        self.asked: list[SignalSpec] = []
        self.why_not = ""
        self.connector = Connector(
            config,
            turn=lambda: not self.said,
            say=self.said.append,
            why_not_follow=self._why_not_follow,
            known_uid=known_uid,
        )

    def _why_not_follow(self, spec: SignalSpec) -> str:
        self.asked.append(spec)
        return self.why_not


@contextlib.contextmanager
def outlet(source_id: str, *labels: str, rate_hz: float = 250.0) -> Iterator[None]:
    with SignalOutlet(SignalSpec(rate_hz, labels), name="feed", source_id=source_id):
        yield


def test_every_life_of_a_stream_is_connected_to_and_another_signal_is_not() -> None:
    source_id = f"feed-{uuid.uuid4()}"
    told = Told(source_id)
    for _ in range(2):
        with outlet(source_id, "Oz", "O1"):
            connection = told.connector.connect()
        assert connection is not None
        assert connection.signal.description.clock_offset_s == 0.0
        connection.close()
    assert told.said == []
    with outlet(source_id, "O1", "Oz"):
        assert told.connector.connect() is None
    assert [why.partition(":")[0] for why in told.said] == [
        "the stream came back as another signal"
    ]


def test_a_stream_of_another_rate_or_fewer_channels_is_followed_where_asked_to() -> None:
    source_id = f"feed-{uuid.uuid4()}"
    told = Told(source_id, on_change="follow")
    lives = [(("Oz", "O1"), 250.0), (("Oz", "O1"), 200.0), (("Oz",), 200.0)]
    warnings: list[str] = []
    for labels, rate_hz in lives:
        with outlet(source_id, *labels, rate_hz=rate_hz):
            connection = told.connector.connect()
        assert connection is not None
        assert connection.signal.spec == SignalSpec(rate_hz, labels)
        warnings = connection.signal.warnings
        connection.close()
    assert told.asked == [SignalSpec(rate_hz, labels) for labels, rate_hz in lives[1:]]
    assert told.said == []
    assert any(
        "had 2 channels (Oz, O1) at 200 Hz, now 1 channels (Oz) at 200 Hz; the session follows it"
        in warning
        for warning in warnings
    )


@pytest.mark.parametrize("on_change", ["refuse", "remap", "follow"])
def test_a_stream_that_still_has_the_channels_that_are_named_is_the_signal_that_it_was(
    on_change: str,
) -> None:
    source_id = f"feed-{uuid.uuid4()}"
    told = Told(source_id, on_change=on_change, channels=["Oz", "O1"])
    for labels in (("O1", "Cz", "Oz"), ("Oz", "O1")):
        with outlet(source_id, *labels):
            connection = told.connector.connect()
        assert connection is not None
        assert connection.signal.spec.labels == ("Oz", "O1")
        connection.close()
    assert (told.asked, told.said) == ([], [])


def test_channels_are_taken_by_label_before_a_stream_is_followed() -> None:
    source_id = f"feed-{uuid.uuid4()}"
    told = Told(source_id, on_change="follow")
    for labels in (("Oz", "O1"), ("Cz", "O1", "Oz")):
        with outlet(source_id, *labels):
            connection = told.connector.connect()
        assert connection is not None
        assert connection.signal.spec.labels == ("Oz", "O1")
        connection.close()
    assert told.asked == []


def test_a_stream_that_cannot_be_followed_is_waited_for_and_it_is_said_why() -> None:
    source_id = f"feed-{uuid.uuid4()}"
    told = Told(source_id, on_change="follow")
    with outlet(source_id, "Oz", "O1"):
        connection = told.connector.connect()
    assert connection is not None
    connection.close()
    told.why_not = "the model was made for 250 Hz"
    with outlet(source_id, "Oz", "O1", rate_hz=200.0):
        assert told.connector.connect() is None
    (why,) = told.said
    assert why.endswith("(the session cannot follow it: the model was made for 250 Hz)")


def test_a_successor_goes_on_with_the_stream_that_was_chosen_though_a_second_one_matches() -> None:
    source_id = f"feed-{uuid.uuid4()}"
    with outlet(source_id, "Oz"):
        chosen = find_one(source_id=source_id, wait_s=5.0)
        with outlet(source_id, "Oz"):
            connection = Told(source_id, chosen.uid).connector.connect()
            assert connection is not None
            assert connection.signal.description.uid == chosen.uid
            connection.close()
            told = Told(source_id)
            assert told.connector.connect() is None
            assert "2 streams" in told.said[0]


def test_a_successor_takes_the_next_life_of_a_stream_that_has_ended() -> None:
    source_id = f"feed-{uuid.uuid4()}"
    with outlet(source_id, "Oz"):
        ended = find_one(source_id=source_id, wait_s=5.0)
    with outlet(source_id, "Oz"):
        connection = Told(source_id, ended.uid).connector.connect()
        assert connection is not None
        assert connection.signal.description.uid != ended.uid
        connection.close()


def test_who_waits_no_longer_is_told_what_there_is_instead() -> None:
    told = Told(f"nobody-{uuid.uuid4()}", wait_s=0.1)
    with pytest.raises(GaveUpError, match=r"gave up after 0\.1 s: no stream with .* found: "):
        told.connector.connect()


def test_pauses_grow_to_half_a_second_and_differ_by_chance() -> None:
    first, second = _Pauses(), _Pauses()
    pauses = [(first.next_s(), second.next_s()) for _ in range(20)]
    assert all(a != b for a, b in pauses)
    assert max(pauses[0]) <= 0.05
    assert all(0.25 <= pause <= 0.5 for pair in pauses[5:] for pause in pair)
