"""Stages and a decoder joined: the whole of what runs per chunk, live, replayed or offline.

``clean`` and ``decode`` are apart so that whoever runs the pipeline can time them apart;
``process`` is both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from volition.chunk import Chunk, Event, SignalSpec
from volition.decoders.contract.decoder import Decoder
from volition.decoders.contract.intent import Intent
from volition.decoders.contract.stage import Stage


class Pipeline:
    """A chain of stages and the decoder behind it.

    Parameters
    ----------
    stages
        Run in order; may be empty.
    decoder
        Receives what the last stage gives.
    """

    def __init__(self, stages: Sequence[Stage[Any]], decoder: Decoder[Any]) -> None:
        self.stages = tuple(stages)
        self.decoder = decoder

    def prepare(self, spec: SignalSpec) -> SignalSpec:
        """Prepare every stage and the decoder; return the spec that the decoder sees."""
        for stage in self.stages:
            spec = stage.prepare(spec)
        self.decoder.prepare(spec)
        return spec

    def clean(self, chunk: Chunk) -> Chunk:
        for stage in self.stages:
            chunk = stage.process(chunk)
        return chunk

    def decode(self, cleaned: Chunk, events: Sequence[Event]) -> list[Intent]:
        return self.decoder.decode(cleaned, events)

    def process(self, chunk: Chunk, events: Sequence[Event] = ()) -> list[Intent]:
        return self.decode(self.clean(chunk), events)

    def stage_states(self) -> list[dict[str, Any]]:
        """Say what each stage did so far, in order, each with its kind."""
        return [{"kind": stage.settings.kind, **stage.state()} for stage in self.stages]

    def reset(self) -> None:
        for stage in self.stages:
            stage.reset()
        self.decoder.reset()
