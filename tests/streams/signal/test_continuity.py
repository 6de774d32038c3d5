from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from volition.chunk import Chunk, FloatArray, SignalSpec
from volition.streams.signal.continuity import Continuity, ContinuitySettings, Policy

RATE_HZ = 250.0
INTERVAL_S = 1 / RATE_HZ
SPEC = SignalSpec(RATE_HZ, ("counter", "other"))


@dataclass
class Seen:
    """What a pipeline behind a `Continuity` would have seen."""

    samples: FloatArray
    times: FloatArray
    resets: list[int] = field(default_factory=list)
    continuity: Continuity = field(default_factory=lambda: Continuity(SPEC))

    @property
    def counts(self) -> dict[str, Any]:
        return self.continuity.report()


def run(
    samples: FloatArray,
    times: FloatArray,
    cuts: Sequence[int] = (),
    settings: ContinuitySettings | None = None,
    silent_s: float | None = None,
) -> Seen:
    """Pass a signal through, cut at ``cuts``; say before which of its rows resets came."""
    continuity = Continuity(SPEC, settings)
    parts = [Chunk(samples[:0], times[:0])]
    resets: list[int] = []
    edges = [0, *sorted(cuts), len(times)]
    for start, stop in itertools.pairwise(edges):
        chunk = Chunk(samples[start:stop].copy(), times[start:stop].copy())
        if continuity.check(chunk):
            parts.append(chunk)
            continue
        for piece in continuity.mend(chunk, silent_s):
            if piece.reset:
                resets.append(sum(len(part) for part in parts))
            parts.append(piece.chunk)
    return Seen(
        np.concatenate([part.samples for part in parts]),
        np.concatenate([part.times for part in parts]),
        resets,
        continuity,
    )


def counted(numbers: Sequence[int] | FloatArray, start: float = 1000.0) -> tuple[Any, Any]:
    """Samples that hold their own number, stamped by it."""
    exact = np.asarray(numbers, dtype=np.float64)
    return np.stack([exact, -exact], axis=1), start + exact / RATE_HZ


# A device's stamps: mostly regular, now and then anything.
steps = st.one_of(
    st.just(INTERVAL_S),
    st.just(INTERVAL_S),
    st.sampled_from([0.0, 2 * INTERVAL_S, 5 * INTERVAL_S, 0.1 * INTERVAL_S, -3 * INTERVAL_S]),
    st.sampled_from([0.3, 20.0, -20.0, 200_000.0, -200_000.0, float("nan")]),
    st.floats(-0.05, 0.05),
)
values = st.one_of(
    st.just(1.0), st.just(2.0), st.floats(-1e6, 1e6), st.sampled_from([np.nan, np.inf, -np.inf])
)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_stamps_and_values_give_the_same_however_they_are_cut(data: st.DataObject) -> None:
    taken = data.draw(st.lists(st.tuples(steps, values), min_size=1, max_size=60))
    deltas = np.array([step for step, _ in taken])
    # A stamp that is no number belongs to one sample and not to those that follow.
    odd = ~np.isfinite(deltas)
    times = 500.0 + np.cumsum(np.where(odd, 0.0, deltas))
    times[odd] = deltas[odd]
    samples = np.array([[value, 0.0] for _, value in taken])
    options = ContinuitySettings(
        data.draw(st.sampled_from(["hold", "interpolate", "reset"])),
        data.draw(st.sampled_from([0.0, 0.02, 0.5])),
        data.draw(st.sampled_from([None, 0.0, 0.05])),
    )
    cuts = data.draw(st.lists(st.integers(0, len(taken)), max_size=8))

    whole, cut = run(samples, times, (), options), run(samples, times, cuts, options)

    assert np.array_equal(whole.samples, cut.samples, equal_nan=True)
    assert np.array_equal(whole.times, cut.times)
    assert whole.resets == cut.resets
    assert whole.counts == cut.counts
    assert not np.isinf(whole.samples).any()
    edges = [0, *whole.resets, len(whole.times)]
    for start, stop in itertools.pairwise(edges):
        assert np.all(np.diff(whole.times[start:stop]) > 0)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 40), st.integers(1, 120)), min_size=1, max_size=6),
    st.integers(1, 40),
    st.lists(st.integers(0, 239), max_size=5),
    st.sampled_from(["hold", "interpolate", "reset"]),
)
def test_the_count_of_missing_samples_is_exact(
    runs: list[tuple[int, int]], tail: int, cuts: list[int], policy: Policy
) -> None:
    numbers: list[int] = []
    next_number = 0
    for n_present, n_missing in runs:
        numbers += range(next_number, next_number + n_present)
        next_number += n_present + n_missing
    numbers += range(next_number, next_number + tail)
    samples, times = counted(numbers)
    cuts = [cut for cut in cuts if cut < len(numbers)]
    bridge_s = 50 * INTERVAL_S

    seen = run(samples, times, cuts, ContinuitySettings(policy, bridge_s))

    missing = [n for _, n in runs]
    bridged = [] if policy == "reset" else [n for n in missing if n <= 50]
    assert seen.counts["missing"] == sum(missing)
    assert seen.counts["gaps"] == len(missing)
    assert seen.counts["bridged"] == sum(bridged)
    assert len(seen.resets) == len(missing) - len(bridged)
    assert len(seen.samples) == len(numbers) + sum(bridged)
    assert seen.counts["samples"] == len(numbers)


