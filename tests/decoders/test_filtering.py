"""The recursive filter: the same as SciPy's, exact however cut, at rest from its first sample."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
from scipy.signal import butter, sosfilt, sosfilt_zi

from volition.chunk import FloatArray
from volition.decoders import filtering
from volition.decoders.filtering import Hold, SosFilter, run_public, sos_runner

SOS = butter(4, [5, 40], "bandpass", fs=256, output="sos")


def noise(n_samples: int, n_channels: int, seed: int = 0) -> FloatArray:
    samples: FloatArray = np.random.default_rng(seed).standard_normal((n_samples, n_channels))
    return samples


def independent(sos: FloatArray, signal: FloatArray) -> FloatArray:
    """Filter one channel that has no missing sample by SciPy alone."""
    result: FloatArray = sosfilt(sos, signal, zi=sosfilt_zi(sos) * signal[0])[0]
    return result


@pytest.fixture
def runner_is_sought_anew() -> Iterator[None]:
    sos_runner.cache_clear()
    yield
    sos_runner.cache_clear()


@hypothesis.given(
    n_samples=st.integers(1, 40),
    n_channels=st.integers(1, 9),
    order=st.integers(1, 6),
    seed=st.integers(0, 99),
)
def test_the_fast_loop_and_scipys_public_function_agree_bit_for_bit(
    n_samples: int, n_channels: int, order: int, seed: int
) -> None:
    sos = np.ascontiguousarray(butter(order, 0.3, output="sos"))
    fast, public = noise(n_channels, n_samples, seed), noise(n_channels, n_samples, seed)
    fast_state = noise(n_channels, len(sos) * 2, seed + 1).reshape(n_channels, len(sos), 2)
    public_state = fast_state.copy()
    sos_runner()(sos, fast, fast_state)
    run_public(sos, public, public_state)
    np.testing.assert_array_equal(fast, public)
    np.testing.assert_array_equal(fast_state, public_state)


@pytest.mark.usefixtures("runner_is_sought_anew")
def test_the_public_function_stands_in_where_the_private_loop_is_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def gone(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", gone)
    assert filtering.sos_runner() is run_public


@pytest.mark.usefixtures("runner_is_sought_anew")
def test_the_public_function_stands_in_where_the_private_loop_does_something_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = importlib.import_module("scipy.signal._sosfilt")
    monkeypatch.setattr(module, "_sosfilt", lambda *_: None)
    assert filtering.sos_runner() is run_public


def test_a_filter_gives_what_scipy_gives_from_the_steady_state_of_the_first_sample() -> None:
    signal = noise(500, 3) + 1e4
    result = SosFilter(SOS, 3).process(signal.copy())
    for channel in range(3):
        np.testing.assert_array_equal(result[:, channel], independent(SOS, signal[:, channel]))


@pytest.mark.parametrize(
    ("sos", "expected"),
    [
        (butter(4, 10, "lowpass", fs=256, output="sos"), 1e5),
        (butter(4, 10, "highpass", fs=256, output="sos"), 0.0),
        (SOS, 0.0),
    ],
)
def test_a_constant_comes_out_without_a_transient(sos: FloatArray, expected: float) -> None:
    result = SosFilter(sos, 2).process(np.full((300, 2), 1e5))
    np.testing.assert_allclose(result, expected, atol=1e-4)


def test_a_missing_sample_is_fed_as_the_last_good_one_and_comes_out_as_nan() -> None:
    signal = noise(300, 2)
    signal[100:130, 0] = np.nan
    signal[120, 1] = np.inf
    signal[150, 1] = -1e300
    held = signal.copy()
    held[100:130, 0] = held[99, 0]
    held[120, 1] = held[119, 1]
    held[150, 1] = held[149, 1]
    result = SosFilter(SOS, 2).process(signal.copy())
    for channel in range(2):
        expected = independent(SOS, held[:, channel])
        expected[~(np.abs(signal[:, channel]) < 1e100)] = np.nan
        np.testing.assert_array_equal(result[:, channel], expected)


@pytest.mark.parametrize("length", [1, 7, 300])
def test_a_channel_that_starts_late_starts_as_if_it_were_alone(length: int) -> None:
    signal = noise(300, 3) + 50
    signal[:90, 1] = np.nan
    signal[:, 2] = np.nan
    one = SosFilter(SOS, 3)
    pieces = [one.process(signal[at : at + length].copy()) for at in range(0, 300, length)]
    result = np.concatenate(pieces)
    np.testing.assert_array_equal(result[90:, 1], independent(SOS, signal[90:, 1]))
    assert np.isnan(result[:90, 1]).all()
    assert np.isnan(result[:, 2]).all()


def test_a_filter_leaves_samples_alone_that_it_may_not_write() -> None:
    signal = noise(20, 1)
    before = signal.copy()
    signal.flags.writeable = False
    SosFilter(SOS, 1).process(signal)
    np.testing.assert_array_equal(signal, before)


def test_a_chain_of_filters_works_in_place_after_the_first() -> None:
    first, second = SosFilter(SOS, 4), SosFilter(SOS, 4)
    once = first.process(noise(30, 4))
    assert np.shares_memory(second.process(once), once)


def test_hold_says_where_each_channel_starts() -> None:
    hold = Hold(3)
    rows = np.array([[1.0, 2.0], [np.nan, 3.0], [np.nan, np.nan]])
    missing = hold.fill(rows)
    assert missing is not None
    np.testing.assert_array_equal(missing, [[False, False], [True, False], [True, True]])
    assert hold.starts is not None
    assert hold.starts.tolist() == [0, 1, 2]
    np.testing.assert_array_equal(rows, [[1, 2], [0, 3], [0, 0]])
    rows = np.array([[np.nan, 5.0], [7.0, np.nan], [np.nan, 4.0]])
    hold.fill(rows)
    assert hold.starts.tolist() == [-1, -1, 1]
    np.testing.assert_array_equal(rows, [[2, 5], [7, 7], [0, 4]])
    assert hold.fill(np.ones((3, 2))) is None
    assert hold.starts is None
