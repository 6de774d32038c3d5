"""When a selection is sure enough, by rules that can be worked out otherwise."""

from __future__ import annotations

import math

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
import scipy

from volition.decoders.codes.stopping import (
    CodedStopping,
    Moments,
    attention,
    boundary,
    holds,
    posterior,
)

UNIFORM = np.full(4, -math.log(4))


@hypothesis.given(
    m1=st.floats(0.5, 5),
    m0=st.floats(-5, 0),
    s1=st.floats(0.3, 3),
    s0=st.floats(0.3, 3),
    n=st.integers(2, 40),
    cost=st.floats(0.2, 5),
)
def test_at_the_boundary_both_errors_cost_the_same(
    *, m1: float, m0: float, s1: float, s0: float, n: int, cost: float
) -> None:
    found = boundary(Moments(m1, s1, m0, s0), n, cost)
    hypothesis.assume(found.evidence != m1)

    attended = scipy.stats.norm(m1, s1).logpdf(found.evidence)
    other = scipy.stats.norm(m0, s0).logpdf(found.evidence) + math.log(cost * (n - 1))

    assert attended == pytest.approx(other, abs=1e-6 * (1 + abs(found.evidence)) ** 2)
    assert 0 <= found.false_rate <= 1
    assert 0 <= found.missed_rate <= 1


def test_predicted_errors_are_those_of_drawn_scores() -> None:
    moments, n = Moments(3.0, 1.0, 0.0, 0.8), 6
    found = boundary(moments, n, 1.0)
    rng = np.random.default_rng(1)

    others = rng.normal(0.0, 0.8, (200_000, n - 1)).max(axis=1)
    attended = rng.normal(3.0, 1.0, 200_000)

    assert (others > found.evidence).mean() == pytest.approx(found.false_rate, abs=0.005)
    assert (attended < found.evidence).mean() == pytest.approx(found.missed_rate, abs=0.005)


def test_the_posterior_is_prior_times_likelihood() -> None:
    prior, evidence = np.log([0.5, 0.25, 0.125, 0.125]), np.log([1.0, 4.0, 2.0, 1.0])

    np.testing.assert_allclose(posterior(prior, evidence), np.array([4, 8, 2, 1]) / 15)


def test_attention_is_the_mean_likelihood_ratio() -> None:
    evidence = np.log([1.0, 4.0, 2.0, 1.0])

    assert attention(UNIFORM, evidence) == pytest.approx(math.log(2.0))


@pytest.mark.parametrize("rule", ["posterior", "margin"])
def test_a_rule_holds_for_strong_evidence_and_not_for_weak(rule: str) -> None:
    stopping = CodedStopping.model_validate({"rule": rule, "threshold": 0.9})

    assert holds(stopping, UNIFORM, np.array([9.0, 0, 0, 0]), None)
    assert not holds(stopping, UNIFORM, np.array([1.0, 0, 0, 0]), None)


def test_bayes_waits_until_its_predicted_errors_are_low() -> None:
    stopping = CodedStopping(rule="bayes", threshold=1.0, most_false=0.05, most_missed=0.2)
    evidence = np.array([9.0, 0, 0, 0])

    assert not holds(stopping, UNIFORM, evidence, Moments(1.0, 1.0, -1.0, 1.0))
    assert holds(stopping, UNIFORM, evidence, Moments(6.0, 2.0, -6.0, 2.0))