def test_a_clean_signal_passes_untouched_and_uncopied() -> None:
    continuity = Continuity(SPEC)
    first, second = (Chunk(*counted(range(a, a + 50))) for a in (0, 50))
    continuity.mend(first)
    samples = second.samples
    assert continuity.check(second)
    assert second.samples is samples
    assert continuity.report()["samples"] == 100


def test_a_held_gap_is_missing_samples_at_their_own_times() -> None:
    seen = run(*counted([0, 1, 2, 6, 7]))
    assert np.allclose(seen.times, 1000.0 + np.arange(8) / RATE_HZ)
    assert np.isnan(seen.samples[3:6]).all()
    assert not np.isnan(np.delete(seen.samples, [3, 4, 5], axis=0)).any()


def test_an_interpolated_gap_lies_on_the_line() -> None:
    seen = run(*counted([0, 1, 2, 6, 7]), (), ContinuitySettings("interpolate"))
    assert np.allclose(seen.samples[:, 0], np.arange(8))


@pytest.mark.parametrize("cut", [(), (3,), (4,)])
def test_a_gap_beyond_the_bridge_resets_where_the_signal_goes_on(cut: tuple[int, ...]) -> None:
    seen = run(*counted([0, 1, 2, 60, 61]), cut)
    assert seen.resets == [3]
    assert seen.samples[:, 0].tolist() == [0, 1, 2, 60, 61]


@pytest.mark.parametrize("numbers", [[0, 1, 1, 2], [0, 1, 2, 0, 1, 2, 3], [0, 1, 2, 1, 2, 1, 3]])
@pytest.mark.parametrize("cut", [(), (2,), (3,)])
def test_a_sample_that_comes_again_is_dropped(numbers: list[int], cut: tuple[int, ...]) -> None:
    seen = run(*counted(numbers), cut)
    assert seen.samples[:, 0].tolist() == list(range(max(numbers) + 1))
    assert seen.counts["repeated"] == len(numbers) - len(seen.samples)
    assert seen.counts["missing"] == 0


