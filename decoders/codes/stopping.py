"""Deciding as soon as it is sure, and not at all where nobody attends.

Both decoders of coded items give, for each item, the logarithm of how much likelier the signal is
if that item is attended than if none is (the *evidence*), beside what was thought of it before (the
*prior*). From these follow the probability of each item if one is attended (the posterior) and the
odds that one is (`attention`).

- ``posterior``: the best item's probability reaches ``threshold``.
- ``margin``: it leads the second's by ``threshold``.
- ``bayes``: the best evidence passes the boundary at which a false selection costs ``threshold``
  times a missed one, and the errors that are predicted there are no more than ``most_false`` and
  ``most_missed`` (Bayesian dynamic stopping, Ahmadi et al., J. Neural Eng. 21, 2024, with the
  moments of the evidence measured on calibration trials that were left out). The false rate counts
  a selection of any of the other items.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import numpy as np
import scipy
from pydantic import BaseModel, ConfigDict, Field

from volition.chunk import FloatArray


class CodedStopping(BaseModel):
    """When to select before the longest time is over."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rule: Literal["posterior", "margin", "bayes"] = "posterior"
    threshold: float = Field(
        default=0.95, gt=0, description="A probability; for 'bayes' the ratio of costs."
    )
    most_false: float = Field(
        default=0.05, gt=0, lt=1, description="Highest predicted false rate; for 'bayes' only."
    )
    most_missed: float = Field(
        default=0.2, gt=0, lt=1, description="Highest predicted missed rate; for 'bayes' only."
    )
    otherwise: Literal["idle", "select"] = Field(
        default="idle",
        description="What to do at the end of the longest time, if the rule does not hold.",
    )


class Moments(NamedTuple):
    """What the evidence of an item is like when it is attended, and when another is."""

    mean_attended: float
    sd_attended: float
    mean_other: float
    sd_other: float


class Boundary(NamedTuple):
    """Where a selection begins to pay, and the errors that are predicted for it."""

    evidence: float
    false_rate: float
    missed_rate: float


def boundary(moments: Moments, n_items: int, cost: float) -> Boundary:
    """Give the evidence at which both errors cost the same.

    It is the root of ``a x^2 + b x + c`` where the normal density of an attended item is ``cost *
    (n_items - 1)`` times that of another: the larger root, above which the first is the larger.
    """
    m1, s1, m0, s0 = moments
    a = s1**2 - s0**2
    b = 2 * (m1 * s0**2 - m0 * s1**2)
    level = 2 * (s0 * s1) ** 2 * math.log(s0 / (s1 * (n_items - 1) * cost))
    c = (m0 * s1) ** 2 - (m1 * s0) ** 2 + level
    if abs(a) < 1e-9 * (s1**2 + s0**2):
        eta = -c / b if b else math.inf
    else:
        inside = b**2 - 4 * a * c
        eta = m1 if inside < 0 else (-b + math.sqrt(inside)) / (2 * a)
    below = scipy.special.ndtr((eta - m0) / s0)
    return Boundary(
        eta,
        1.0 - float(below) ** (n_items - 1),
        float(scipy.special.ndtr((eta - m1) / s1)),
    )


def posterior(log_prior: FloatArray, evidence: FloatArray) -> FloatArray:
    """Give the probability of each item, if one is attended."""
    logits = log_prior + evidence
    odds = np.exp(logits - logits.max())
    result: FloatArray = odds / odds.sum()
    return result


def attention(log_prior: FloatArray, evidence: FloatArray) -> float:
    """Give the log odds that an item is attended rather than none, both taken as likely before."""
    return float(scipy.special.logsumexp(log_prior + evidence))


def holds(
    rule: CodedStopping, log_prior: FloatArray, evidence: FloatArray, moments: Moments | None
) -> bool:
    """Say whether the best item may be selected now; ``moments`` are those of this moment."""
    if rule.rule == "bayes":
        if moments is None:
            return False
        found = boundary(moments, len(evidence), rule.threshold)
        is_predicted = found.false_rate <= rule.most_false and found.missed_rate <= rule.most_missed
        return is_predicted and float(evidence.max()) >= found.evidence
    second, best = np.sort(posterior(log_prior, evidence))[-2:]
    return bool(
        best >= rule.threshold if rule.rule == "posterior" else best - second >= rule.threshold
    )
