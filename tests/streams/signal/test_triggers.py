"""Codes of a trigger channel become events: from any chunks, live and from a file alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.streams.files import raw_xdf
from volition.chunk import Chunk, Event, SignalSpec
from volition.errors import ConfigError
from volition.service.calibration.fitter import cleaned_recording
from volition.service.sessions.config import SessionConfig, parse_config, read_for
from volition.service.sessions.engine import Engine
from volition.streams.signal import channel_selection
from volition.streams.signal.triggers import CODES, TriggerReader, without_codes

RATE_HZ = 100.0
LABELS = ("Oz", "STI 014", "O1")


def names(events: list[Event]) -> list[tuple[float, str]]:
    return [(round(event.time, 6), event.name) for event in events]


def expected(codes: list[int]) -> list[tuple[float, str]]:
    """Say it once more, sample by sample."""
    found = []
    for place in range(1, len(codes)):
        code, before = codes[place] & 0xFFFF, codes[place - 1] & 0xFFFF
        if code not in (before, 0):
            found.append((place / RATE_HZ, str(code)))
    return found


@given(
    st.lists(st.sampled_from([0, 0, 0, 3, 5, 255, 0x10003, 0x10000]), min_size=1, max_size=60),
    st.integers(1, 60),
)
def test_an_event_is_where_a_code_begins_however_the_signal_is_cut(
    codes: list[int], chunk: int
) -> None:
    reader = TriggerReader()
    found: list[Event] = []
    for start in range(0, len(codes), chunk):
        place = np.arange(start, min(start + chunk, len(codes)))
        found += reader.read(np.array(codes, np.float64)[place], place / RATE_HZ)
    assert names(found) == expected(codes)
    assert reader.count == len(found)


def test_missing_samples_are_no_codes() -> None:
    codes = np.array([0, np.nan, np.nan, 4, np.nan, 4, 0, np.nan, 4])
    assert names(TriggerReader().read(codes, np.arange(9.0))) == [(3.0, "4"), (8.0, "4")]


def test_the_channel_comes_last_as_it_is_and_is_no_part_of_the_signal() -> None:
    plan = channel_selection.plan(
        n_channels=3,
        rate_hz=RATE_HZ,
        labels=LABELS,
        units=("V", "V", "V"),
        trigger_channel="STI 014",
    )
    assert plan.spec.labels == ("Oz", "O1", "STI 014")
    np.testing.assert_array_equal(plan.apply(np.array([[1.0, 7.0, 2.0]])), [[1e6, 2e6, 7.0]])
    assert plan.spec.kinds[-1] == CODES
    assert without_codes(plan.spec).labels == ("Oz", "O1")
    assert plan.warnings == ()


def test_a_trigger_channel_that_is_not_there_or_is_a_signal_too_is_an_error() -> None:
    with pytest.raises(ConfigError, match="no channel 'TRIG'; found: Oz, STI 014, O1"):
        channel_selection.plan(n_channels=3, rate_hz=RATE_HZ, labels=LABELS, trigger_channel="TRIG")
    with pytest.raises(ConfigError, match="'Oz' is the trigger channel"):
        channel_selection.plan(
            n_channels=3, rate_hz=RATE_HZ, labels=LABELS, channels=["Oz"], trigger_channel="Oz"
        )


def session(**stream: Any) -> SessionConfig:
    return parse_config(
        {
            "stream": {"type": "EEG", "trigger_channel": "DIN1", **stream},
            "stages": [{"kind": "bandpass", "low_hz": 4, "high_hz": 40}],
            "decoder": {
                "kind": "fbcca",
                "targets": [{"label": "slow", "freq_hz": 8}, {"label": "fast", "freq_hz": 11}],
                "n_harmonics": 2,
                "n_subbands": 2,
                "window_s": 1.0,
                "onset_markers": ["2"],
                "delay_s": 0.0,
            },
        }
    )


def signal(n: int = 1000) -> tuple[np.ndarray, np.ndarray]:
    """An 11 Hz wave in three channels; in the second of four, codes: 1 at 2 s, 2 at 3 and 6 s."""
    times = 700.0 + np.arange(n) / RATE_HZ
    wave = 9 * np.sin(2 * np.pi * 11 * np.arange(n) / RATE_HZ)
    noise = np.random.default_rng(4).standard_normal((n, 4))
    samples = wave[:, np.newaxis] + noise
    samples[:, 1] = 0
    samples[200:205, 1], samples[300:305, 1], samples[600:605, 1] = 1, 2, 2
    return samples, times


def recorded(folder: Path) -> Path:
    samples, times = signal()
    described = "".join(
        f"<channel><label>{label}</label><unit>microvolts</unit><type>EEG</type></channel>"
        for label in ("Oz", "DIN1", "O1", "POz")
    )
    keys = {"channel_count": 4, "nominal_srate": 100, "channel_format": "float32"}
    return raw_xdf.write(
        folder / "a.xdf",
        raw_xdf.header(
            1, f"<channels>{described}</channels>", name="amp", type="EEG", source_id="a", **keys
        ),
        raw_xdf.numbers(1, samples, times.tolist(), "<f4"),
    )


def answers(config: SessionConfig, spec: SignalSpec, parts: Any) -> list[tuple[str, float]]:
    engine = Engine(config, spec)
    intents = [one for chunk, events in parts for one in engine.step(chunk, events)]
    return [(getattr(one, "label", one.kind), round(one.t_trigger or 0.0, 6)) for one in intents]


@pytest.mark.parametrize("chunk", [1, 13, 1000])
def test_a_session_decides_after_the_codes_of_its_trigger_channel(
    tmp_path: Path, chunk: int
) -> None:
    config = session()
    recording = read_for(recorded(tmp_path), config.stream, config.markers)
    found = answers(config, recording.spec, recording.chunks(chunk))
    assert found == [("fast", 703.0), ("fast", 706.0)]


@pytest.mark.parametrize("policy", ["hold", "interpolate"])
def test_between_two_codes_a_gap_makes_no_third(tmp_path: Path, policy: str) -> None:
    config = session(continuity={"policy": policy})
    recording = read_for(recorded(tmp_path), config.stream, config.markers)
    lost = np.r_[np.arange(195), np.arange(202, 298), np.arange(303, 1000)]
    whole = Chunk(recording.samples[lost].copy(), recording.times[lost].copy())
    engine = Engine(config, recording.spec)
    engine.step(whole)
    triggers = engine.cleaner.triggers
    assert triggers is not None
    assert [one["name"] for one in triggers.recent] == ["1", "2", "2"]


def test_where_packets_share_a_stamp_an_event_has_the_time_of_its_sample() -> None:
    samples, times = signal()
    shared = times[np.minimum(np.arange(1000) // 8 * 8 + 7, 999)]
    spec = SignalSpec(
        RATE_HZ, ("Oz", "O1", "POz", "DIN1"), ("microvolts",) * 3 + ("",), ("EEG",) * 3 + (CODES,)
    )
    engine = Engine(session(), spec)
    for start in range(0, 1000, 8):
        place = slice(start, start + 8)
        engine.step(Chunk(samples[place][:, [0, 2, 3, 1]].copy(), shared[place].copy()))
    triggers = engine.cleaner.triggers
    assert triggers is not None
    last = triggers.recent[-1]
    assert last["name"] == "2"
    assert abs(last["time"] - 706.0) < 0.012


def test_a_calibration_on_a_recording_knows_them(tmp_path: Path) -> None:
    config = session()
    recording = read_for(recorded(tmp_path), config.stream, config.markers)
    calibration = cleaned_recording(config, recording)
    assert names(list(calibration.events)) == [(702.0, "1"), (703.0, "2"), (706.0, "2")]
    assert calibration.spec.labels == ("Oz", "O1", "POz")