def test_packets_of_one_stamp_are_spread_and_nothing_is_missing() -> None:
    samples, times = counted(range(100))
    per_packet = times[np.arange(100) // 10 * 10]
    seen = run(samples, per_packet, (15, 40))
    assert np.allclose(seen.times, times)
    assert seen.counts["missing"] == 0
    assert seen.counts["equal_stamps"] == 90
    assert not seen.resets


@pytest.mark.parametrize("lost", [0, 10])
@pytest.mark.parametrize("cut", [(), (43,), (47,)])
def test_stamps_that_begin_to_be_one_per_packet_lack_nothing_but_what_is_lost(
    lost: int, cut: tuple[int, ...]
) -> None:
    samples, times = counted(range(100))
    of_packet = np.where(np.arange(100) < 40, times, times[np.arange(100) // 10 * 10 + 9])
    kept = np.r_[0:70, 70 + lost : 100]
    seen = run(samples[kept], of_packet[kept], cut)
    assert (seen.counts["missing"], seen.counts["gaps"]) == (lost, int(lost > 0))
    assert seen.counts["equal_stamps"] == 9 * (6 - lost // 10)
    assert not seen.resets


@pytest.mark.parametrize("jump_s", [20.0, -20.0, 200_000.0, -200_000.0])
def test_a_jump_of_the_clock_resets_and_loses_nothing(jump_s: float) -> None:
    samples, times = counted(range(100))
    times[50:] += jump_s
    seen = run(samples, times, silent_s=0.02)
    assert seen.resets == [50]
    assert seen.counts["missing"] == 0
    assert seen.counts["jumps_forward"] + seen.counts["jumps_backward"] == 1
    assert seen.samples[:, 0].tolist() == list(range(100))


def test_a_long_dropout_is_no_jump_when_the_stream_was_silent() -> None:
    numbers = [*range(50), *range(5050, 5100)]
    seen = run(*counted(numbers), (50,), silent_s=20.0)
    assert seen.counts["missing"] == 5000
    assert seen.resets == [50]


def test_a_short_jump_ahead_that_ends_takes_its_missing_samples_back() -> None:
    samples, times = counted(range(300))
    times[100:200] += 5.0
    seen = run(samples, times)
    assert seen.counts["missing"] == 0
    assert seen.counts["jumps_forward"] == seen.counts["jumps_backward"] == 1


def test_jitter_is_learnt_and_its_gaps_are_taken_back() -> None:
    samples, times = counted(range(5000))
    late_s = np.random.default_rng(3).uniform(0, 0.02, 5000 // 8)
    seen = run(samples, times + np.repeat(late_s, 8), range(0, 5000, 8))
    assert 0.01 < seen.counts["tolerance_s"] <= 0.1
    assert seen.counts["missing"] <= 5
    assert not seen.resets
    # Once learnt, nothing is put in any more.
    assert not np.isnan(seen.samples[1000:]).any()


def test_a_loss_in_an_exact_stream_is_never_taken_for_jitter() -> None:
    numbers = [n for n in range(5000) if n % 97 not in (1, 2, 3)]
    seen = run(*counted(numbers), range(0, len(numbers), 7))
    assert seen.counts["missing"] == 5000 - len(numbers)


@pytest.mark.parametrize("factor", [0.99, 1.01])
def test_a_rate_that_is_off_is_measured_and_is_no_gap(factor: float) -> None:
    samples, times = counted(range(2000))
    times = 1000.0 + (times - 1000.0) / factor
    lost = np.ones(2000, dtype=bool)
    lost[1500:1700] = False
    seen = run(samples[lost], times[lost])
    assert seen.counts["missing"] == 200
    whole = run(samples, times)
    assert whole.counts["missing"] == 0
    assert whole.counts["rate_hz"] == pytest.approx(RATE_HZ * factor)
    assert whole.counts["drift_ppm"] == pytest.approx((factor - 1) * 1e6)


def test_values_that_are_no_numbers_are_counted_and_missing() -> None:
    samples, times = counted(range(20))
    samples[3, 0], samples[4, 1], samples[5] = np.inf, -np.inf, np.nan
    seen = run(samples, times, (4,))
    assert seen.counts["nonfinite"] == 4
    assert np.isnan(seen.samples).sum() == 4
    assert seen.counts["missing"] == 0


def test_huge_values_are_values() -> None:
    samples, times = counted(range(20))
    samples[7] = 1e300
    assert np.array_equal(run(samples, times).samples, samples)


def test_an_irregular_signal_has_no_gaps() -> None:
    continuity = Continuity(SignalSpec(0.0, ("a",)))
    chunk = Chunk(np.array([[1.0], [np.inf]]), np.array([5.0, 3.0]))
    assert not continuity.check(chunk)
    (piece,) = continuity.mend(chunk)
    assert not piece.reset
    assert np.isnan(piece.chunk.samples[1, 0])
    assert continuity.report()["rate_hz"] is None
