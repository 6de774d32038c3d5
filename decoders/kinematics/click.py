"""A click that is decoded from the features of the movement: two hidden states, one of them it.

Each bin's features say by linear discriminant analysis how much likelier the one state is than the
other, and a state is likely to stay what it is; the two make the probability of clicking by the
forward recursion of a hidden Markov model. Held above a threshold for a moment it is a click, and
while it is likely at all the cursor stands, so that clicking does not move it (after Kim et al.,
IEEE TNSRE 19:193-203, 2011, who decoded point and click so).

`with_click` adds what is learned to a model of the movement; the setting ``click`` makes use of it.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from volition.chunk import FloatArray
from volition.decoders.contract.intent import ClickIntent
from volition.decoders.fitting.fitted import FittedModel
from volition.errors import DecodeError

WEIGHTS, OFFSET = "click_weights", "click_offset"
#: A bin may speak for a state so loudly, in natural logarithms of a likelihood ratio.
_LOUDEST = 20.0


class ClickSettings(BaseModel):
    """When the decoded probability of clicking is a click."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    threshold: float = Field(default=0.95, gt=0.5, lt=1, description="0.93 to 0.98 is usual.")
    hold_s: float = Field(
        default=0.06, ge=0, le=10, description="How long above it, without a missing bin."
    )
    refractory_s: float = Field(default=0.5, ge=0, le=60, description="From click to click.")
    stay_s: float = Field(
        default=2.0, gt=0, le=600, description="How long a state lasts in the mean."
    )
    freeze: float = Field(
        default=0.5, gt=0, le=1, description="Above this probability the cursor stands."
    )


class ClickDetector:
    """The recursion at work.

    Parameters
    ----------
    settings
        Thresholds and times.
    weights, offset
        Weights of the features and offset, for the logarithm of the likelihood ratio of clicking.
    bin_s
        Length of a bin.
    expires_s
        Lifetime of its intents.

    Attributes
    ----------
    probability
        Probability of clicking, after the newest bin.
    """

    def __init__(
        self,
        settings: ClickSettings,
        weights: FloatArray,
        offset: float,
        *,
        bin_s: float,
        expires_s: float,
    ) -> None:
        self._settings = settings
        self._weights, self._offset = weights, offset
        self._leave = 0.5 * (1.0 - math.exp(-2.0 * bin_s / settings.stay_s))
        self._hold = max(1, math.ceil(settings.hold_s / bin_s - 1e-9))
        self._rest = math.ceil(settings.refractory_s / bin_s - 1e-9)
        self._expires_s = expires_s
        self.reset()

    def reset(self) -> None:
        """Believe that nobody clicks."""
        self.probability = 0.0
        self._above = self._resting = 0
        self._clicked = False

    def resume(self, other: ClickDetector) -> None:
        """Go on from where another is, which a newer model replaces."""
        self.probability, self._clicked = other.probability, other._clicked
        self._above, self._resting = other._above, other._resting

    @property
    def freezes(self) -> bool:
        """Whether the cursor is to stand."""
        return self.probability > self._settings.freeze

    def push(self, features: FloatArray | None, time: float) -> ClickIntent | None:
        """Take the next bin, None if it is missing; give the click that it completes."""
        p, leave = self.probability, self._leave
        p += leave * (1.0 - 2.0 * p)
        self._resting = max(0, self._resting - 1)
        if features is None:
            self.probability, self._above = p, 0
            return None
        ratio = float(self._weights.dot(features)) + self._offset
        likelier = p * math.exp(min(max(ratio, -_LOUDEST), _LOUDEST))
        self.probability = p = likelier / (likelier + 1.0 - p)
        above = p >= self._settings.threshold
        self._above = self._above + 1 if above else 0
        self._clicked = self._clicked and above  # one that is held on is one
        if self._above < self._hold or self._resting or self._clicked:
            return None
        self._clicked, self._resting = True, self._rest
        return ClickIntent(confidence=p, t_sample=time, expires_s=self._expires_s)


def with_click(
    model: FittedModel,
    features: FloatArray,
    clicking: npt.NDArray[np.bool_],
    *,
    shrinkage: float = 0.1,
) -> FittedModel:
    """Add to a model of movement what tells clicking from the rest.

    Parameters
    ----------
    model
        Model of the movement, from the same features.
    features : ndarray, shape (n_bins, n_features)
        None missing.
    clicking : ndarray of bool, shape (n_bins,)
        Whether a click was meant.
    shrinkage
        Shrinkage of the covariance within the two states towards its diagonal.

    Raises
    ------
    DecodeError
        There are fewer than two bins of either state, bins with missing features, or features that
        are too large to be squared.
    """
    if features.ndim != 2 or clicking.shape != (len(features),):
        raise DecodeError(
            f"clicks need features (n_bins, n_features) and a truth value for each bin; found "
            f"{features.shape} and {clicking.shape}"
        )
    n_clicking = int(clicking.sum())
    if min(n_clicking, len(clicking) - n_clicking) < 2 or not np.isfinite(features).all():
        raise DecodeError(
            f"clicks are learned from whole bins, two at least with and two without; found "
            f"{n_clicking} and {len(clicking) - n_clicking}"
        )
    rest, click = features[~clicking], features[clicking]
    means = rest.mean(axis=0), click.mean(axis=0)
    within = np.concatenate([rest - means[0], click - means[1]])
    covariance = within.T @ within / (len(within) - 2)
    if not np.isfinite(covariance).all():
        raise DecodeError(f"features are too large: the largest is {np.abs(features).max():.3g}")
    variances = np.diag(covariance).copy()
    variances[variances == 0] = 1.0
    covariance = (1.0 - shrinkage) * covariance + shrinkage * np.diag(variances)
    weights = np.linalg.solve(covariance, means[1] - means[0])
    offset = -0.5 * float(weights @ (means[0] + means[1]))
    arrays = {**model.arrays, WEIGHTS: weights, OFFSET: np.array(offset)}
    facts = {**model.facts, "click": {"n_bins": len(features), "n_clicking": n_clicking}}
    return FittedModel(model.kind, arrays, facts)
