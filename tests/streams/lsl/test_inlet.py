from __future__ import annotations

import signal
import uuid
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from volition.chunk import Chunk, Event, SignalSpec
from volition.errors import ConfigError, StreamError
from volition.streams.lsl.clock import local_clock, utc_offset_s
from volition.streams.lsl.discovery import StreamDescription, find_one, find_streams
from volition.streams.lsl.inlet import MarkerInlet, Packets, SignalInlet
from volition.streams.lsl.outlet import MarkerOutlet, SignalOutlet
from volition.streams.simulated.headset import HeadsetOptions, HeadsetProcess, SyntheticSignal

if TYPE_CHECKING:
    from tests.streams.conftest import Sender

Array = npt.NDArray[np.float64]
CHANNELS = [{"label": f"c{i}", "unit": "uV", "type": "EEG"} for i in range(4)]


def pull_samples(inlet: SignalInlet, n: int, *, timeout_s: float = 10.0) -> tuple[Array, Array]:
    """Pull until that many samples have come, or none does."""
    samples: list[Array] = []
    times: list[Array] = []
    while sum(map(len, times)) < n:
        chunk = inlet.pull(timeout_s)
        if not len(chunk):
            break
        samples.append(chunk.samples.copy())
        times.append(chunk.times.copy())
    return np.concatenate(samples), np.concatenate(times)


def pull_events(inlet: MarkerInlet, n: int) -> list[Event]:
    events: list[Event] = []
    deadline = local_clock() + 120.0
    while len(events) < n and local_clock() < deadline:
        events += inlet.pull()
    return events


def test_a_headset_in_another_process_loses_and_doubles_no_sample() -> None:
    source_id = f"headset-{uuid.uuid4()}"
    source = SyntheticSignal(
        n_channels=64, rate_hz=1000.0, noise_uv=5.0, counter_channel=63, duration_s=2.0
    )
    options = HeadsetOptions(source, source_id=source_id, chunk_samples=10, consumer_timeout_s=20.0)
    with HeadsetProcess(options) as headset:
        with SignalInlet(find_one(source_id=source_id, wait_s=10.0)) as inlet:
            inlet.open(5.0)
            samples, times = pull_samples(inlet, 2000)
        start = headset.wait_until_playing(1.0)

    np.testing.assert_array_equal(samples[:, 63], np.arange(2000))
    np.testing.assert_array_equal(times, start + np.arange(2000) / 1000.0)
    assert inlet.overruns == 0


def test_ten_seconds_of_backlog_are_drained_in_whole_by_several_pulls(
    shared_sender: Sender,
) -> None:
    stream = shared_sender.make(rate_hz=1000.0, n_channels=4, channels=CHANNELS)
    with SignalInlet(stream) as inlet:
        inlet.open(5.0)
        start = shared_sender.count(stream, 10_000)
        first = len(inlet.pull(10.0))
        samples, times = pull_samples(inlet, 10_000 - first)

        assert 0 < first < 10_000
        np.testing.assert_array_equal(samples[:, 0], np.arange(first, 10_000))
        np.testing.assert_array_equal(times, start + np.arange(first, 10_000) / 1000.0)
        assert inlet.overruns == 0
        assert inlet.warnings == []


def test_a_buffer_that_overflows_is_seen(shared_sender: Sender) -> None:
    stream = shared_sender.make(rate_hz=500.0, n_channels=4, channels=CHANNELS)
    with SignalInlet(stream, max_buffer_s=1.0) as inlet:
        inlet.open(5.0)
        shared_sender.count(stream, 3000)
        # What is newest arrives last: once it is here, the older samples are gone.
        while inlet.buffered() < 500:
            pass
        samples, _ = pull_samples(inlet, 3000, timeout_s=1.0)

        assert inlet.overruns > 0
        assert "500 samples was full" in inlet.warnings[-1]
        assert len(samples) < 3000
        assert samples[-1, 0] == 2999


