"""The signal's outline: nothing lost between two columns, and the same however it is cut."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from volition.chunk import Chunk, FloatArray, SignalSpec
from volition.streams.signal.outline import (
    SOURCES,
    Bins,
    MinMaxOutline,
    Source,
    decode_bins,
    encode_bins,
    source_of,
)

SPEC = SignalSpec(1000.0, ("a", "b", "c"))


def outline(samples: FloatArray, times: FloatArray, cuts: list[int]) -> Bins:
    outline = MinMaxOutline(SPEC)
    for start, stop in zip([0, *cuts], [*cuts, len(times)], strict=True):
        outline.add(Chunk(samples[start:stop], times[start:stop]))
    bins = outline.take()
    assert bins is not None
    return bins


@given(
    cuts=st.lists(st.integers(0, 400), max_size=30).map(sorted),
    gaps=st.lists(st.integers(1, 399), max_size=3, unique=True),
    seed=st.integers(0, 99),
)
def test_the_outline_is_the_same_wherever_the_signal_is_cut(
    cuts: list[int], gaps: list[int], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    samples = rng.normal(size=(400, 3))
    samples[rng.random(samples.shape) < 0.05] = np.nan
    steps = np.full(400, 1e-3)
    steps[gaps] = 0.5
    times = 100.0 + np.cumsum(steps)
    if len(gaps) == 3 and np.diff([0, *sorted(gaps), 400]).max() < 10:
        return  # no bin is whole

    whole, cut = outline(samples, times, []), outline(samples, times, cuts)

    for a, b in zip(whole, cut, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_bin_holds_the_least_and_the_greatest_of_its_samples() -> None:
    samples = np.random.default_rng(3).normal(size=(100, 3))
    samples[57, 1] = 900.0
    times = 5.0 + np.arange(100) / 1000.0

    bins = outline(samples, times, [13, 57, 58])

    expected = samples.reshape(10, 10, 3)
    np.testing.assert_array_equal(bins.lows, expected.min(axis=1).astype(np.float32))
    np.testing.assert_array_equal(bins.highs, expected.max(axis=1).astype(np.float32))
    assert bins.highs[5, 1] == 900.0
    np.testing.assert_array_equal(bins.times, times[9::10])


def test_missing_samples_are_passed_over_and_a_bin_of_nothing_else_is_missing() -> None:
    samples = np.ones((20, 3))
    samples[3:7, 0] = np.nan
    samples[10:, 1] = np.nan

    bins = outline(samples, np.arange(20) / 1000.0, [])

    assert bins.lows[0].tolist() == [1.0, 1.0, 1.0]
    assert np.isnan(bins.lows[1, 1])
    assert np.isnan(bins.highs[1, 1])


def test_no_bin_spans_a_gap() -> None:
    times = np.concatenate([np.arange(15) / 1000.0, 2.0 + np.arange(15) / 1000.0])
    samples = np.repeat(np.arange(30.0)[:, np.newaxis], 3, axis=1)

    bins = outline(samples, times, [7])

    assert bins.lows[:, 0].tolist() == [0.0, 15.0]
    assert bins.times.tolist() == pytest.approx([0.009, 2.009])


def test_what_was_taken_is_not_given_again() -> None:
    outline = MinMaxOutline(SPEC)
    outline.add(Chunk(np.ones((10, 3)), np.arange(10) / 1000.0))

    assert outline.take() is not None
    assert outline.take() is None
    outline.add(Chunk(np.empty((0, 3)), np.empty(0)))
    assert outline.take() is None


@pytest.mark.parametrize(
    ("rate_hz", "expected"), [(0.0, 1), (50.0, 1), (250.0, 3), (30_000.0, 300)]
)
def test_a_screen_gets_no_more_than_a_hundred_bins_a_second(rate_hz: float, expected: int) -> None:
    assert MinMaxOutline(SignalSpec(rate_hz, ("a",))).samples_per_bin == expected


@pytest.mark.parametrize("source", SOURCES)
def test_bins_are_read_back_as_they_were_written(source: Source) -> None:
    rng = np.random.default_rng(1)
    lows = rng.normal(size=(4, 3)).astype(np.float32)
    lows[2, 1] = np.nan
    bins = Bins(np.arange(4.0) + 0.25, lows, lows + 1)

    payload = encode_bins(bins, source)

    read, of = decode_bins(payload)
    assert of == source == source_of(payload)
    for a, b in zip(bins, read, strict=True):
        np.testing.assert_array_equal(a, b)
    for wrong in (payload[:-1], payload[:5], b"\x02" + payload[1:]):
        with pytest.raises(ValueError, match="bins"):
            decode_bins(wrong)
