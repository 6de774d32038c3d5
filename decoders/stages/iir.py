"""What the recursive filters share: a stage is a design, the rest is `volition.decoders.filtering`.

Causal filters delay. Nothing shifts the times to hide it: a sample keeps the time at which it was
taken, and what comes out at that time holds nothing newer.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Literal, TypeVar

import scipy

from volition.chunk import Chunk, FloatArray, SignalSpec
from volition.decoders.contract.settings import Settings
from volition.decoders.contract.stage import Stage, check_channels
from volition.decoders.filtering import SosFilter, regular_rate
from volition.decoders.passband import behind_filter

S = TypeVar("S", bound=Settings)


def butterworth(
    kind: Literal["lowpass", "highpass", "bandpass"],
    order: int,
    edges_hz: float | tuple[float, float],
    rate_hz: float,
) -> FloatArray:
    """Give the sections of a Butterworth filter, of ``order`` at each of its edges (-3 dB)."""
    sos: FloatArray = scipy.signal.butter(order, edges_hz, kind, fs=rate_hz, output="sos")
    return sos


class IirStage(Stage[S]):
    """A stage that is one recursive filter on every channel. A subclass designs it."""

    @abstractmethod
    def design(self, rate_hz: float) -> FloatArray:
        """Give the second-order sections (n_sections, 6) for a signal of ``rate_hz``.

        Raises
        ------
        ConfigError
            The settings cannot be met at this rate.
        """

    def prepare(self, spec: SignalSpec) -> SignalSpec:
        rate_hz = regular_rate(spec, self.settings.kind)
        self._n_channels = spec.n_channels
        sections = self.design(rate_hz)
        self._filter = SosFilter(sections, spec.n_channels)
        return behind_filter(spec, sections)

    def process(self, chunk: Chunk) -> Chunk:
        check_channels(chunk, self._n_channels, self.settings.kind)
        chunk.samples = self._filter.process(chunk.samples)
        return chunk

    def reset(self) -> None:
        self._filter.reset()