@pytest.mark.parametrize(
    "channel_format", ["float32", "double64", "int8", "int16", "int32", "int64"]
)
def test_every_numeric_format_comes_as_microvolts(
    shared_sender: Sender, channel_format: str
) -> None:
    stream = shared_sender.make(
        channel_format=channel_format,
        channels=[{"label": "a", "unit": "mV"}, {"label": "b", "unit": "µV"}],
    )
    with SignalInlet(stream) as inlet:
        inlet.open(5.0)
        shared_sender.push(stream, [[1, -2], [3, 4]], [100.0, 100.5])
        samples, times = pull_samples(inlet, 2)

    assert samples.dtype == np.float64
    np.testing.assert_array_equal(samples, [[1000.0, -2.0], [3000.0, 4.0]])
    np.testing.assert_array_equal(times, [100.0, 100.5])
    assert inlet.spec == SignalSpec(250.0, ("a", "b"))
    assert inlet.warnings == []


def test_channels_are_picked_by_label_in_the_order_asked_for(shared_sender: Sender) -> None:
    stream = shared_sender.make(n_channels=4, channels=CHANNELS)
    with SignalInlet(stream, channels=["c3", "c1"], units="mV") as inlet:
        inlet.open(5.0)
        shared_sender.push(stream, [[0, 1, 2, 3], [10, 11, 12, 13]], [1.0, 2.0])
        samples, _ = pull_samples(inlet, 2)

    assert inlet.n_channels == 2
    assert inlet.spec.labels == ("c3", "c1")
    np.testing.assert_array_equal(samples, [[3000.0, 1000.0], [13000.0, 11000.0]])


def test_a_label_that_the_stream_lacks_is_an_error_that_lists_its_labels(
    shared_sender: Sender,
) -> None:
    stream = shared_sender.make(n_channels=4, channels=CHANNELS)

    with pytest.raises(ConfigError, match=r"no channel 'Oz'; found: c0, c1, c2, c3"):
        SignalInlet(stream, channels=["Oz"])


def test_a_stream_that_says_nothing_of_itself_is_used_with_warnings(
    shared_sender: Sender,
) -> None:
    stream = shared_sender.make()
    with SignalInlet(stream) as inlet:
        assert inlet.spec.labels == ("1", "2")
        assert inlet.spec.units == ("microvolts", "microvolts")
        assert inlet.warnings == [
            "the stream names no channels; they are called 1 to 2",
            "1, 2: no unit is given; the samples are taken as microvolts",
        ]


def test_a_stream_found_without_details_is_asked_for_them(shared_sender: Sender) -> None:
    stream = shared_sender.make(n_channels=4, channels=CHANNELS)
    (brief,) = find_streams(source_id=stream.source_id, wait_s=5.0, minimum=1, details=False)

    with SignalInlet(brief) as inlet:
        assert brief.labels == ()
        assert inlet.spec.labels == ("c0", "c1", "c2", "c3")


@pytest.mark.parametrize(
    ("name", "source_id", "warning"),
    [
        ("plain", "", "the stream has no source_id"),
        ("the patient's", "some-id", "liblsl cannot recover a stream with an apostrophe"),
    ],
)
def test_a_stream_that_cannot_be_found_again_is_said_to_be_so(
    name: str, source_id: str, warning: str
) -> None:
    spec = SignalSpec(100.0, ("a",))
    name = f"{name} {uuid.uuid4()}"
    with (
        SignalOutlet(spec, name=name, source_id=source_id),
        SignalInlet(find_one(name=name, wait_s=5.0)) as inlet,
    ):
        assert inlet.warnings[0].startswith(warning)


def test_a_pull_that_gets_nothing_ends_in_time_with_an_empty_chunk(
    shared_sender: Sender,
) -> None:
    stream = shared_sender.make(n_channels=4, channels=CHANNELS)
    with SignalInlet(stream, channels=["c0"]) as inlet:
        inlet.open(5.0)
        before = local_clock()
        chunk = inlet.pull(0.1)
        waited = local_clock() - before
        at_once = inlet.pull(0.0)

    assert isinstance(chunk, Chunk)
    assert chunk.samples.shape == (0, 1)
    assert at_once.samples.shape == (0, 1)
    assert 0.09 < waited < 5.0


