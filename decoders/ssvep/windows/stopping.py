"""Deciding as soon as it is sure: when a growing window is long enough.

After a marker the window is judged at several lengths, the looks. At the first look that satisfies
the rule the target is selected and the rest of the window is left; at the last look, ``window_s``,
nothing is selected unless the rule holds, or ``otherwise`` asks for a selection all the same.

- ``margin``: the best score leads the second by ``threshold``. Needs no calibration.
- ``cost``: it leads by ``threshold`` times K log sum exp(score) - sum score, which is what no
  target standing out would cost (1.5e-3 is customary). Needs no calibration.
- ``confidence``: the decoder's own confidence reaches ``threshold``.
- ``bayes``: the probability that the best target is right reaches ``threshold``, by the densities
  of the best score when it was right and when it was not, or the person rested, in the calibration
  with each block left out (Gaussian kernels; Jiang et al., J. Neural Eng. 15:046025, 2018).
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import scipy
from pydantic import BaseModel, ConfigDict, Field

from volition.chunk import FloatArray

#: Fewer wrong scores than this make no density; what is then known of them is their range alone.
LEAST_FOR_DENSITY = 3
#: Counted beside the calibration's right and wrong scores, so that none is taken for impossible.
ADDED = 0.5


class Stopping(BaseModel):
    """When to decide before the window is full."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rule: Literal["margin", "cost", "bayes", "confidence"]
    threshold: float = Field(
        ge=0, description="Threshold of the rule; see `volition.decoders.ssvep.windows.stopping`."
    )
    min_s: float = Field(default=0.5, gt=0, description="Length of the first look.")
    step_s: float = Field(default=0.25, gt=0, description="From one look to the next.")
    otherwise: Literal["idle", "select"] = Field(
        default="idle", description="At the last look, where the rule does not hold."
    )

    def looks(self, window_s: float) -> list[float]:
        """Give the length of each look, seconds; the last is ``window_s``."""
        n_before = math.ceil(round((window_s - self.min_s) / self.step_s, 6))
        lengths = [round(self.min_s + self.step_s * number, 6) for number in range(n_before)]
        return [*lengths, window_s]

    def holds(self, scores: FloatArray, confidence: float, known: Densities | None) -> bool:
        """Say whether the rule is satisfied by a look's scores, shape (n_targets,)."""
        if self.rule == "confidence":
            return confidence >= self.threshold
        if self.rule == "bayes":
            assert known is not None
            return known.right_given(float(scores.max())) >= self.threshold
        second, best = np.sort(scores)[-2:]
        lead = float(best - second)
        if self.rule == "margin":
            return lead >= self.threshold
        none = len(scores) * float(scipy.special.logsumexp(scores)) - float(scores.sum())
        return bool(lead >= self.threshold * none)


class Densities:
    """What the best score was in a calibration, when it was right and when it was not.

    Parameters
    ----------
    right, wrong : ndarray, shape (n_right,) and (n_wrong,)
        The best scores; trials at rest are among the wrong.
    """

    def __init__(self, right: FloatArray, wrong: FloatArray) -> None:
        n = len(right) + len(wrong)
        self._odds: float = (len(right) + ADDED) / (len(wrong) + ADDED)
        every = np.concatenate([right, wrong])
        self._range = max(float(np.ptp(every)), 1e-12) if n else 1.0
        self._right, self._wrong = right, wrong

    def right_given(self, score: float) -> float:
        """Give the probability that a best target of this score is the right one."""
        p_right, p_wrong = self._density(self._right, score), self._density(self._wrong, score)
        if p_right + p_wrong == 0:
            return 0.0  # never seen: in doubt it is not right
        odds = self._odds * p_right
        return odds / (odds + p_wrong)

    def _density(self, known: FloatArray, score: float) -> float:
        if len(known) < LEAST_FOR_DENSITY:
            return 1.0 / self._range
        # Scott's width; none when all are alike.
        width = float(known.std(ddof=1)) * math.pow(len(known), -0.2) + 1e-6 * self._range
        away: FloatArray = (score - known) / width
        height = float(np.mean(np.exp(-0.5 * away**2)))
        return height / (width * math.sqrt(2 * math.pi))
