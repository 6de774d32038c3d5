"""Mains hum by an adaptive canceller: sines that follow its phase, size and frequency.

For each harmonic a sine and cosine at the hum's frequency are weighed per channel by least mean
squares and subtracted (Widrow et al., Proc. IEEE 63:1692, 1975); at a fixed frequency that is a
notch of bandwidth ``width_hz``, which leaves more of its neighbourhood than a plain one as wide as
the mains wander. The frequency itself is tracked once a block by how far the weights turned, over
all channels together, within ``track_hz`` of the nominal one. A missing sample teaches nothing.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from volition.chunk import FloatArray
from volition.decoders.contract.settings import Settings
from volition.decoders.filtering import check_below_half_rate
from volition.decoders.stages.blocks import BlockStage

ComplexArray = npt.NDArray[np.complex128]

#: Turns are averaged over blocks by this share before the frequency follows them.
FOLLOW = 0.2
#: Share of the way that the frequency goes in a block: slower than weights and averages settle (a
#: second), so that the loop does not swing.
APPROACH = 0.02
#: Least ratio of a hum that the frequency follows to what is beside it, per channel and block;
#: otherwise the weights turn at random.
LEAST_SIGNIFICANCE = 1e-3


class AdaptiveNotchSettings(Settings):
    """Settings of `AdaptiveNotch`."""

    kind: Literal["adaptive_notch"] = "adaptive_notch"
    freq_hz: float = Field(default=50.0, gt=0, description="Nominal frequency of the hum, Hz.")
    harmonics: int = Field(
        default=1,
        ge=1,
        le=20,
        description="Multiples removed; those from half the rate on are not.",
    )
    width_hz: float = Field(
        default=0.5, gt=0, le=10, description="Width (-3 dB) of each notch, Hz: speed over purity."
    )
    track_hz: float = Field(
        default=0.5, ge=0, le=5, description="How far the frequency may be followed; 0: not at all."
    )


class AdaptiveNotch(BlockStage[AdaptiveNotchSettings]):
    """Subtract sines that follow the hum."""

    settings_model: ClassVar[type[Settings]] = AdaptiveNotchSettings

    def block_s(self) -> float:
        return 0.1

    def begin(self) -> None:
        settings = self.settings
        check_below_half_rate("adaptive_notch", "freq_hz", settings.freq_hz, self.rate_hz)
        multiples = np.arange(1, settings.harmonics + 1)
        self._multiples = multiples[multiples * settings.freq_hz < self.rate_hz / 2]
        n = len(self.picks)
        self._weights: ComplexArray = np.zeros((len(self._multiples), n), dtype=np.complex128)
        self._last: ComplexArray = self._weights[0].copy()
        # A gain of 2 µ on each of the two weights makes a notch of µ rate / π (-3 dB).
        self._gain = 2.0 * min(0.25, np.pi * settings.width_hz / self.rate_hz)
        self._freq_hz = settings.freq_hz
        self._phase = 0.0
        self._turn = 0.0j
        self._sines = self._block_sines()

    def clean(self, samples: FloatArray, offset: int) -> FloatArray:
        cleaned = np.empty_like(samples)
        weights, gain = self._weights, self._gain
        present = self.present
        for i in range(len(samples)):
            sines = self._sines[offset + i]
            error = samples[i] - (sines @ weights).real
            cleaned[i] = error
            taught = error if present is None else np.where(present[i], error, 0.0)
            weights += gain * np.conj(sines)[:, None] * taught
        return cleaned

    def decide(self, block: FloatArray, missing: FloatArray) -> None:
        """Follow the frequency, and lay out the next block's sines."""
        now = self._weights[0].copy()
        turn = complex(np.vdot(self._last, now))
        power = float(np.square(np.abs(now)).sum())
        if self.settings.track_hz > 0 and power > LEAST_SIGNIFICANCE * len(now):
            self._turn += FOLLOW * (turn / power - self._turn)
            block_s = self.block_samples / self.rate_hz
            step_hz = float(np.angle(self._turn)) / (2 * np.pi * block_s)
            nominal, reach = self.settings.freq_hz, self.settings.track_hz
            self._freq_hz = float(
                np.clip(self._freq_hz + APPROACH * step_hz, nominal - reach, nominal + reach)
            )
        self._last = now
        self._phase += 2 * np.pi * self._block_freq_hz * self.block_samples / self.rate_hz
        self._phase %= 2 * np.pi
        self._sines = self._block_sines()

    def report(self) -> dict[str, Any]:
        sizes = np.abs(self._weights)
        return {
            "freq_hz": self._freq_hz,
            "hum_uv": [float(row.mean()) for row in sizes],
        }

    def _block_sines(self) -> ComplexArray:
        """Give the sines of a block: (block_samples, n_multiples)."""
        self._block_freq_hz = self._freq_hz
        steps = 2 * np.pi * self._freq_hz / self.rate_hz * np.arange(self.block_samples)
        sines: ComplexArray = np.exp(1j * (self._phase + steps)[:, None] * self._multiples)
        return sines
