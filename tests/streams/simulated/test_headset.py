from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import uuid
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.streams.files import raw_xdf
from volition.errors import ConfigError, RecordingError, StreamError
from volition.streams.files.choice import StreamKeys
from volition.streams.files.recording import packaged_recordings, read_recording
from volition.streams.lsl.clock import local_clock
from volition.streams.lsl.discovery import find_one, find_streams
from volition.streams.lsl.inlet import MarkerInlet, SignalInlet
from volition.streams.simulated.headset import (
    Due,
    FileStreams,
    HeadsetOptions,
    HeadsetProcess,
    Player,
    Sine,
    SyntheticSignal,
    run_headset,
)

S03 = packaged_recordings()["ssvep-exo-s03"]
S12 = packaged_recordings()["ssvep-exo-s12"]


def played(options: HeadsetOptions, start: float = 0.0) -> tuple[Any, Any, list[Due]]:
    """All samples, their times, and the markers of a headset that ends."""
    everything = list(Player(options).schedule(start))
    chunks = [due for due in everything if due.marker is None]
    return (
        np.concatenate([due.samples for due in chunks]),
        np.concatenate([due.times for due in chunks]),
        [due for due in everything if due.marker is not None],
    )


# --- what is played, and when ----------------------------------------------------------------


@given(
    rate_hz=st.sampled_from([7.0, 250.0, 256.0, 999.7, 30_000.0]),
    chunk_samples=st.integers(1, 70),
    start=st.floats(0, 1e6),
)
def test_every_stamp_is_the_moment_that_the_number_of_the_sample_gives(
    rate_hz: float, chunk_samples: int, start: float
) -> None:
    source = SyntheticSignal(n_channels=2, rate_hz=rate_hz, counter_channel=1)
    player = Player(HeadsetOptions(source, chunk_samples=chunk_samples))
    first = list(islice(player.schedule(start), 30))
    numbers = np.concatenate([due.samples[:, 1] for due in first])
    times = np.concatenate([due.times for due in first])

    np.testing.assert_array_equal(numbers, np.arange(30 * chunk_samples))
    np.testing.assert_array_equal(times, start + numbers / rate_hz)
    assert all(due.time == pytest.approx(due.times[-1], abs=1e-9) for due in first)


def test_a_hundred_hours_on_the_stamps_have_not_drifted() -> None:
    rate_hz, hours = 256.0, 100
    number = int(hours * 3600 * rate_hz)
    player = Player(HeadsetOptions(SyntheticSignal(rate_hz=rate_hz, counter_channel=0), loop=True))
    late = next(player._round(1000.0, number))

    assert late.times[0] == 1000.0 + hours * 3600


@given(chunk_samples=st.integers(1, 300))
def test_a_made_up_signal_is_the_same_whatever_the_chunks(chunk_samples: int) -> None:
    source = SyntheticSignal(
        n_channels=3,
        rate_hz=250.0,
        sines=(Sine(10.0, 20.0, (0, 2)), Sine(50.0, 3.0)),
        noise_uv=5.0,
        duration_s=2.002,
        seed=7,
    )
    samples, _, _ = played(HeadsetOptions(source, chunk_samples=chunk_samples))
    whole, _, _ = played(HeadsetOptions(source, chunk_samples=500))

    assert len(whole) == 500
    np.testing.assert_array_equal(samples, whole)


def test_a_made_up_signal_holds_the_sines_asked_for() -> None:
    source = SyntheticSignal(
        n_channels=2, rate_hz=250.0, sines=(Sine(10.0, 20.0, (1,)),), duration_s=4.0
    )
    samples, _, _ = played(HeadsetOptions(source))
    amplitudes = 2 / len(samples) * np.abs(np.fft.rfft(samples[:, 1]))

    assert amplitudes.argmax() == 40
    assert amplitudes[40] == pytest.approx(20.0)
    np.testing.assert_array_equal(samples[:, 0], 0.0)


