from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from volition.chunk import Event
from volition.errors import StreamError
from volition.incoming import MOST_TEXT_CHARS
from volition.streams.signal.markers import MarkerReader, choose_channel


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("trial_start", "trial_start"),
        ("Reiz_grün".encode("latin-1"), "Reiz_gr\ufffdn"),
        (7, "7"),
        (7.0, "7"),
        (2.5, "2.5"),
        (2**60 + 1, str(2**60 + 1)),
        ("\ud83d alone", "? alone"),
        (b"ends\0", "ends"),
    ],
)
def test_a_marker_of_any_kind_has_a_name(value: Any, name: str) -> None:
    event = MarkerReader().read(5.0, [value])
    assert event == Event(5.0, name)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_holds_no_marker_is_skipped_and_counted(value: Any) -> None:
    reader = MarkerReader()
    assert reader.read(5.0, [value]) is None
    assert reader.skipped == 1


@pytest.mark.parametrize("data", [{}, {"target": "left", "freq_hz": 13}])
def test_a_json_marker_is_read_flat_and_as_the_rest_api_takes_it(data: dict[str, Any]) -> None:
    flat = json.dumps({"event": "trial_start", **data})
    rest = json.dumps({"name": "trial_start", "data": data})
    reader = MarkerReader()
    assert reader.read(5.0, [flat]) == reader.read(5.0, [rest]) == Event(5.0, "trial_start", data)
    assert [one["read_as"] for one in reader.recent] == ["json", "json"]


def test_json_of_no_known_form_is_a_text_and_said_to_be() -> None:
    reader = MarkerReader()
    event = reader.read(5.0, ['{"label": "left"}'])
    assert event is not None
    assert event.name == '{"label": "left"}'
    assert "JSON" in reader.recent[-1]["read_as"]


@pytest.mark.parametrize("bracket", ["[", '{"a":'])
def test_json_nested_without_end_is_a_text(bracket: str) -> None:
    text = '{"event":"t","d":' + bracket * 5000
    assert MarkerReader().read(5.0, [text]) == Event(5.0, text)


def test_of_a_text_without_end_the_beginning_is_kept() -> None:
    event = MarkerReader().read(5.0, ["x" * 1_000_000])
    assert event is not None
    assert len(event.name) == MOST_TEXT_CHARS


@given(st.binary(max_size=40) | st.text(max_size=40) | st.floats() | st.integers())
def test_no_marker_raises_and_each_can_be_written_again(value: Any) -> None:
    event = MarkerReader().read(1.0, [value])
    if event is not None:
        event.to_marker().encode()


def test_of_several_channels_one_is_chosen_by_label_or_number() -> None:
    labels = ("kind", "side")
    assert choose_channel("side", 2, labels) == choose_channel(2, 2) == 1
    assert MarkerReader(1).read(1.0, ["stim", "left"]) == Event(1.0, "left")


@pytest.mark.parametrize("wanted", [None, 0, 3, "colour"])
def test_a_channel_that_is_not_there_is_refused_with_what_is(wanted: Any) -> None:
    with pytest.raises(StreamError, match="2"):
        choose_channel(wanted, 2, ("kind", "side"))
