from __future__ import annotations

import json
import os
import pickle
import signal
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pylsl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from volition.chunk import SignalSpec
from volition.errors import StreamError
from volition.streams.lsl import discovery
from volition.streams.lsl.clock import local_clock
from volition.streams.lsl.discovery import (
    DETAILS_TIMEOUT_S,
    StreamDescription,
    _with_details,
    clean_offset,
    clean_text,
    find_one,
    find_streams,
    resolve_again,
    xpath_string,
)
from volition.streams.lsl.outlet import MarkerOutlet, SignalOutlet

if TYPE_CHECKING:
    from tests.streams.conftest import Sender

SPEC = SignalSpec(256.0, ("Oz", "VEOG"), ("uV", "mV"), ("EEG", "EOG"))


@pytest.fixture(scope="module")
def eight_streams() -> Iterator[str]:
    """The type of eight streams."""
    kind = f"EEG-{uuid.uuid4()}"
    with ExitStack() as stack:
        for number in range(8):
            stack.enter_context(
                SignalOutlet(
                    SPEC, name=f"headset {number}", type=kind, source_id=f"{kind}-{number}"
                )
            )
        yield kind


def test_eight_streams_at_once_are_all_found_twenty_times_in_twenty(eight_streams: str) -> None:
    found = [
        len(find_streams(type=eight_streams, wait_s=3.0, minimum=8, details=False))
        for _ in range(20)
    ]

    assert found == [8] * 20


def test_more_streams_than_lsl_has_ports_by_default_are_all_found() -> None:
    kind = f"many-{uuid.uuid4()}"
    with ExitStack() as stack:
        for number in range(36):
            stack.enter_context(MarkerOutlet(f"m{number}", f"{kind}-{number}", type=kind))

        found = find_streams(type=kind, wait_s=5.0, minimum=36, details=False)

    assert len(found) == 36


def test_a_description_says_all_that_the_stream_says(eight_streams: str) -> None:
    before = local_clock()
    (found,) = find_streams(source_id=f"{eight_streams}-3", wait_s=2.0, minimum=1)

    assert found.name == "headset 3"
    assert found.type == eight_streams
    assert found.rate_hz == 256.0
    assert found.format == "float32"
    assert found.n_channels == 2
    assert found.labels == ("Oz", "VEOG")
    assert found.units == ("uV", "mV")
    assert found.kinds == ("EEG", "EOG")
    assert found.clock_offset_s == 0.0
    assert 0 < found.created_at < before
    assert found.detailed


def test_a_description_travels_to_json_and_to_other_processes(eight_streams: str) -> None:
    found = find_one(source_id=f"{eight_streams}-3", wait_s=2.0)

    elsewhere = pickle.loads(pickle.dumps(found))  # noqa: S301 - made on the line before
    assert elsewhere == found
    assert (found.handle is None, elsewhere.handle) == (False, None)
    assert json.loads(json.dumps(found.to_dict()))["labels"] == ["Oz", "VEOG"]
    assert resolve_again(elsewhere, wait_s=2.0).uid() == found.uid


def test_the_streams_of_a_search_come_in_order(eight_streams: str) -> None:
    found = find_streams(type=eight_streams, wait_s=2.0, minimum=8)

    assert [one.name for one in found] == [f"headset {number}" for number in range(8)]
    assert all(one.detailed for one in found)


def test_a_search_that_finds_nothing_ends_in_time_and_is_empty() -> None:
    before = local_clock()

    assert find_streams(name=f"nobody-{uuid.uuid4()}", wait_s=0.2) == []
    assert local_clock() - before < 2.0


def test_no_match_is_an_error_that_lists_what_was_found(eight_streams: str) -> None:
    with pytest.raises(StreamError) as caught:
        find_one(name="nobody", wait_s=0.2)

    assert str(caught.value).startswith("no stream with name 'nobody' within 0.2 s; found: ")
    assert f"headset 3 ({eight_streams}, 2 ch, 256 Hz)" in str(caught.value)


def test_several_matches_are_an_error_that_says_how_to_choose(eight_streams: str) -> None:
    with pytest.raises(StreamError, match="choose by source_id") as caught:
        find_one(type=eight_streams, wait_s=2.0)

    assert f"source_id '{eight_streams}-7'" in str(caught.value)
    assert len(caught.value.fields["found"]) == 8


@pytest.mark.parametrize("name", ["it's", 'say "ah"', """it's "both" ' " '""", "µV ✓", "a]b[c=1"])
def test_a_name_with_quotes_is_found_and_nothing_else_is(name: str) -> None:
    key = str(uuid.uuid4())
    with (
        MarkerOutlet(f"{name}{key}", f"quoted-{key}"),
        MarkerOutlet(f"other{key}", f"other-{key}"),
    ):
        found = find_one(name=f"{name}{key}", wait_s=3.0)

    assert found.source_id == f"quoted-{key}"


@given(st.text(st.characters(blacklist_categories=["Cc", "Cs"]), max_size=20))
@example("""'"'"''""")
@example("' or '1'='1")
def test_any_text_written_for_xpath_means_itself(text: str) -> None:
    written = xpath_string(text)

    # Read back by the rules of XPath: strings in either quotes, joined by concat.
    pieces = written.removeprefix("concat(").removesuffix(")") if "concat" in written else written
    rest, meant = pieces, ""
    while rest:
        quote = rest[0]
        end = rest.index(quote, 1)
        meant += rest[1:end]
        rest = rest[end + 1 :].removeprefix(", ")
    assert meant == text