@pytest.mark.parametrize("chunk_samples", [1, 8, 1000])
def test_a_recording_is_played_sample_for_sample_with_its_markers_in_time(
    chunk_samples: int,
) -> None:
    recording = read_recording(S03)
    samples, times, markers = played(HeadsetOptions(S03, chunk_samples=chunk_samples), 500.0)

    np.testing.assert_array_equal(samples, recording.samples)
    np.testing.assert_array_equal(times, 500.0 + np.arange(len(recording)) / 256.0)
    assert [due.marker for due in markers] == [event.to_marker() for event in recording.events]
    assert [due.time for due in markers] == [500.0 + event.time for event in recording.events]


def test_what_is_due_comes_in_order_of_time() -> None:
    times = [due.time for due in Player(HeadsetOptions(S03, chunk_samples=100)).schedule(0.0)]

    assert times == sorted(times)


def test_the_first_flicker_trials_are_played_without_the_rest_before_them() -> None:
    options = HeadsetOptions(S03, start_trial=0, trials=8, skip_rest=True, lead_in_s=2.0)
    samples, _, markers = played(options)
    recording = read_recording(S03)
    flicker = recording.trials(skip_rest=True)
    first = round((flicker[0].time - 2.0) * 256)

    assert [due.marker for due in markers] == [event.to_marker() for event in flicker[:8]]
    assert markers[0].time == pytest.approx(2.0)
    np.testing.assert_array_equal(samples, recording.samples[first : first + len(samples)])
    assert len(samples) == round((flicker[8].time - flicker[0].time + 2.0) * 256)


def test_trials_at_rest_between_the_others_are_played_as_they_were_recorded() -> None:
    _, _, markers = played(HeadsetOptions(S12, start_trial=0, trials=8, skip_rest=True))
    texts = [due.marker for due in markers if due.marker is not None]

    assert sum("rest" not in text for text in texts) == 8
    assert '"rest"' not in texts[0]
    assert any('"rest"' in text for text in texts)


def test_playing_can_begin_with_the_first_trial_of_a_target() -> None:
    _, _, markers = played(HeadsetOptions(S03, target="13 Hz", trials=1))

    assert [due.marker for due in markers] == [
        '{"event": "trial_start", "target": "13 Hz", "freq_hz": 13}'
    ]


def test_the_last_trial_is_played_to_its_end() -> None:
    samples, _, markers = played(HeadsetOptions(S03, start_trial=31, lead_in_s=1.0))

    assert len(markers) == 1
    assert len(samples) == 256 * (1 + 6.5)


def test_playing_can_begin_at_a_moment() -> None:
    samples, _, _ = played(HeadsetOptions(S03, start_s=200.0, channels=("PO4", "Oz")))
    recording = read_recording(S03, channels=["PO4", "Oz"])

    np.testing.assert_array_equal(samples, recording.samples[200 * 256 :])


def test_a_loop_goes_on_without_a_break_in_time() -> None:
    options = HeadsetOptions(
        S03, start_trial=8, trials=1, lead_in_s=0.5, loop=True, chunk_samples=100
    )
    once, _, _ = played(HeadsetOptions(S03, start_trial=8, trials=1, lead_in_s=0.5))
    n_chunks = -(-len(once) // 100)
    dues = list(islice(Player(options).schedule(0.0), 3 * (n_chunks + 1)))
    samples = np.concatenate([due.samples for due in dues])
    times = np.concatenate([due.times for due in dues])
    markers = [due.time for due in dues if due.marker is not None]

    np.testing.assert_array_equal(samples, np.concatenate([once] * 3))
    np.testing.assert_array_equal(times, np.arange(3 * len(once)) / 256.0)
    np.testing.assert_allclose(markers, [0.5 + k * len(once) / 256.0 for k in range(3)])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"start_trial": 32}, "no trial 32; found: 32 of 32 trials"),
        ({"start_trial": 30, "trials": 3}, "3 trials from the chosen one on; found: 2"),
        ({"trials": 0}, "0 trials"),
        ({"target": "15 Hz"}, "targets 13 Hz, 17 Hz, 21 Hz, rest"),
        ({"start_s": 1e6}, "playing cannot begin at 1000000.0 s"),
        ({"channels": ("Cz",)}, "no channel 'Cz'"),
        ({"chunk_samples": 0}, "at least one sample"),
        ({"source": SyntheticSignal(rate_hz=0.0)}, "above 0 Hz"),
        ({"source": SyntheticSignal(labels=("a",))}, "8 channels need as many labels"),
    ],
)
def test_what_cannot_be_played_is_an_error_that_says_what_can(
    changes: dict[str, Any], message: str
) -> None:
    options: dict[str, Any] = {"source": S03, **changes}

    with pytest.raises(ConfigError, match=message):
        Player(HeadsetOptions(**options))


def runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


# --- playing ---------------------------------------------------------------------------------


def test_samples_and_markers_of_a_recording_arrive_on_one_time_axis() -> None:
    source_id = f"headset-{uuid.uuid4()}"
    options = HeadsetOptions(
        S03,
        source_id=source_id,
        start_trial=8,
        trials=1,
        lead_in_s=1.0,
        consumer_timeout_s=20.0,
    )
    recording = read_recording(S03)
    with HeadsetProcess(options) as headset:
        markers = MarkerInlet(find_one(source_id=f"{source_id}-markers", wait_s=10.0))
        inlet = SignalInlet(find_one(source_id=source_id, wait_s=10.0))
        with markers, inlet:
            markers.open(5.0)
            inlet.open(5.0)
            chunks = []
            while not (events := markers.pull()):
                chunk = inlet.pull(5.0)
                chunks.append((chunk.samples.copy(), chunk.times.copy()))
            start = headset.wait_until_playing(0.0)
            arrived = local_clock()
    samples = np.concatenate([chunk[0] for chunk in chunks])
    times = np.concatenate([chunk[1] for chunk in chunks])
    onset = recording.trials()[8]
    first = round((onset.time - 1.0) * 256)

    np.testing.assert_array_equal(times, start + np.arange(len(times)) / 256.0)
    np.testing.assert_array_equal(samples, recording.samples[first : first + len(samples)])
    assert inlet.spec.labels == recording.spec.labels
    assert inlet.warnings == []
    assert events[0].data == onset.data
    assert events[0].time == pytest.approx(start + 1.0, abs=1e-9)
    assert events[0].time <= arrived


def test_a_headset_that_is_stopped_takes_its_streams_away() -> None:
    source_id = f"headset-{uuid.uuid4()}"
    with HeadsetProcess(HeadsetOptions(SyntheticSignal(), source_id=source_id)) as headset:
        assert len(find_streams(source_id=source_id, wait_s=10.0, minimum=1)) == 1
        headset.wait_until_playing(10.0)
        pid = headset.pid
    headset.stop()

    assert pid is not None
    assert not runs(pid)
    assert not headset.is_alive
    assert find_streams(source_id=source_id, wait_s=0.3) == []


def test_a_headset_says_when_everything_was_sent() -> None:
    source = SyntheticSignal(n_channels=1, duration_s=0.1)
    with HeadsetProcess(HeadsetOptions(source, source_id=str(uuid.uuid4()))) as headset:
        assert headset.wait_until_finished(10.0)
        assert headset.wait_until_finished(0.0)


def test_a_headset_in_this_process_stops_when_it_is_told_to() -> None:
    stop = threading.Event()
    told: list[str] = []
    options = HeadsetOptions(SyntheticSignal(), source_id=str(uuid.uuid4()))

    def stop_at_once(start: float) -> None:
        told.append(f"playing since {start <= local_clock()}")
        stop.set()

    run_headset(
        options,
        stop,
        on_ready=lambda: told.append("ready"),
        on_playing=stop_at_once,
        on_finished=lambda: told.append("finished"),
    )

    assert told == ["ready", "playing since True"]


