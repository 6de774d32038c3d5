"""Change the reference to the median of all channels, which one bad electrode does not move."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np

from volition.chunk import Chunk, SignalSpec
from volition.decoders.contract.settings import Settings
from volition.decoders.contract.stage import Stage, check_channels


class MedianReferenceSettings(Settings):
    """Settings of `MedianReference`: there is nothing to set."""

    kind: Literal["median_reference"] = "median_reference"


class MedianReference(Stage[MedianReferenceSettings]):
    """Subtract the median of all channels from each; missing where one of them is missing."""

    settings_model: ClassVar[type[Settings]] = MedianReferenceSettings

    def prepare(self, spec: SignalSpec) -> SignalSpec:
        self._n_channels = spec.n_channels
        return spec

    def process(self, chunk: Chunk) -> Chunk:
        check_channels(chunk, self._n_channels, "median_reference")
        chunk.samples = chunk.samples - np.median(chunk.samples, axis=1, keepdims=True)
        return chunk

    def reset(self) -> None:
        """There is nothing to forget."""