def test_an_inlet_of_a_stream_that_ends_reports_it(sender: Sender) -> None:
    stream = sender.make(n_channels=4, channels=CHANNELS)
    with SignalInlet(stream, recover=False) as inlet:
        inlet.open(5.0)
        sender.process.kill()

        with pytest.raises(StreamError, match=r"sent \(EEG, 4 ch, 250 Hz\) on .* was lost"):
            pull_samples(inlet, 1)


@pytest.mark.slow
def test_an_inlet_that_recovers_goes_on_with_the_next_life_of_its_stream() -> None:
    key = f"restarts-{uuid.uuid4()}"
    options = HeadsetOptions(SyntheticSignal(n_channels=2, counter_channel=0), source_id=key)
    with HeadsetProcess(options) as first:
        inlet = SignalInlet(find_one(source_id=key, wait_s=10.0))
        inlet.open(5.0)
        pull_samples(inlet, 100)
        first.stop()
    with HeadsetProcess(options) as second:
        start = second.wait_until_playing(10.0)
        times = np.zeros(0)
        while len(times) == 0 or times[-1] < start:
            _, times = pull_samples(inlet, 100, timeout_s=20.0)
        inlet.close()

    assert times[-1] >= start
    assert inlet.clock_offset_s == 0.0


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="needs a signal that stops a process")
def test_a_sender_that_hangs_gives_empty_chunks_and_then_all_it_sent(sender: Sender) -> None:
    stream = sender.make(n_channels=4, channels=CHANNELS)
    with SignalInlet(stream, recover=False) as inlet:
        inlet.open(5.0)
        sender.count(stream, 100)
        pull_samples(inlet, 100)
        sender.process.send_signal(signal.SIGSTOP)
        hung = inlet.pull(0.3)
        sender.process.send_signal(signal.SIGCONT)
        sender.count(stream, 100, first=100)
        samples, _ = pull_samples(inlet, 100)

    assert len(hung) == 0
    np.testing.assert_array_equal(samples[:, 0], np.arange(100, 200))


def test_a_closed_inlet_says_so(shared_sender: Sender) -> None:
    stream = shared_sender.make(n_channels=4, channels=CHANNELS)
    inlet = SignalInlet(stream)
    inlet.close()
    inlet.close()

    with pytest.raises(StreamError, match="is closed"):
        inlet.pull(0.0)


def test_texts_are_no_signal() -> None:
    key = str(uuid.uuid4())
    with MarkerOutlet("m", key), pytest.raises(StreamError, match="sends texts"):
        SignalInlet(find_one(source_id=key, wait_s=5.0))


def test_the_chunks_of_two_pulls_share_their_memory(shared_sender: Sender) -> None:
    stream = shared_sender.make(n_channels=4, channels=CHANNELS)
    with SignalInlet(stream) as inlet:
        inlet.open(5.0)
        shared_sender.push(stream, [[1, 1, 1, 1]], [1.0])
        first = inlet.pull(5.0)
        shared_sender.push(stream, [[2, 2, 2, 2]], [2.0])
        second = inlet.pull(5.0)

    assert np.shares_memory(first.samples, second.samples)


def test_the_clock_offset_of_another_host_is_added_to_every_time(shared_sender: Sender) -> None:
    stream = shared_sender.make(n_channels=4, channels=CHANNELS)
    with SignalInlet(stream) as inlet:
        inlet.open(5.0)
        assert inlet.clock_offset_s == 0.0
        # There is but one clock here; this is what liblsl would have measured on another's.
        inlet._connection.known_offset_s = -7.25
        inlet._connection._offset_due = np.inf
        shared_sender.push(stream, [[0, 0, 0, 0], [1, 1, 1, 1]], [100.0, 100.5])
        _, times = pull_samples(inlet, 2)

    assert inlet.clock_offset_s == -7.25
    np.testing.assert_array_equal(times, [92.75, 93.25])