def test_what_cannot_be_played_is_told_where_the_process_was_started(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"none\.xdf cannot be read"):
        HeadsetProcess(HeadsetOptions(tmp_path / "none.xdf")).__enter__()
    with pytest.raises(ConfigError, match="allowed: float32, float64"):
        HeadsetProcess(HeadsetOptions(SyntheticSignal(), format="int7")).__enter__()


def test_the_death_of_a_headset_is_noticed() -> None:
    with HeadsetProcess(HeadsetOptions(SyntheticSignal(), source_id="dies")) as headset:
        headset.wait_until_playing(10.0)
        assert headset.pid is not None
        psutil.Process(headset.pid).kill()

        with pytest.raises(StreamError, match="ended with exit code"):
            headset.wait_until_finished(10.0)


def test_a_headset_ends_when_the_process_that_started_it_dies(tmp_path: Path) -> None:
    program = tmp_path / "parent.py"
    program.write_text(
        "import os, sys\n"
        "from volition.streams.simulated.headset import (\n"
        "    HeadsetOptions, HeadsetProcess, SyntheticSignal,\n"
        ")\n"
        "if __name__ == '__main__':\n"
        "    headset = HeadsetProcess(HeadsetOptions(SyntheticSignal(), source_id='orphan'))\n"
        "    headset.__enter__()\n"
        "    headset.wait_until_playing(10.0)\n"
        "    sys.stdout.write(str(headset.pid))\n"
        "    sys.stdout.flush()\n"
        "    os._exit(1)\n",
        encoding="utf-8",
    )
    # The pipe stays open as long as anyone holds it, so its end is the end of the headset too.
    done = subprocess.run(
        [sys.executable, str(program)],
        stdout=subprocess.PIPE,
        check=False,
        timeout=30,
    )

    assert done.returncode == 1
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(int(done.stdout)).wait(10.0)


def two_of_each(folder: Path) -> Path:
    """Write two signals and two streams of markers."""
    keys: dict[str, Any] = {"channel_count": 1, "nominal_srate": 100, "channel_format": "float32"}
    marks: dict[str, Any] = {
        "channel_count": 1,
        "nominal_srate": 0,
        "channel_format": "string",
        "type": "Markers",
    }
    times = [80.0 + k / 100 for k in range(50)]
    parts = []
    for number, name in ((1, "left amp"), (2, "right amp")):
        parts.append(raw_xdf.header(number, name=name, type="EEG", source_id=f"s{number}", **keys))
        parts.append(raw_xdf.numbers(number, [[float(number)]] * 50, times, "<f4"))
    for number, name in ((3, "stimuli"), (4, "keyboard")):
        parts.append(raw_xdf.header(number, name=name, source_id=f"s{number}", **marks))
        parts.append(raw_xdf.texts(number, [[name]], [80.25]))
    return raw_xdf.write(folder / "two.xdf", *parts)


@pytest.mark.parametrize(
    "streams",
    [
        FileStreams("right amp", "keyboard"),
        FileStreams("2", "s4"),
        FileStreams(StreamKeys(type="eeg", source_id="s2"), StreamKeys(name="keyboard")),
    ],
)
def test_of_a_recording_with_several_streams_those_that_are_named_are_played(
    tmp_path: Path, streams: FileStreams
) -> None:
    samples, _, markers = played(HeadsetOptions(two_of_each(tmp_path), streams=streams))
    np.testing.assert_array_equal(samples, 2.0)
    assert [due.marker for due in markers] == ["keyboard"]


def test_of_several_signals_none_is_played_by_chance(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"2 streams could be.*left amp.*; choose one by"):
        Player(HeadsetOptions(two_of_each(tmp_path)))