@pytest.mark.parametrize("text", ["a\nb", "a\r\nLSL:shortinfo", "\x00"])
def test_a_text_that_would_end_the_query_is_refused(text: str) -> None:
    with pytest.raises(StreamError, match="control character"):
        find_streams(name=text, wait_s=0.1)


def test_a_description_of_a_stream_that_is_gone_is_an_error() -> None:
    key = str(uuid.uuid4())
    with MarkerOutlet("brief", key):
        found = find_one(source_id=key, wait_s=2.0)

    with pytest.raises(StreamError, match=r"brief \(Markers\).* is gone"):
        resolve_again(found, wait_s=0.3)


def test_a_stream_of_another_process_is_described_with_odd_units(shared_sender: Sender) -> None:
    found = shared_sender.make(
        rate_hz=500.0,
        n_channels=3,
        channel_format="int16",
        channels=[{"label": "A & B"}, {"label": "<C>", "unit": "µV"}, {}],
    )

    assert found.format == "int16"
    assert found.labels == ("A & B", "<C>", "")
    assert found.units == ("", "µV", "")
    assert found.kinds == ()


def test_a_control_character_in_a_label_is_replaced_and_hides_nothing(
    shared_sender: Sender,
) -> None:
    broken = shared_sender.make(channels=[{"label": "\x01"}, {"label": "b"}])
    sound = shared_sender.make(channels=[{"label": "a"}, {"label": "b"}])

    assert broken.labels == ("\ufffd", "b")
    assert sound.labels == ("a", "b")


def test_a_stream_of_a_thousand_channels_is_described_in_full(
    shared_sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A busy machine may take its time over a description of this size; what counts is all of it.
    monkeypatch.setattr(discovery, "DETAILS_TIMEOUT_S", 60.0)
    labels = [f"electrode {k}" for k in range(1024)]
    found = shared_sender.make(
        rate_hz=30_000.0, n_channels=1024, channels=[{"label": label} for label in labels]
    )

    assert found.labels == tuple(labels)


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="needs a signal that stops a process")
def test_a_process_that_hangs_costs_a_search_no_more_than_its_time(sender: Sender) -> None:
    key = str(uuid.uuid4())
    sender.make(source_id=key)
    (info,) = pylsl.resolve_byprop("source_id", key, 1, 5.0)
    sender.process.send_signal(signal.SIGSTOP)
    os.waitpid(sender.process.pid, os.WUNTRACED)  # until then its threads may still answer
    before = local_clock()
    try:
        (found,) = _with_details([info])
    finally:
        sender.process.send_signal(signal.SIGCONT)

    assert not found.detailed
    assert found.clock_offset_s is None
    assert local_clock() - before < DETAILS_TIMEOUT_S + 2.0


@pytest.mark.parametrize(
    ("offset_s", "same_host", "clean"),
    [
        (4e-5, True, 0.0),
        (4e-5, False, 4e-5),
        (0.0131, True, 0.0),
        (-0.5, True, -0.5),
        (17.0, True, 17.0),
    ],
)
def test_only_noise_between_readers_of_one_clock_is_taken_for_no_offset(
    offset_s: float, same_host: bool, clean: float
) -> None:
    assert clean_offset(offset_s, same_host=same_host) == clean


def test_a_summary_says_what_a_stream_is_in_a_few_words() -> None:
    markers = StreamDescription("m", "Markers", "s", "h", "u", 0.0, "string", 1)
    signal = StreamDescription("exo", "EEG", "s", "h", "u", 512.5, "float32", 8)

    assert markers.summary() == "m (Markers)"
    assert signal.summary() == "exo (EEG, 8 ch, 512.5 Hz)"


def test_a_type_is_found_whatever_its_capitals(shared_sender: Sender) -> None:
    made = shared_sender.make(kind="eeg")
    assert find_one(type="EEG", source_id=made.source_id, wait_s=3.0).type == "eeg"


def test_streams_of_one_source_id_are_told_apart_by_uid(shared_sender: Sender) -> None:
    source_id = f"twin-{uuid.uuid4()}"
    for key in ("one", "two"):
        shared_sender.tell("make", f"{source_id}-{key}", name="twin", source_id=source_id)
    with pytest.raises(StreamError, match="choose by uid") as caught:
        find_one(source_id=source_id, wait_s=3.0)
    uid = caught.value.fields["found"][0]["uid"]
    assert find_one(source_id=source_id, uid=uid, wait_s=3.0).uid == uid


def test_a_stream_is_found_by_its_host(shared_sender: Sender) -> None:
    made = shared_sender.make()
    assert find_streams(source_id=made.source_id, host=made.host, wait_s=3.0, minimum=1)
    assert not find_streams(source_id=made.source_id, host="elsewhere", wait_s=0.5)


@given(st.binary(max_size=40))
def test_any_bytes_become_a_text_that_xml_may_hold(raw: bytes) -> None:
    text = clean_text(raw)
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    ET.fromstring(f"<a>{escaped}</a>")  # noqa: S314 - our own


class _Gone:
    """An inlet whose stream is gone, as pylsl tells it: at once."""

    def info(self, timeout: float) -> None:
        raise RuntimeError("lost")


def test_a_stream_that_does_not_describe_itself_is_told_with_the_time_that_was_waited() -> None:
    description = StreamDescription("x", "EEG", "y", "h", "u", 1.0, "float32", 1)
    with pytest.raises(StreamError, match=r"asked for [\d.e-]+ of 5 s"):
        discovery.describe_in_full(description, _Gone(), timeout_s=5.0)
