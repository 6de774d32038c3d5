"""Eye artifacts by an adaptive filter: recursive least squares on the references.

For each channel the weights of the references' last ``taps`` samples follow the signal (He, Wilson
and Russell, Med. Biol. Eng. Comput. 42:407, 2004; same symbols): k = P r / (λ + rᵀ P r), e = s -
rᵀ h, h ← h + k e, P ← (P - k rᵀ P) / λ, and the output is s - rᵀ h. One P serves all channels.
While the references are flat, as after an electrode came off, nothing is learned; when P grows
beyond all measure, or is no longer positive, it starts anew and the weights stay. Sample by sample,
without latency. The signal must be high-passed before.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from volition.chunk import FloatArray
from volition.decoders.contract.settings import Settings
from volition.decoders.stages.eog_regression import ReferenceSettings, ReferenceStage


class RlsSettings(ReferenceSettings):
    """Settings of `RlsFilter`."""

    kind: Literal["rls"] = "rls"
    taps: int = Field(default=3, ge=1, le=64, description="Samples of each reference, M.")
    forgetting: float = Field(default=0.9999, gt=0.5, le=1, description="λ, for each sample.")
    sigma: float = Field(default=0.01, gt=0, description="P starts as the identity over this.")
    flat_uv: float = Field(
        default=0.5,
        ge=0,
        description="A reference that moves by less than this over flat_s is flat, microvolts.",
    )
    flat_s: float = Field(default=0.5, gt=0, le=10)


#: P starts anew when its trace passes its first trace times this.
EXPLODED = 1e4


class RlsFilter(ReferenceStage[RlsSettings]):
    """Subtract what an adaptive filter makes of the references."""

    settings_model: ClassVar[type[Settings]] = RlsSettings

    def begin(self) -> None:
        super().begin()
        n_taps = self.settings.taps * len(self._references)
        self._taps = np.zeros((self.settings.taps, len(self._references)))
        self._weights = np.zeros((n_taps, len(self._cleaned_channels)))
        self._first = np.eye(n_taps) / self.settings.sigma
        self._P = self._first.copy()
        self._flat_samples = max(1, round(self.settings.flat_s * self.rate_hz))
        self._flat_for = 0
        self._level = np.full(len(self._references), np.inf)
        self._frozen_samples = self._restarts = self._seen = 0

    def decide(self, block: FloatArray, missing: FloatArray) -> None:
        if not self._working:  # the calibration passes unchanged, and is learned from
            self._filter(block)

    def clean(self, samples: FloatArray, offset: int) -> FloatArray:
        return self.subtract(samples, self._filter(samples))

    def _filter(self, samples: FloatArray) -> FloatArray:
        """Follow ``samples`` one by one; give the artifact in each, (n, n_channels)."""
        artifact = np.zeros_like(samples)
        references = samples[:, self._references]
        targets = samples[:, self._cleaned_channels]
        estimates = np.empty_like(targets)
        taps = self._taps
        for i in range(len(samples)):
            taps[1:] = taps[:-1]
            taps[0] = references[i]
            r = taps.ravel()
            if self._is_flat(references[i]):
                self._frozen_samples += 1
            else:
                self._learn(r, targets[i])
            estimates[i] = r @ self._weights
        artifact[:, self._cleaned_channels] = estimates
        self._seen += len(samples)
        return artifact

    def _is_flat(self, reference: FloatArray) -> bool:
        if np.abs(reference - self._level).max() <= self.settings.flat_uv:
            self._flat_for += 1
        else:
            self._level = reference.copy()
            self._flat_for = 0
        return self._flat_for >= self._flat_samples

    def _learn(self, r: FloatArray, target: FloatArray) -> None:
        forgetting = self.settings.forgetting
        projected = self._P @ r
        denominator = forgetting + float(r @ projected)
        if not 0 < denominator < np.inf:
            self._restart()
            return
        gain = projected / denominator
        self._weights += gain[:, None] * (target - r @ self._weights)
        # projected appears on both sides: P stays symmetric to the bit.
        self._P = (self._P - projected[:, None] * projected / denominator) / forgetting
        if not 0 < float(self._P.trace()) < EXPLODED * float(self._first.trace()):
            self._restart()

    def _restart(self) -> None:
        self._P = self._first.copy()
        self._restarts += 1

    def report(self) -> dict[str, Any]:
        return {
            **super().report(),
            "frozen_share": self._frozen_samples / max(1, self._seen),
            "restarts": self._restarts,
        }
