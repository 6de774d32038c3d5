"""Saturation: no value beyond a limit, which limits what one wild channel can do."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from volition.chunk import Chunk, SignalSpec
from volition.decoders.contract.settings import Settings
from volition.decoders.contract.stage import Stage, check_channels


class SaturateSettings(Settings):
    """Settings of `Saturate`."""

    kind: Literal["saturate"] = "saturate"
    limit: float = Field(default=2.0, gt=0, description="Largest absolute value, in the unit.")


class Saturate(Stage[SaturateSettings]):
    """Clip at plus and minus the limit."""

    settings_model: ClassVar[type[Settings]] = SaturateSettings

    def prepare(self, spec: SignalSpec) -> SignalSpec:
        self._n_channels = spec.n_channels
        return spec

    def process(self, chunk: Chunk) -> Chunk:
        check_channels(chunk, self._n_channels, "saturate")
        limit = self.settings.limit
        chunk.samples = np.clip(chunk.samples, -limit, limit)
        return chunk

    def reset(self) -> None:
        """Keep nothing, forget nothing."""
