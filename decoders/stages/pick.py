"""Keep some channels, in a given order."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from volition.chunk import Chunk, SignalSpec
from volition.decoders.contract.settings import Settings
from volition.decoders.contract.stage import Stage, check_channels
from volition.errors import ConfigError


def channel_places(who: str, wanted: list[str], spec: SignalSpec) -> list[int]:
    """Give where each wanted label lies in ``spec``.

    Raises
    ------
    ConfigError
        A label is not among the channels, or is wanted twice.
    """
    unknown = [label for label in wanted if label not in spec.labels]
    if unknown:
        raise ConfigError(
            f"{who}: no channel named {', '.join(unknown)}; found: {', '.join(spec.labels)}",
            unknown=unknown,
            found=list(spec.labels),
        )
    repeated = sorted({label for label in wanted if wanted.count(label) > 1})
    if repeated:
        raise ConfigError(
            f"{who}: each channel may be named once; named twice: {', '.join(repeated)}",
            repeated=repeated,
        )
    return [spec.labels.index(label) for label in wanted]


class PickSettings(Settings):
    """Settings of `Pick`."""

    kind: Literal["pick"] = "pick"
    channels: list[str] = Field(min_length=1, description="Labels to keep, in this order.")


class Pick(Stage[PickSettings]):
    """Keep ``channels``."""

    settings_model: ClassVar[type[Settings]] = PickSettings

    def prepare(self, spec: SignalSpec) -> SignalSpec:
        places = channel_places("pick", self.settings.channels, spec)
        self._n_channels = spec.n_channels
        self._places = np.array(places)
        return SignalSpec(
            spec.rate_hz,
            tuple(spec.labels[place] for place in places),
            tuple(spec.units[place] for place in places),
            tuple(spec.kinds[place] for place in places),
        )

    def process(self, chunk: Chunk) -> Chunk:
        check_channels(chunk, self._n_channels, "pick")
        chunk.samples = chunk.samples[:, self._places]
        return chunk

    def reset(self) -> None:
        """There is nothing to forget."""
