"""Power in bands, electrode by electrode, and logistic regression.

The differential entropy of a Gaussian signal of variance v is ln(2 pi e v) / 2 (Shi et al., IEEE
EMBC 2013:6627, equation 2): in each band of each electrode it tells no more and no less than the
logarithm of the power. It is what states of a person (rest, effort, sleepiness) are told by where
nothing is asked for.
"""

from __future__ import annotations

import itertools
import math
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from volition.chunk import FloatArray
from volition.decoders.classes.decoder import ClassDecoder
from volition.decoders.classes.logistic import fit_logistic
from volition.decoders.classes.method import Arrays, CovarianceMethod, IntArray, normalised
from volition.decoders.classes.settings import RecentringSettings
from volition.decoders.contract.settings import Settings
from volition.decoders.filtering import check_below_half_rate

#: Delta, theta, alpha, beta and gamma as far as scalp and mains leave it, edges in Hz.
USUAL_EDGES_HZ = [1.0, 4.0, 8.0, 13.0, 30.0, 45.0]


class DifferentialEntropySettings(RecentringSettings):
    """Settings of `DifferentialEntropyDecoder` and `DifferentialEntropy`."""

    kind: Literal["differential_entropy"] = "differential_entropy"
    low_hz: float = Field(default=1.0, gt=0, description="The first of `edges_hz`.")
    high_hz: float = Field(default=45.0, gt=0, description="The last of `edges_hz`.")
    edges_hz: list[float] = Field(
        default=USUAL_EDGES_HZ,
        min_length=2,
        max_length=33,
        description="Edges of the bands, one band from each to the next.",
    )
    band_order: int = Field(default=2, ge=1, le=12, description="Butterworth order of each edge.")
    window_s: float = Field(default=4.0, gt=0, le=60)
    delay_s: float = Field(default=0.0, ge=0, le=60)
    penalty: float = Field(
        default=1.0,
        gt=0,
        le=1e6,
        description="Weight of the regression's penalty on squared weights, for features that "
        "have one variance.",
    )

    @model_validator(mode="before")
    @classmethod
    def _ends_are_those_of_the_bands(cls, data: object) -> object:
        if isinstance(data, dict) and isinstance(edges := data.get("edges_hz"), list) and edges:
            return {"low_hz": edges[0], "high_hz": edges[-1], **data}
        return data

    @model_validator(mode="after")
    def _edges_rise_one_by_one(self) -> DifferentialEntropySettings:
        edges = self.edges_hz
        if any(a >= b for a, b in itertools.pairwise(edges)):
            raise ValueError(f"edges_hz must rise, found {edges}")
        if (self.low_hz, self.high_hz) != (edges[0], edges[-1]):
            raise ValueError("low_hz and high_hz are the ends of edges_hz; leave them out")
        return self

    def bands(self, rate_hz: float) -> list[tuple[float, float]]:
        check_below_half_rate(self.kind, "edges_hz", self.edges_hz[-1], rate_hz)
        return list(itertools.pairwise(self.edges_hz))


def entropies(variances: FloatArray) -> FloatArray:
    """Give the differential entropy of Gaussians of these variances, nats."""
    result: FloatArray = 0.5 * np.log(2 * math.pi * math.e * np.maximum(variances, 1e-300))
    return result


class DifferentialEntropy(CovarianceMethod[DifferentialEntropySettings]):
    """The method, as an estimator.

    Its feature is a covariance of one row for each band of each channel, (n_bands * n_channels, 1,
    1): re-centring divides each variance by the geometric mean of the session's own.
    """

    def feature(self, window: FloatArray) -> FloatArray:
        variances = np.maximum(window.var(axis=-1), 1e-300)
        result: FloatArray = variances.reshape(-1, 1, 1)
        return result

    def fit(self, features: FloatArray, classes: IntArray, n_classes: int) -> dict[str, FloatArray]:
        found = entropies(features[..., 0, 0])
        means = found.mean(axis=0)
        spreads = np.maximum(found.std(axis=0), 1e-9)
        weights, offsets = fit_logistic(
            (found - means) / spreads, classes, n_classes, self.settings.penalty
        )
        return {"means": means, "spreads": spreads, "weights": weights, "offsets": offsets}

    def log_probabilities(self, arrays: Arrays, features: FloatArray) -> FloatArray:
        found = (entropies(features[..., 0, 0]) - arrays["means"]) / arrays["spreads"]
        return normalised(found @ arrays["weights"] + arrays["offsets"])


class DifferentialEntropyDecoder(ClassDecoder[DifferentialEntropySettings]):
    """Tells states of a person by the power in bands, electrode by electrode."""

    settings_model: ClassVar[type[Settings]] = DifferentialEntropySettings
    method = DifferentialEntropy
