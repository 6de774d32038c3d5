"""Run a recording through a session's pipeline, as fast as it goes.

A recording of a session (`service.recorder`) holds all that it takes: the configuration, the number
of the first intent, the changes of what decodes, each behind its sample, and the intents that were
sent live, whose digest the replay's must equal. It cannot where someone stopped the outputs or the
recorder lost samples, which the status that was recorded beside says, or where a model that a
change names is no longer in the registry, which is an error that names it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from decoders.intent import Intent
from decoders.settings import Settings
from service.config import SessionConfig, parse_config
from service.engine import Engine, IntentDigest
from service.recorder import HEADER, INTENTS, STATUS
from streams.chunk import Chunk, Event
from streams.errors import RecordingError
from streams.recording import Recording


@dataclass(frozen=True)
class Replayed:
    """What came of a replay."""

    sha256: str
    intents: int
    signal_s: float
    took_s: float
    continuity: Mapping[str, Any]

    @property
    def realtime_factor(self) -> float:
        return self.signal_s / self.took_s


def replay(
    recording: Recording,
    config: SessionConfig,
    chunk_samples: int,
    on_intent: Callable[[Intent], None] = lambda _: None,
    next_seq: int = 1,
    *,
    swaps: Sequence[RecordedSwap] = (),
) -> Replayed:
    """Run ``recording`` in chunks of ``chunk_samples``; the digest leaves out the moments.

    Raises
    ------
    ModelError
        A model that is needed is not there.
    """
    digest = IntentDigest()
    engine = Engine(config, recording.spec, next_seq=next_seq)
    start = time.perf_counter()
    for chunk, events in _cut_at(recording.chunks(chunk_samples), swaps, engine):
        for intent in engine.step(chunk, events):
            digest.add(intent)
            on_intent(intent)
    took_s = time.perf_counter() - start
    return Replayed(
        digest.hexdigest(),
        engine.next_seq - next_seq,
        len(recording.times) / recording.spec.rate_hz,
        took_s,
        engine.continuity.report(),
    )


def _cut_at(
    chunks: Iterator[tuple[Chunk, list[Event]]], swaps: Sequence[RecordedSwap], engine: Engine
) -> Iterator[tuple[Chunk, list[Event]]]:
    """Cut chunks at the samples behind which the decoder changed, and change it there."""
    waiting = sorted(swaps, key=lambda one: one.sample)
    number = 0
    for chunk, events in chunks:
        rest, due = chunk, events
        while waiting and waiting[0].sample <= number + len(rest):
            n = waiting[0].sample - number
            # Events that are not due yet wait in the engine.
            yield Chunk(rest.samples[:n], rest.times[:n]), due
            rest, due, number = Chunk(rest.samples[n:], rest.times[n:]), [], waiting[0].sample
            engine.swap(waiting.pop(0).decoder)
        number += len(rest)
        yield rest, due


@dataclass(frozen=True)
class RecordedSwap:
    """A change of what decodes."""

    sample: int
    decoder: Settings


@dataclass(frozen=True)
class RecordedSession:
    """What a recording says of the session that it is of."""

    session: str
    epoch: int
    next_seq: int
    config: SessionConfig
    live_sha256: str
    live_intents: int
    swaps: tuple[RecordedSwap, ...] = ()


def recorded_session(recording: Recording) -> RecordedSession | None:
    """Read the session off a recording; None for one that a session did not make.

    Raises
    ------
    RecordingError
        Its header or its intents are not what a session writes.
    """
    found = recording.metadata.get("header", {}).get(HEADER)
    if not found or not isinstance(found[0], Mapping):
        return None
    try:
        header = {key: value[0] for key, value in found[0].items()}
        texts = recording.metadata["texts"]
        intents = [text for _, text in texts.get(INTENTS, [])]
        config = json.loads(header["config"])
        notes = [json.loads(text) for _, text in texts.get(STATUS, [])]
        digest = IntentDigest()
        for text in intents:
            digest.add_encoded(text)
        return RecordedSession(
            header["session"],
            int(header["epoch"]),
            int(header["next_seq"]),
            parse_config(config, "the recording's configuration"),
            digest.hexdigest(),
            len(intents),
            tuple(_swap_of(config, note["swap"]) for note in notes if "swap" in note),
        )
    except (LookupError, TypeError, ValueError) as error:
        raise RecordingError(
            f"{recording.metadata.get('file')} is a session's recording whose header or intents "
            f"cannot be read: {type(error).__name__}: {error}"
        ) from error


def _swap_of(config: Mapping[str, Any], note: Mapping[str, Any]) -> RecordedSwap:
    changed = parse_config({**config, "decoder": note["decoder"]}, "a recorded change")
    return RecordedSwap(int(note["sample"]), changed.decoder)