def test_a_step_of_a_clock_is_counted_and_its_uncertainty_is_known(shared_sender: Sender) -> None:
    stream = shared_sender.make(n_channels=4, channels=CHANNELS)
    with SignalInlet(stream) as inlet:
        before = inlet.clock()
        inlet.open(5.0)
        opened = inlet.clock()
        # As if another host's clock had stood a quarter of a second apart until now.
        inlet._connection.known_offset_s = 0.25
        inlet._connection._offset_due = 0.0
        shared_sender.push(stream, [[0, 0, 0, 0]], [100.0])
        pull_samples(inlet, 1)
        stepped = inlet.clock()

    assert before == {"offset_s": None, "uncertainty_s": None, "steps": 0}
    assert (opened["offset_s"], opened["steps"]) == (0.0, 0)
    assert opened["uncertainty_s"] is not None
    assert 0 <= opened["uncertainty_s"] < 0.1
    assert (stepped["offset_s"], stepped["steps"]) == (0.0, 1)


def test_the_clock_of_this_very_machine_is_measured_once(shared_sender: Sender) -> None:
    stream = shared_sender.make(n_channels=4, channels=CHANNELS)
    process = psutil.Process()
    with SignalInlet(stream, recover=False) as inlet:
        inlet.open(5.0)
        shared_sender.push(stream, [[0, 0, 0, 0]], [100.0])
        pull_samples(inlet, 1)
        opened = {thread.id for thread in process.threads()}
        # liblsl starts a thread that never stops estimating when an inlet is first asked.
        inlet._connection.inlet.time_correction(5.0)
        assert {thread.id for thread in process.threads()} - opened

    assert inlet.clock_offset_s == 0.0


