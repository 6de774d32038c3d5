from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from volition.chunk import Chunk, FloatArray, SignalSpec
from volition.streams.signal.quality import SignalQuality

RATE_HZ = 250.0
T = np.arange(1000) / RATE_HZ
RANDOM = np.random.default_rng(5)
EEG = 10 * RANDOM.standard_normal(1000)


def judged(signal: FloatArray, **options: Any) -> dict[str, Any]:
    quality = SignalQuality(SignalSpec(RATE_HZ, ("Oz",)), **options)
    quality.add(Chunk(signal[:, np.newaxis], T[: len(signal)]))
    quality.update()
    (report,) = quality.report()
    return report


def test_a_good_channel_is_neither_flat_nor_saturated() -> None:
    report = judged(EEG)
    assert not report["flat"]
    assert not report["saturated"]
    assert report["line_noise"] < 0.1
    assert report["rms"] == pytest.approx(np.std(EEG[-250:]), rel=1e-3)
    assert report["missing"] == 0.0
    assert report["impedance_kohm"] is None


@pytest.mark.parametrize("level", [0.0, -32768.0])
def test_a_channel_that_does_not_move_is_flat(level: float) -> None:
    report = judged(np.full(1000, level))
    assert report["flat"]
    assert not report["saturated"]


def test_a_channel_that_hits_an_end_again_and_again_is_saturated() -> None:
    assert judged(np.clip(100 * np.sin(2 * np.pi * 3 * T), -80, 80))["saturated"]
    assert not judged(100 * np.sin(2 * np.pi * 3.3 * T))["saturated"]
    assert judged(100 * np.sin(2 * np.pi * 3.3 * T), range_uv=99.0)["saturated"]


@pytest.mark.parametrize("line_hz", [50.0, 60.0])
def test_line_noise_is_its_share_of_the_power(line_hz: float) -> None:
    amplitude = np.sqrt(2) * np.std(EEG)
    report = judged(EEG + amplitude * np.sin(2 * np.pi * line_hz * T))
    assert 0.35 < report["line_noise"] < 0.65
    assert judged(EEG + 20 * np.sin(2 * np.pi * 40 * T))["line_noise"] < 0.1


def test_missing_samples_are_counted_and_not_measured() -> None:
    signal = EEG.copy()
    signal[-125:] = np.nan
    report = judged(signal)
    assert report["missing"] == 0.5
    assert report["rms"] == pytest.approx(np.std(EEG[-250:-125]), rel=1e-3)
    nothing = judged(np.full(1000, np.nan))
    assert (nothing["missing"], nothing["rms"], nothing["flat"]) == (1.0, 0.0, False)


def test_an_impedance_is_shown_where_the_device_sends_one() -> None:
    spec = SignalSpec(
        RATE_HZ, ("Oz", "O1", "Oz-impedance", "Cz imp"), ("microvolts",) * 2 + ("ohm", "kOhm")
    )
    quality = SignalQuality(spec)
    quality.add(Chunk(np.stack([EEG, EEG, np.full(1000, 7000.0), np.full(1000, 3.0)], axis=1), T))
    quality.update()
    assert [one["impedance_kohm"] for one in quality.report()] == [7.0, None, None, 3.0]


@given(st.lists(st.integers(0, 1000), max_size=12))
def test_cutting_the_signal_changes_nothing(cuts: list[int]) -> None:
    quality = SignalQuality(SignalSpec(RATE_HZ, ("Oz",)))
    edges = [0, *sorted(cuts), 1000]
    for start, stop in itertools.pairwise(edges):
        quality.add(Chunk(EEG[start:stop, np.newaxis], T[start:stop]))
    quality.update()
    assert quality.report() == [judged(EEG)]


def test_without_new_samples_what_was_said_before_stands() -> None:
    quality = SignalQuality(SignalSpec(RATE_HZ, ("Oz",)))
    quality.update()
    assert quality.report() == []
    quality.add(Chunk(EEG[:, np.newaxis], T))
    quality.update()
    before = quality.report()
    quality.update()
    assert quality.report() is before


def test_a_slow_or_irregular_stream_has_no_line_noise() -> None:
    for rate_hz in (0.0, 32.0):
        quality = SignalQuality(SignalSpec(rate_hz, ("a",)))
        quality.add(Chunk(EEG[:64, np.newaxis], T[:64]))
        quality.update()
        assert quality.report()[0]["line_noise"] == 0.0


def test_a_fast_signal_is_judged_by_a_part_of_its_samples_however_it_is_cut() -> None:
    rate_hz, rng = 30_000.0, np.random.default_rng(0)
    samples = rng.normal(0, 20, (45_000, 3))
    samples[:, 1] = 7.0
    samples[:, 2] = 100 * np.sin(2 * np.pi * 50 * np.arange(45_000) / rate_hz)
    spec = SignalSpec(rate_hz, ("noise", "flat", "line"))
    reports = []
    for step in (30, 1000, 45_000):
        quality = SignalQuality(spec)
        for start in range(0, 45_000, step):
            piece = samples[start : start + step]
            quality.add(Chunk(piece, np.arange(start, start + len(piece)) / rate_hz))
        quality.update()
        reports.append(quality.report())
    assert reports[0] == reports[1] == reports[2]
    noise, flat, line = reports[0]
    assert (noise["flat"], flat["flat"], line["flat"]) == (False, True, False)
    assert noise["rms"] == pytest.approx(20, rel=0.05)
    assert line["line_noise"] > 0.95
    assert noise["line_noise"] < 0.05


def test_of_a_large_signal_every_channel_has_its_turn() -> None:
    n_channels = 300
    spec = SignalSpec(2000.0, tuple(f"c{n}" for n in range(n_channels)))
    quality = SignalQuality(spec)
    noise = np.random.default_rng(0).normal(0, 20, (2000, n_channels))
    quality.add(Chunk(noise, np.arange(2000) / 2000.0))
    quality.update()
    assert [channel["flat"] for channel in quality.report()] == [False] * n_channels
    found: list[int] = []
    for look in range(1, 6):
        quality.add(Chunk(np.zeros((2000, n_channels)), look + np.arange(2000) / 2000.0))
        quality.update()
        found.append(sum(channel["flat"] for channel in quality.report()))
    assert found == sorted(found)
    assert 0 < found[0] < n_channels
    assert found[-1] == n_channels
