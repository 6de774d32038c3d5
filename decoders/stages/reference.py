"""Change the reference: subtract the mean of some channels from all.

The mean is summed channel after channel whatever the chunk's layout: NumPy's own sum takes another
order for one row than for many, and the last bit would hang on how the signal was cut.

Where a channel of the reference is missing, the reference is unknown and so is every channel: a
mean over those left would step each time that one comes and goes. A bad electrode belongs in
``exclude``.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from volition.chunk import Chunk, SignalSpec
from volition.decoders.contract.settings import Settings
from volition.decoders.contract.stage import Stage, check_channels
from volition.decoders.stages.pick import channel_places
from volition.errors import ConfigError


class ReferenceSettings(Settings):
    """Settings of `Reference`."""

    kind: Literal["reference"] = "reference"
    channels: list[str] | None = Field(
        default=None,
        min_length=1,
        description="The new reference is their mean; the mean of all (average reference) when "
        "left out.",
    )
    exclude: list[str] = Field(
        default_factory=list, description="Channels that are kept out of the mean."
    )


class Reference(Stage[ReferenceSettings]):
    """Subtract the mean of the reference channels from every channel."""

    settings_model: ClassVar[type[Settings]] = ReferenceSettings

    def prepare(self, spec: SignalSpec) -> SignalSpec:
        wanted = self.settings.channels
        places = channel_places("reference", list(spec.labels) if wanted is None else wanted, spec)
        excluded = set(channel_places("reference.exclude", self.settings.exclude, spec))
        places = [place for place in places if place not in excluded]
        if not places:
            raise ConfigError(
                f"reference: exclude leaves no channel; found: {', '.join(spec.labels)}",
                found=list(spec.labels),
            )
        self._n_channels = spec.n_channels
        self._places = np.array(places)
        return spec

    def process(self, chunk: Chunk) -> Chunk:
        check_channels(chunk, self._n_channels, "reference")
        # accumulate is a recurrence: it adds in order, which a sum does not promise
        sums = np.add.accumulate(chunk.samples[:, self._places], axis=1)[:, -1:]
        chunk.samples = chunk.samples - sums / len(self._places)
        return chunk

    def reset(self) -> None:
        """There is nothing to forget."""
