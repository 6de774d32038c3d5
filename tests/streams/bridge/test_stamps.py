"""Samples that come in bursts are stamped by count, rising always, at the device's own speed."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from volition.streams.bridge.stamps import CountedStamps


def test_bursts_are_laid_out_evenly() -> None:
    stamps = CountedStamps(250.0)
    times = np.concatenate([stamps.stamp(25, 10.0 + 0.1 * n) for n in range(9)])
    np.testing.assert_allclose(np.diff(times), 0.004, atol=1e-9)
    assert abs(times[-1] - 10.8) < 1e-6


def test_what_did_not_arrive_leaves_its_place_empty() -> None:
    stamps = CountedStamps(100.0)
    before = stamps.stamp(10, 1.0)
    behind = stamps.stamp(10, 1.25, lost=15)
    assert abs(behind[0] - before[-1] - 0.16) < 1e-9


def test_a_clock_that_drifts_is_followed_to_within_two_milliseconds() -> None:
    rng = np.random.default_rng(0)
    true_hz, n_chunks = 250.0 * (1 + 100e-6), 6000
    stamps = CountedStamps(250.0)
    off = []
    for chunk in range(1, n_chunks):
        happened = chunk * 25 / true_hz
        times = stamps.stamp(25, happened + rng.exponential(0.003))
        off.append(times[-1] - happened)
    settled = np.array(off[n_chunks // 2 :])
    assert np.abs(settled - settled.mean()).max() < 0.001
    assert abs(settled.mean()) < 0.002


def test_a_device_that_was_away_begins_at_its_arrival() -> None:
    stamps = CountedStamps(100.0)
    stamps.stamp(10, 1.0)
    stamps.begin_anew()
    assert abs(stamps.stamp(10, 9.0)[-1] - 9.0) < 1e-9


def test_no_samples_have_no_times() -> None:
    assert len(CountedStamps(100.0).stamp(0, 1.0)) == 0


@given(
    chunks=st.lists(
        st.tuples(
            st.integers(0, 60), st.floats(0, 3), st.integers(0, 40), st.sampled_from([0, 0, 0, 1])
        ),
        max_size=40,
    )
)
def test_times_rise_whatever_comes_when(chunks: list[tuple[int, float, int, int]]) -> None:
    stamps, now, all_times = CountedStamps(50.0), 0.0, [np.empty(0)]
    for n_samples, passed_s, lost, is_back in chunks:
        now += passed_s
        if is_back:
            stamps.begin_anew()
        all_times.append(stamps.stamp(n_samples, now, lost))
    times = np.concatenate(all_times)
    assert (np.diff(times) > 0).all()
    assert len(times) == sum(chunk[0] for chunk in chunks)
