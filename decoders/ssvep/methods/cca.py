"""Canonical correlation analysis on one band: the textbook's SSVEP decoder.

Lin et al., IEEE Trans. Biomed. Eng. 53:2610, 2006: the largest canonical correlation of the window
with sines at a target's harmonics. It is FBCCA with one sub-band, and what others are measured
against. Idle is said by a ratio to what noise reaches, as in
`volition.decoders.ssvep.methods.fbcca`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from volition.chunk import FloatArray, SignalSpec
from volition.decoders.contract.settings import Settings
from volition.decoders.passband import share_left
from volition.decoders.ssvep.estimator import EpochEstimator
from volition.decoders.ssvep.scores.correlation import (
    Moments,
    ReferenceFactor,
    noise_edge,
    phases,
    references,
    squared_correlations,
)
from volition.decoders.ssvep.selector import SelectorDecoder, Verdict, softmax
from volition.decoders.ssvep.settings import SelectorSettings
from volition.decoders.ssvep.windows.epochs import Epoch


class CcaSettings(SelectorSettings):
    """Settings of `CcaDecoder` and `CCA`."""

    kind: Literal["cca"] = "cca"
    n_subbands: Literal[1] = Field(default=1, description="One band, from band_low_hz up.")
    n_harmonics: int = Field(default=2, ge=1, le=20, description="Harmonics in the references.")
    band_low_hz: float = Field(default=6.0, gt=0, description="Lower edge of the band.")
    idle_ratio: float = Field(
        default=2.2,
        ge=0,
        description="Idle (rest) unless the best squared correlation is this many times what noise "
        "reaches; 0: never.",
    )
    sharpness: float = Field(
        default=10.0, gt=0, description="Confidence is the softmax of the correlations times this."
    )


class _Scorer:
    """Canonical correlations of a window with each target's references."""

    def __init__(
        self,
        settings: CcaSettings,
        rate_hz: float,
        n_channels: int,
        spec: SignalSpec | None = None,
    ) -> None:
        window_samples = settings.window_samples(rate_hz)
        radians = phases(settings.freqs_hz, settings.n_harmonics, rate_hz)
        self._factor = ReferenceFactor.of(radians, window_samples)
        self._waves = references(radians, 0, window_samples)
        self._moments = Moments(1, n_channels, len(self._waves) - 1)
        ((low, high),) = settings.edges(rate_hz)
        left = 1.0 if spec is None else share_left(spec, low, high, settings.band_order)
        independent = 2 * (high - low) * left * window_samples / rate_hz
        # Squared correlation that a signal without flicker hardly exceeds.
        chance = noise_edge(n_channels, 2 * settings.n_harmonics, independent)
        # The most that a threshold may be: where the stages left little, chance comes near to 1.
        most = math.inf if left == 1.0 else 1.0 - (1.0 - chance) ** 2
        #: Correlation below which nothing is selected.
        self.threshold = math.sqrt(min(settings.idle_ratio * chance, most))

    def correlations(self, window: FloatArray) -> FloatArray:
        """Give rho of each target; ``window`` has the shape (1, n_channels, window_samples)."""
        self._moments.measure(np.ascontiguousarray(window), self._waves)
        rho: FloatArray = np.sqrt(squared_correlations(self._moments, self._factor)[0])
        return rho


class CcaDecoder(SelectorDecoder[CcaSettings]):
    """Selects the target whose references the window correlates with most, or says idle."""

    settings_model: ClassVar[type[Settings]] = CcaSettings

    def make_ready(self, rate_hz: float, n_channels: int) -> None:
        self._scorer = _Scorer(self.settings, rate_hz, n_channels, self.spec)

    def judge(self, filtered: FloatArray, epoch: Epoch) -> Verdict:
        rho = self._scorer.correlations(filtered)
        if rho.max() < self._scorer.threshold:
            return Verdict(rho, 1.0 - float(rho.max()) / self._scorer.threshold, "rest")
        return Verdict(rho, float(softmax(self.settings.sharpness * rho).max()))


class CCA(EpochEstimator[CcaSettings]):
    """The same decoder on epochs, as an estimator; it learns nothing."""

    def window_scorer(self, n_channels: int) -> Callable[[FloatArray], FloatArray]:
        return _Scorer(self.settings, self.rate_hz, n_channels, self.spec).correlations

    def is_idle(self, scores: FloatArray, n_channels: int) -> npt.NDArray[np.bool_]:
        scorer = _Scorer(self.settings, self.rate_hz, n_channels, self.spec)
        idle: npt.NDArray[np.bool_] = scores.max(axis=1) < scorer.threshold
        return idle
