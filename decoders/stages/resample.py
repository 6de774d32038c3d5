"""Change the sampling rate by a ratio of whole numbers: a causal polyphase low-pass.

With rate_out / rate_in = up / down, output m lies at input m down / up. It is the sum of the
newest ``taps`` inputs up to there, each times its tap: of a linear-phase low-pass on the grid of
up times the input's rate, every up-th, from a phase that m decides. So nothing is computed twice
and nothing looks ahead. The price is the low-pass's delay, which is the same for all frequencies:
`Resample.group_delay_s`. Times are those of the output's place, not moved back by the delay.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import scipy
from pydantic import Field

from volition.chunk import Chunk, FloatArray, SignalSpec
from volition.decoders.contract.settings import Settings
from volition.decoders.contract.stage import Stage, check_channels
from volition.decoders.filtering import BoolArray, Hold, regular_rate
from volition.decoders.passband import gains_at
from volition.errors import ConfigError

#: Largest up or down: the low-pass has twenty taps for each. It holds measured rates, as 243.37 Hz.
LARGEST_FACTOR = 4096
#: By how much the ratio may be off: less than any clock, and than any rate that was measured.
_RATIO_TOLERANCE = 1e-6
#: More in one step would need tens of thousands of inputs for each output.
LARGEST_RATIO = 512


class ResampleSettings(Settings):
    """Settings of `Resample`."""

    kind: Literal["resample"] = "resample"
    rate_hz: float = Field(gt=0, description="Rate of the output, Hz.")
    half_length: int = Field(
        default=10,
        ge=2,
        le=64,
        description="Half the low-pass's length, and its delay, in samples of the lower of the "
        "two rates: longer is steeper.",
    )


class Resample(Stage[ResampleSettings]):
    """Give the signal at ``rate_hz``.

    Attributes
    ----------
    group_delay_s : float
        How much later a change is seen in the output than its time says, seconds.
    """

    settings_model: ClassVar[type[Settings]] = ResampleSettings

    def prepare(self, spec: SignalSpec) -> SignalSpec:
        rate_hz = regular_rate(spec, "resample")
        self._up, self._down = _ratio(self.settings.rate_hz, rate_hz)
        self._n_channels = spec.n_channels
        longest = max(self._up, self._down)
        half = self.settings.half_length * longest if longest > 1 else 0
        self.group_delay_s = half / (self._up * rate_hz)
        low_pass = np.ones(1)  # the rate stays as it is
        if longest > 1:
            low_pass = scipy.signal.firwin(2 * half + 1, 1 / longest, window=("kaiser", 5.0))
        self._n_taps = -(-len(low_pass) // self._up)
        padded = np.zeros(self._n_taps * self._up)
        padded[: len(low_pass)] = low_pass
        # Row p: the taps of phase p, for inputs from the oldest to the newest; as a column each,
        # and of the gain 1 that all phases share, else a constant would come out as a ripple.
        phases = padded.reshape(self._n_taps, self._up).T[:, ::-1, None]
        self._taps = np.ascontiguousarray(phases / phases.sum(axis=1, keepdims=True))
        self._fraction_s = np.arange(self._up) / (self._up * rate_hz)
        self._hold = Hold(spec.n_channels)
        self.reset()
        rate_hz = self.settings.rate_hz
        passed = gains_at(spec, rate_hz)
        return SignalSpec(rate_hz, spec.labels, spec.units, spec.kinds, passed)

    def reset(self) -> None:
        self._hold.reset()
        self._n_in = 0
        self._n_out = 0
        # The newest inputs, filled, and which of them were missing.
        self._past = np.zeros((self._n_taps, self._n_channels))
        self._past_missing = np.zeros((self._n_taps, self._n_channels), dtype=bool)

    def state(self) -> dict[str, Any]:
        return {"group_delay_s": self.group_delay_s}

    def process(self, chunk: Chunk) -> Chunk:
        check_channels(chunk, self._n_channels, "resample")
        n_samples = len(chunk)
        if not n_samples:
            return chunk
        filled, missing = self._fill(chunk.samples)
        first = self._n_in  # of the signal's inputs, the chunk's first
        self._n_in += n_samples
        # Outputs whose newest input has come: those m with m down // up < n_in.
        until = -(-self._n_in * self._up // self._down)
        places = np.arange(self._n_out, until) * self._down
        newest, phases = places // self._up - first, places % self._up
        samples = np.empty((len(places), self._n_channels))
        for number, (at, phase) in enumerate(zip(newest.tolist(), phases.tolist(), strict=True)):
            # One output at a time: the order of the sum must not hang on how many there are.
            np.add.reduce(
                filled[at + 1 : at + 1 + self._n_taps] * self._taps[phase], out=samples[number]
            )
        self._mark_missing(samples, newest, missing)
        self._n_out = until
        self._past = filled[-self._n_taps :].copy()  # not a view, which would keep all of it
        self._past_missing = missing[-self._n_taps :].copy()
        return Chunk(samples, chunk.times[newest] + self._fraction_s[phases])

    def _fill(self, samples: FloatArray) -> tuple[FloatArray, BoolArray]:
        """Put the past before ``samples``, with what is missing filled, and say what was."""
        rows = samples.T.copy(order="C")
        missing = self._hold.fill(rows)
        if self._hold.starts is not None:
            # A channel that starts has been at its first value for ever: no step at the start.
            for channel, start in enumerate(self._hold.starts.tolist()):
                if 0 <= start < len(samples):
                    self._past[:, channel] = rows[channel, start]
                    rows[channel, :start] = rows[channel, start]
        now = np.zeros(samples.shape, dtype=bool) if missing is None else missing.T
        return np.concatenate([self._past, rows.T]), np.concatenate([self._past_missing, now])

    def _mark_missing(
        self, samples: FloatArray, newest: npt.NDArray[np.int64], missing: BoolArray
    ) -> None:
        """Make an output NaN when its newest input, or one since the output before, is missing."""
        if not missing.any():
            return
        before = np.arange(self._n_out - 1, self._n_out - 1 + len(newest)) * self._down // self._up
        first_in = self._n_in - (len(missing) - self._n_taps)
        after_last = np.minimum(before + 1 - first_in, newest) + self._n_taps
        counts = np.cumsum(np.concatenate([np.zeros((1, self._n_channels), int), missing]), axis=0)
        samples[counts[newest + self._n_taps + 1] > counts[after_last]] = np.nan


def _ratio(rate_out_hz: float, rate_in_hz: float) -> tuple[int, int]:
    # The ratio of the lower rate to the higher, so that neither number is above the limit.
    low_hz, high_hz = sorted((rate_out_hz, rate_in_hz))
    if high_hz > LARGEST_RATIO * low_hz:
        raise ConfigError(
            f"resample: from {rate_in_hz:g} Hz to {rate_out_hz:g} Hz is more than {LARGEST_RATIO} "
            "times; do it in two stages",
            found=rate_out_hz,
            rate_hz=rate_in_hz,
        )
    ratio = Fraction(low_hz / high_hz).limit_denominator(LARGEST_FACTOR)
    few, many = ratio.as_integer_ratio()
    up, down = (few, many) if rate_out_hz < rate_in_hz else (many, few)
    if abs(up * rate_in_hz - down * rate_out_hz) > _RATIO_TOLERANCE * up * rate_in_hz:
        raise ConfigError(
            f"resample: {rate_out_hz:g} Hz is not {rate_in_hz:g} Hz times a ratio of whole numbers "
            f"up to {LARGEST_FACTOR}; of {rate_out_hz * down / up:.9g} Hz it is",
            found=rate_out_hz,
            rate_hz=rate_in_hz,
        )
    return up, down
