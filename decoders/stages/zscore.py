"""Z-scores: how far from its mean each channel is, in its SD.

By statistics that are given (of a calibration, or of the block before), or by running ones: over
all samples until the time constant is reached, with exponentially less weight for older ones from
then on. A running score counts its own sample in, looks at nothing newer, and takes no notice of
missing samples. It goes sample by sample and is meant for features of some hundred a second.
"""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from volition.chunk import Chunk, FloatArray, SignalSpec
from volition.decoders.contract.settings import Settings
from volition.decoders.contract.stage import Stage, check_channels
from volition.decoders.filtering import regular_rate
from volition.errors import ConfigError


class ZScoreSettings(Settings):
    """Settings of `ZScore`."""

    kind: Literal["zscore"] = "zscore"
    mean: list[float] | None = Field(
        default=None, min_length=1, description="Mean of each channel; running when left out."
    )
    scale: list[float] | None = Field(
        default=None, min_length=1, description="SD of each channel; given with the mean."
    )
    time_s: float = Field(
        default=60.0, gt=0, description="Time constant of running statistics, seconds."
    )
    limit: float | None = Field(
        default=None, gt=0, description="Clip at plus and minus this many SD; 2 costs nothing."
    )

    @model_validator(mode="after")
    def _both_or_none(self) -> ZScoreSettings:
        if (self.mean is None) != (self.scale is None):
            raise ValueError("mean and scale are given together or not at all")
        if self.mean is not None and self.scale is not None:
            if len(self.mean) != len(self.scale):
                raise ValueError(f"{len(self.mean)} means need as many scales")
            if not min(self.scale) > 0:
                raise ValueError("every scale must be above 0")
        return self


class ZScore(Stage[ZScoreSettings]):
    """Give z-scores."""

    settings_model: ClassVar[type[Settings]] = ZScoreSettings

    def prepare(self, spec: SignalSpec) -> SignalSpec:
        settings, n = self.settings, spec.n_channels
        self._n_channels = n
        self._given = None
        if settings.mean is not None and settings.scale is not None:
            if len(settings.mean) != n:
                raise ConfigError(
                    f"zscore: {len(settings.mean)} means are given for {n} channels",
                    found=len(settings.mean),
                    allowed=n,
                )
            self._given = np.array(settings.mean), np.array(settings.scale)
        else:
            rate_hz = regular_rate(spec, "zscore with running statistics")
            self._least_weight = -math.expm1(-1 / (rate_hz * settings.time_s))
        self.reset()
        return SignalSpec(spec.rate_hz, spec.labels, ("sd",) * n, spec.kinds, spec.passed)

    def reset(self) -> None:
        self._seen = np.zeros(self._n_channels)
        self._mean = np.zeros(self._n_channels)
        self._variance = np.zeros(self._n_channels)

    def process(self, chunk: Chunk) -> Chunk:
        check_channels(chunk, self._n_channels, "zscore")
        samples = chunk.samples
        if self._given is not None:
            mean, scale = self._given
            samples = (samples - mean) / scale
        else:
            samples = self._running(samples) if len(chunk) else samples
        if self.settings.limit is not None:
            np.clip(samples, -self.settings.limit, self.settings.limit, out=samples)
        return Chunk(samples, chunk.times)

    def _running(self, samples: FloatArray) -> FloatArray:
        known = np.isfinite(samples)
        seen = self._seen + np.cumsum(known, axis=0)
        self._seen = seen[-1]
        # 1/n makes it the mean of all; later the weight stays at the time constant's. What is
        # missing weighs nothing, whatever stands in its place.
        weights = np.maximum(1 / np.maximum(seen, 1), self._least_weight)
        filled = samples
        if not known.all():
            weights[~known] = 0.0
            filled = np.where(known, samples, 0.0)
        means, variances = np.empty_like(weights), np.empty_like(weights)
        mean, variance = self._mean, self._variance
        deviation, step = np.empty_like(mean), np.empty_like(mean)
        rows = zip(filled, weights, 1 - weights, means, variances, strict=True)
        for sample, weight, rest, next_mean, next_variance in rows:
            np.subtract(sample, mean, out=deviation)
            np.multiply(weight, deviation, out=step)
            mean = np.add(mean, step, out=next_mean)
            step *= deviation
            step += variance
            variance = np.multiply(rest, step, out=next_variance)
        self._mean, self._variance = mean.copy(), variance.copy()
        spread = np.sqrt(variances)
        left = np.where(known, samples, np.nan) - means
        score: FloatArray = np.divide(left, spread, out=0.0 * left, where=spread > 0)
        return score
