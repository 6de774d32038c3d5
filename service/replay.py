"""Run a recording through a session's pipeline, as fast as it goes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from decoders.intent import Intent
from service.config import SessionConfig
from service.engine import IntentDigest, run_offline
from streams.recording import Recording


@dataclass(frozen=True)
class Replayed:
    """What came of a replay."""

    sha256: str
    intents: int
    signal_s: float
    took_s: float

    @property
    def realtime_factor(self) -> float:
        return self.signal_s / self.took_s


def replay(
    recording: Recording,
    config: SessionConfig,
    chunk_samples: int,
    on_intent: Callable[[Intent], None] = lambda _: None,
) -> Replayed:
    """Run ``recording`` in chunks of ``chunk_samples``; the digest leaves out the moments."""
    digest = IntentDigest()
    count = 0
    start = time.perf_counter()
    for intent in run_offline(config, recording.spec, recording.chunks(chunk_samples)):
        count += 1
        digest.add(intent)
        on_intent(intent)
    took_s = time.perf_counter() - start
    signal_s = len(recording.times) / recording.spec.rate_hz
    return Replayed(digest.hexdigest(), count, signal_s, took_s)