def test_another_clock_behind_the_same_host_name_goes_on_being_measured(
    shared_sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    offsets = iter([0.5])
    monkeypatch.setattr(
        "volition.streams.lsl.inlet.clean_offset", lambda *_, **__: next(offsets, 0.25)
    )
    stream = shared_sender.make(n_channels=4, channels=CHANNELS)
    with SignalInlet(stream, recover=False) as inlet:
        inlet.open(5.0)
        assert inlet.clock_offset_s == 0.5
        deadline = local_clock() + 120.0
        while not inlet.clock()["steps"] and local_clock() < deadline:
            shared_sender.push(stream, [[0, 0, 0, 0]], [100.0])
            pull_samples(inlet, 1)

    assert (inlet.clock()["offset_s"], inlet.clock()["steps"]) == (0.25, 1)


# --- markers ---------------------------------------------------------------------------------


def test_markers_of_text_and_json_come_as_events_at_their_times(shared_sender: Sender) -> None:
    stream = shared_sender.make(kind="Markers", rate_hz=0.0, n_channels=1, channel_format="string")
    texts: list[Any] = ["cue", '{"event": "trial_start", "target": "13 Hz"}', "{broken", "µ ✓", ""]
    with MarkerInlet(stream) as inlet:
        inlet.open(5.0)
        assert inlet.pull() == []
        shared_sender.push(stream, [[text] for text in texts], [10.0, 11.0, 12.5, 13.0, 14.0])
        events = pull_events(inlet, 5)

    assert events == [
        Event(10.0, "cue"),
        Event(11.0, "trial_start", {"target": "13 Hz"}),
        Event(12.5, "{broken"),
        Event(13.0, "µ ✓"),
        Event(14.0, ""),
    ]


@pytest.mark.parametrize("channel_format", ["int32", "int16", "float32"])
def test_markers_that_are_numbers_come_as_their_text(
    shared_sender: Sender, channel_format: str
) -> None:
    stream = shared_sender.make(
        kind="Markers", rate_hz=0.0, n_channels=1, channel_format=channel_format
    )
    with MarkerInlet(stream) as inlet:
        inlet.open(5.0)
        shared_sender.push(stream, [[7], [-1]], [1.0, 2.0])
        events = pull_events(inlet, 2)

    assert events == [Event(1.0, "7"), Event(2.0, "-1")]


def test_many_markers_at_once_all_come_in_order(shared_sender: Sender) -> None:
    stream = shared_sender.make(kind="Markers", rate_hz=0.0, n_channels=1, channel_format="string")
    with MarkerInlet(stream) as inlet:
        inlet.open(5.0)
        shared_sender.push(stream, [[str(k)] for k in range(1000)], [1.0 + k for k in range(1000)])
        events = pull_events(inlet, 1000)

    assert [event.name for event in events] == [str(k) for k in range(1000)]


def test_a_signal_is_no_stream_of_markers() -> None:
    description = StreamDescription("exo", "EEG", "s", "h", "u", 250.0, "float32", 8)

    with pytest.raises(StreamError, match=r"8 channels; choose one with markers\.channel"):
        MarkerInlet(description)


@given(st.lists(st.integers(1, 40), min_size=9, max_size=9), st.data())
def test_a_packet_is_what_came_between_two_silences(sizes: list[int], data: st.DataObject) -> None:
    packets = Packets()
    for size in sizes:
        packets.begin()
        assert packets.usual == 0
        left = size
        while left:
            pulled = data.draw(st.integers(1, left))
            packets.add(pulled)
            left -= pulled
    packets.begin()
    packets.begin()  # silence goes on
    assert packets.usual in sizes
    assert sum(size >= packets.usual for size in sizes) >= 5


@pytest.mark.parametrize(("clock", "shift_s"), [("unix", None), ("device", -1e5)])
def test_a_foreign_clock_is_refused_until_it_is_named_and_then_mapped(
    shared_sender: Sender, clock: Any, shift_s: float | None
) -> None:
    stream = shared_sender.make(channels=CHANNELS[:2])
    shift_s = utc_offset_s() if shift_s is None else shift_s
    for named in ("lsl", clock):
        with SignalInlet(stream, clock=named) as inlet:
            inlet.open(5.0)
            sent = local_clock()
            shared_sender.push(
                stream, [[1.0, 2.0]] * 3, [sent + shift_s + k / 250 for k in range(3)]
            )
            if named == "lsl":
                with pytest.raises(StreamError, match=f"set it to {clock}"):
                    pull_samples(inlet, 3)
                continue
            _, times = pull_samples(inlet, 3)
            assert times[-1] == pytest.approx(local_clock(), abs=2.0)
            assert inlet.stamps()["clock"] == clock


def test_a_marker_of_another_clock_is_refused_and_told_of(shared_sender: Sender) -> None:
    stream = shared_sender.make(kind="Markers", rate_hz=0.0, n_channels=1, channel_format="string")
    inlet = MarkerInlet(stream, clock="lsl")
    inlet.open(5.0)
    shared_sender.push(stream, [["a"], ["b"], ["c"]], [3.0, local_clock(), local_clock() + 1e9])
    assert [event.name for event in pull_events(inlet, 1)] == ["b"]
    assert inlet.refused == 2
    assert any("years ahead" in warning for warning in inlet.warnings)


def test_a_marker_stream_of_floats_gives_whole_numbers_as_digits(shared_sender: Sender) -> None:
    stream = shared_sender.make(kind="Markers", rate_hz=0.0, n_channels=2, channel_format="float32")
    inlet = MarkerInlet(stream, channel=2)
    inlet.open(5.0)
    shared_sender.push(stream, [[1.0, 7.0], [1.0, 2.5]], [local_clock()] * 2)
    assert [event.name for event in pull_events(inlet, 2)] == ["7", "2.5"]


def test_a_stream_that_announces_what_no_device_sends_is_refused_until_its_rate_is_given(
    shared_sender: Sender,
) -> None:
    stream = shared_sender.make(rate_hz=1e6, channels=CHANNELS[:2])
    with pytest.raises(StreamError, match=r"stream\.rate_hz"):
        SignalInlet(stream)
    with SignalInlet(stream, rate_hz=250.0) as inlet:
        assert inlet.spec.rate_hz == 250.0


def test_an_irregular_signal_gets_its_rate_from_the_user(shared_sender: Sender) -> None:
    stream = shared_sender.make(rate_hz=0.0, channels=CHANNELS[:2])
    with SignalInlet(stream, rate_hz=250.0) as inlet:
        assert inlet.spec.rate_hz == 250.0
