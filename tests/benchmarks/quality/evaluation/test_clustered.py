"""Intervals of clustered figures: as wide as they must be, and the same each time."""

from __future__ import annotations

import numpy as np
import pytest

from volition.benchmarks.quality.evaluation.clustered import (
    Clusters,
    area_interval,
    interval,
    paired_difference,
    ratio_interval,
)
from volition.decoders.fitting.metrics import accuracy_interval

N_PEOPLE, N_TRIALS = 8, 66


def shares(random: np.random.Generator) -> np.ndarray:
    """Draw how many trials each person gets right: people differ by far more than their trials."""
    truths = random.beta(9, 1.5, N_PEOPLE)
    drawn: np.ndarray = random.binomial(N_TRIALS, truths)
    return drawn


def test_intervals_of_people_hold_the_truth_and_those_of_trials_often_do_not() -> None:
    random = np.random.default_rng(0)
    truth = 9 / 10.5
    clusters = Clusters.by_name("people", [str(number) for number in range(N_PEOPLE)])
    n_studies, of_people, of_trials = 100, 0, 0
    for _ in range(n_studies):
        right = shares(random)
        found = ratio_interval(clusters, right, np.full(N_PEOPLE, N_TRIALS))
        assert found is not None
        of_people += found[0] <= truth <= found[1]
        low, high = accuracy_interval(int(right.sum()), N_PEOPLE * N_TRIALS)
        of_trials += low <= truth <= high
    assert of_people / n_studies >= 0.85  # eight people, most read well and one badly, are few
    assert of_trials / n_studies <= 0.75


def test_an_interval_is_of_the_very_mean_that_is_stated() -> None:
    # One person has four recordings and is read well: the mean over recordings leans to them.
    clusters = Clusters.by_name("people", ["1", "1", "1", "1", "2", "3"])
    accuracies = np.array([1.0, 1.0, 1.0, 1.0, 0.5, 0.6])
    found = interval(
        clusters,
        lambda counts: counts @ clusters.sums(accuracies) / (counts @ clusters.sums(np.ones(6))),
    )
    assert found == ratio_interval(clusters, accuracies, np.ones(6))
    assert found is not None
    assert found[0] <= accuracies.mean() <= found[1]
    assert found[0] == pytest.approx(0.5)
    assert found[1] == pytest.approx(1.0)


def test_one_cluster_tells_nothing_of_others_and_many_alike_ones_tell_much() -> None:
    alone = Clusters.by_name("people", ["1"] * 20)
    assert ratio_interval(alone, np.arange(20), np.ones(20)) is None
    many = Clusters.by_name("people", [str(number) for number in range(40)])
    assert ratio_interval(many, np.full(40, 7.0), np.full(40, 10.0)) == [0.7, 0.7]


def test_an_area_is_drawn_by_people_too() -> None:
    clusters = Clusters.by_name("people", ["1", "2", "3", "4"])
    above = [np.array([2.0, 3.0])] * 3 + [np.array([0.0, 0.0])]
    below = [np.array([1.0])] * 4
    found = area_interval(clusters, above, below)
    assert found is not None
    assert found[0] < 0.75 < found[1] == 1.0


def test_a_difference_is_paired_by_person() -> None:
    first = {"1": 0.5, "2": 0.7, "3": 0.9, "4": 0.99, "only here": 0.1}
    second = {who: value + 0.01 for who, value in first.items() if who != "only here"}
    found = paired_difference(first, second)
    assert found["difference"] == pytest.approx(0.01)
    assert found["interval"] == pytest.approx([0.01, 0.01])
    assert (found["n"], found["better"], found["worse"]) == (4, 4, 0)
