"""Run a recording through a session's pipeline, as fast as it goes.

A recording of a session (`service.recorder`) holds all that it takes: the configuration, the number
of the first intent, and the intents that were sent live, whose digest the replay's must equal. It
cannot where someone stopped the outputs, swapped the model, or where the recorder lost samples; the
status that was recorded beside says so.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from decoders.intent import Intent
from service.config import SessionConfig, parse_config
from service.engine import Engine, IntentDigest
from service.recorder import HEADER, INTENTS
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
) -> Replayed:
    """Run ``recording`` in chunks of ``chunk_samples``; the digest leaves out the moments."""
    digest = IntentDigest()
    engine = Engine(config, recording.spec, next_seq=next_seq)
    start = time.perf_counter()
    for chunk, events in recording.chunks(chunk_samples):
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


@dataclass(frozen=True)
class RecordedSession:
    """What a recording says of the session that it is of."""

    session: str
    epoch: int
    next_seq: int
    config: SessionConfig
    live_sha256: str
    live_intents: int


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
        intents = [text for _, text in recording.metadata["texts"].get(INTENTS, [])]
        digest = IntentDigest()
        for text in intents:
            digest.add_encoded(text)
        return RecordedSession(
            header["session"],
            int(header["epoch"]),
            int(header["next_seq"]),
            parse_config(json.loads(header["config"]), "the recording's configuration"),
            digest.hexdigest(),
            len(intents),
        )
    except (LookupError, TypeError, ValueError) as error:
        raise RecordingError(
            f"{recording.metadata.get('file')} is a session's recording whose header or intents "
            f"cannot be read: {type(error).__name__}: {error}"
        ) from error
