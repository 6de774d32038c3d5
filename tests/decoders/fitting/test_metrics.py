"""Accuracy, information transfer and confusion, against values that others published."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binom

from volition.decoders.fitting.metrics import (
    accuracy_interval,
    bits_per_selection,
    confusion,
    itr_bits_per_min,
    luck,
    per_min,
)


def test_the_interval_of_four_in_ten_is_that_of_the_tables() -> None:
    assert accuracy_interval(4, 10) == pytest.approx((0.1216, 0.7376), abs=5e-5)


@pytest.mark.parametrize("n", [1, 24, 528])
def test_the_bounds_of_the_interval_are_closed_forms_when_all_or_none_are_right(n: int) -> None:
    assert accuracy_interval(0, n) == pytest.approx((0, 1 - 0.025 ** (1 / n)))
    assert accuracy_interval(n, n) == pytest.approx((0.025 ** (1 / n), 1))


@pytest.mark.parametrize(("right", "n"), [(1, 3), (19, 24), (473, 528)])
def test_at_each_bound_what_was_seen_has_the_chance_of_a_tail(right: int, n: int) -> None:
    low, high = accuracy_interval(right, n, confidence=0.9)
    assert binom.sf(right - 1, n, low) == pytest.approx(0.05)
    assert binom.cdf(right, n, high) == pytest.approx(0.05)


def test_without_trials_nothing_is_known() -> None:
    assert accuracy_interval(0, 0) == (0.0, 1.0)


def test_more_right_than_there_were_is_refused() -> None:
    with pytest.raises(ValueError, match="11 of 10"):
        accuracy_interval(11, 10)


def test_a_sure_selection_among_n_is_worth_log2_n() -> None:
    assert bits_per_selection(4, 1.0) == 2.0
    assert bits_per_selection(40, 1.0) == pytest.approx(math.log2(40))


def test_two_targets_carry_what_a_binary_symmetric_channel_does() -> None:
    entropy = -0.9 * math.log2(0.9) - 0.1 * math.log2(0.1)
    assert bits_per_selection(2, 0.9) == pytest.approx(1 - entropy)


@pytest.mark.parametrize("accuracy", [0.0, 0.1, 0.25])
def test_chance_and_below_carry_nothing(accuracy: float) -> None:
    assert bits_per_selection(4, accuracy) == 0.0


@pytest.mark.parametrize("n_targets", [2, 3, 40])
@pytest.mark.parametrize("accuracy", [0.6, 0.91, 0.999])
def test_a_selection_carries_the_mutual_information_of_its_channel(
    n_targets: int, accuracy: float
) -> None:
    channel = np.full((n_targets, n_targets), (1 - accuracy) / (n_targets - 1))
    np.fill_diagonal(channel, accuracy)
    joint = channel / n_targets
    information = (joint * np.log2(joint / (joint.sum(0) * joint.sum(1)[:, None]))).sum()
    assert bits_per_selection(n_targets, accuracy) == pytest.approx(information)


@pytest.mark.parametrize(("n_targets", "bits"), [(2, 0.53), (4, 1.37)])
def test_nine_in_ten_is_worth_what_the_papers_say(n_targets: int, bits: float) -> None:
    assert bits_per_selection(n_targets, 0.9) == pytest.approx(bits, abs=0.005)


def test_the_gaze_shift_is_part_of_the_time() -> None:
    assert itr_bits_per_min(4, 1.0, 1.5, gaze_shift_s=0.5) == 60.0
    assert itr_bits_per_min(4, 1.0, 1.5, gaze_shift_s=0.0) == 80.0
    assert itr_bits_per_min(4, 1.0, 0.0, gaze_shift_s=0.5) == 0.0


@pytest.mark.parametrize(("n_targets", "accuracy"), [(1, 0.5), (4, 1.1), (4, -0.1)])
def test_a_rate_of_nonsense_is_refused(n_targets: int, accuracy: float) -> None:
    with pytest.raises(ValueError, match=r"selection is among|between 0 and 1"):
        bits_per_selection(n_targets, accuracy)


def test_counts_a_minute() -> None:
    assert per_min(3, 90.0) == 2.0
    assert per_min(0, 0.0) == 0.0


def test_the_confusion_counts_rows_of_what_was_wanted() -> None:
    counts = confusion(["a", "a", "b", "idle"], ["a", "b", "b", "b"], ["a", "b", "idle"])
    np.testing.assert_array_equal(counts, [[1, 1, 0], [0, 1, 0], [0, 1, 0]])
    with pytest.raises(ValueError, match=r"no label is named \['c'\]"):
        confusion(["c"], ["a"], ["a", "b"])


@pytest.mark.parametrize(("right", "n", "chance"), [(0, 10, 0.5), (7, 10, 0.5), (40, 40, 1 / 40)])
def test_luck_is_the_chance_that_guessing_does_at_least_as_well(
    right: int, n: int, chance: float
) -> None:
    assert luck(right, n, chance) == pytest.approx(float(binom.sf(right - 1, n, chance)))
