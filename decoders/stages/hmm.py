"""A hidden Markov model's filter: which of a few states features are in, and how likely they are.

The posterior of state k follows alpha_t(k) ~ p(y_t | k) sum_j alpha_t-1(j) A(j, k) (Rabiner, Proc.
IEEE 77:257, 1989, equation 20, scaled), O(K^2) a sample. Features are normal in each state, every
channel by itself, or counts of a Poisson distribution. What comes out are the posteriors and the
log likelihood of each sample given those before: where it falls, the signal is none that the model
knows. `volition.decoders.stages.markov` learns such a model.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
import scipy
from pydantic import Field, model_validator

from volition.chunk import Chunk, FloatArray, SignalSpec
from volition.decoders.contract.settings import Settings
from volition.decoders.contract.stage import Stage, check_channels
from volition.errors import ConfigError

#: Probabilities of a sample are never taken for less, so that no state is ever lost for good.
FLOOR = 1e-16
_MOST_STATES = 16


class HmmSettings(Settings):
    """Settings of `Hmm`."""

    kind: Literal["hmm"] = "hmm"
    emission: Literal["gaussian", "poisson"] = Field(
        default="gaussian", description="What features are in a state: normal, or counts."
    )
    means: list[list[float]] = Field(
        min_length=1,
        max_length=_MOST_STATES,
        description="Mean of each channel in each state.",
    )
    deviations: list[list[float]] = Field(
        default_factory=list, description="Standard deviations, as means; of gaussian alone."
    )
    transitions: list[list[float]] = Field(
        default_factory=list,
        description="Probability of going from each state (row) to each; stay when left out.",
    )
    stay: float = Field(
        default=0.98,
        gt=0,
        le=1,
        description="Probability of staying in a state, where `transitions` is not given.",
    )

    @model_validator(mode="after")
    def _sizes_fit(self) -> HmmSettings:
        n_states, n_channels = len(self.means), len(self.means[0])
        if any(len(row) != n_channels for row in self.means):
            raise ValueError("each state needs a mean of each channel")
        if self.emission == "gaussian":
            sizes = [len(row) for row in self.deviations]
            if sizes != [n_channels] * n_states or min(map(min, self.deviations)) <= 0:
                raise ValueError("each mean needs a deviation above 0")
        elif min(map(min, self.means)) <= 0:
            raise ValueError("means of counts must be above 0")
        if self.transitions:
            rows = np.array(self.transitions, dtype=np.float64, ndmin=2)
            square = rows.shape == (n_states, n_states)
            if not square or rows.min() < 0 or not np.allclose(rows.sum(axis=1), 1.0):
                raise ValueError(f"transitions must be {n_states} rows that each add up to 1")
        return self

    def matrix(self) -> FloatArray:
        """Give the transitions, shape (n_states, n_states)."""
        if self.transitions:
            return np.array(self.transitions, dtype=np.float64)
        n = len(self.means)
        if n == 1:
            return np.ones((1, 1))
        others = (1.0 - self.stay) / (n - 1)
        matrix: FloatArray = np.full((n, n), others) + (self.stay - others) * np.eye(n)
        return matrix


def log_emissions(settings: HmmSettings, rows: FloatArray) -> FloatArray:
    """Give log p(y | k) of each row (n_samples, n_channels), shape (n_samples, n_states)."""
    means = np.array(settings.means)
    if settings.emission == "poisson":
        counts = np.maximum(rows, 0.0)[:, None]
        terms = counts * np.log(means) - means - scipy.special.gammaln(counts + 1.0)
    else:
        spread = np.array(settings.deviations)
        scaled = (rows[:, None] - means) / spread
        terms = -0.5 * scaled**2 - np.log(spread) - 0.5 * np.log(2 * np.pi)
    result: FloatArray = terms.sum(axis=2)
    return result


class Hmm(Stage[HmmSettings]):
    """Give the posterior of each state and the log likelihood of each sample, nats."""

    settings_model: ClassVar[type[Settings]] = HmmSettings

    def prepare(self, spec: SignalSpec) -> SignalSpec:
        n_channels = len(self.settings.means[0])
        if spec.n_channels != n_channels:
            raise ConfigError(
                f"hmm: its means are of {n_channels} channels, and the signal has "
                f"{spec.n_channels}",
                found=spec.n_channels,
                allowed=n_channels,
            )
        self._n_channels = n_channels
        self._transitions = self.settings.matrix()
        self.reset()
        n_states = len(self._transitions)
        return SignalSpec(
            spec.rate_hz,
            (*(f"state {k + 1}" for k in range(n_states)), "log_likelihood"),
            (*("probability",) * n_states, "nats"),
            ("AUX",) * (n_states + 1),
        )

    def reset(self) -> None:
        n_states = len(self._transitions)
        self._posterior: FloatArray = np.full(n_states, 1.0 / n_states)
        self._n_samples, self._log_likelihood = 0, 0.0

    def process(self, chunk: Chunk) -> Chunk:
        check_channels(chunk, self._n_channels, "hmm")
        out = np.full((len(chunk), len(self._posterior) + 1), np.nan)
        good = np.isfinite(chunk.samples).all(axis=1)
        emissions = log_emissions(self.settings, chunk.samples[good])
        for row, emission in zip(np.flatnonzero(good), emissions, strict=True):
            out[row, -1] = self._take(emission)
            out[row, :-1] = self._posterior
        return Chunk(out, chunk.times)

    def _take(self, emission: FloatArray) -> float:
        """Take a sample's log probability in each state; give its log likelihood."""
        highest = float(emission.max())
        likely = np.maximum(np.exp(emission - highest), FLOOR)
        joint = likely * (self._posterior @ self._transitions)
        total = float(joint.sum())
        self._posterior = joint / total
        told = highest + float(np.log(total))
        self._n_samples += 1
        self._log_likelihood += told
        return told

    def state(self) -> dict[str, Any]:
        n = self._n_samples
        return {
            "state": int(self._posterior.argmax()) + 1,
            "posterior": self._posterior.tolist(),
            "mean_log_likelihood": self._log_likelihood / n if n else None,
        }
