"""Settings of the decoder of event-related potentials."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from volition.decoders.codes.settings import CodedSettings
from volition.errors import ConfigError

Classifier = Literal["both", "lda", "xdawn", "stepwise"]


class ErpSettings(CodedSettings):
    """Settings of `ErpDecoder`."""

    kind: Literal["erp"] = "erp"
    classifier: Classifier = Field(
        default="both",
        description="'lda': shrinkage LDA; 'xdawn': xDAWN, tangent space and logistic regression; "
        "'both': the mean of their standardised scores; 'stepwise': step-wise LDA, the reference.",
    )
    block_toeplitz: bool = Field(
        default=False, description="LDA with a covariance that depends on time differences alone."
    )
    n_filters: int = Field(default=4, ge=1, le=16, description="xDAWN's, for each class.")
    window_s: float = Field(default=0.8, gt=0, le=2, description="Signal after a flash.")
    baseline_s: float = Field(
        default=0.0, ge=0, le=1, description="Signal before a flash whose mean is taken off."
    )
    sample_s: float = Field(
        default=0.016, gt=0, le=0.2, description="Length that each sample of an epoch averages."
    )
    coarser: int = Field(default=2, ge=1, le=16, description="LDA takes means of as many of these.")
    limit_sd: float | None = Field(
        default=3.5,
        gt=0.5,
        description="Samples further from 0, in robust deviations of the calibration, are drawn "
        "back to that: blinks then weigh less.",
    )
    fastest_s: float = Field(
        default=0.04, gt=0, description="Flashes sooner after each other are left out and told."
    )

    def decimation(self, rate_hz: float) -> int:
        """Give how many samples are one of an epoch."""
        return max(1, round(self.sample_s * rate_hz))

    def epoch_samples(self, rate_hz: float) -> int:
        """Give how many samples after a flash an epoch takes."""
        every = self.decimation(rate_hz) * self.coarser
        return max(every, round(self.window_s * rate_hz) // every * every)

    def baseline_samples(self, rate_hz: float) -> int:
        """Give how many samples before a flash are taken for its baseline."""
        return round(self.baseline_s * rate_hz)

    def kept_s(self) -> float:
        return self.window_s + self.baseline_s

    def check(self, rate_hz: float, n_channels: int) -> None:
        super().check(rate_hz, n_channels)
        if self.step_hz is not None and 1 / self.step_hz < self.fastest_s:
            raise ConfigError(
                f"erp: steps at {self.step_hz:g} Hz follow each other after "
                f"{1 / self.step_hz:.3g} s, sooner than fastest_s allows ({self.fastest_s:g} s)",
                found=self.step_hz,
                allowed=1 / self.fastest_s,
            )
        n_times = self.epoch_samples(rate_hz) // self.decimation(rate_hz)
        if n_channels * n_times > 5000:
            raise ConfigError(
                f"erp: {n_channels} channels and {n_times} times are {n_channels * n_times} "
                "features; at most 5000 are allowed. Use fewer channels or a longer sample_s",
                found=n_channels * n_times,
                allowed=5000,
            )
