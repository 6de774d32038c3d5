"""The one path for samples: live, replayed and offline evaluation all run an `Engine`.

An engine drives a session's pipeline chunk by chunk and stamps each intent's envelope. It knows no
LSL, no socket and no process; its clock is given to it, and nothing that it decides depends on it.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

from decoders.intent import Intent, canonical_json
from decoders.pipeline import Pipeline
from service.config import SessionConfig
from streams.chunk import Chunk, Event, SignalSpec


class Engine:
    """A pipeline at work on one signal.

    Parameters
    ----------
    config
        What to run.
    spec
        The signal as the inlet or a recording gives it: channels picked, microvolts.
    session, epoch, next_seq
        The envelope: whose intents these are, which life of the worker, and the first number.
    clock
        LSL time, seconds.

    Raises
    ------
    ConfigError
        A stage or the decoder cannot work on a signal of this spec.
    """

    def __init__(
        self,
        config: SessionConfig,
        spec: SignalSpec,
        *,
        session: str = "",
        epoch: int = 1,
        next_seq: int = 1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.pipeline: Pipeline = config.build_pipeline()
        self.decoder_spec = self.pipeline.prepare(spec)
        self.decoder_kind = config.decoder.kind
        self.session = session
        self.epoch = epoch
        self.next_seq = next_seq
        self._clock = clock
        #: LSL times when the last chunk had been cleaned and when it had been decoded.
        self.t_cleaned = 0.0
        self.t_decoded = 0.0

    def step(self, chunk: Chunk, events: Sequence[Event] = ()) -> list[Intent]:
        """Run the next chunk; give the intents that follow from it, stamped."""
        cleaned = self.pipeline.clean(chunk)
        self.t_cleaned = self._clock()
        intents = self.pipeline.decode(cleaned, events)
        self.t_decoded = self._clock()
        for intent in intents:
            self._stamp(intent)
        return intents

    def reset(self) -> None:
        """Forget the signal so far; numbers go on."""
        self.pipeline.reset()

    def _stamp(self, intent: Intent) -> None:
        intent.session = self.session
        intent.epoch = self.epoch
        intent.seq = self.next_seq
        intent.t_decoded = self.t_decoded
        intent.decoder = self.decoder_kind
        intent.model = self.pipeline.decoder.model_version
        self.next_seq += 1


def run_offline(
    config: SessionConfig, spec: SignalSpec, pieces: Iterable[tuple[Chunk, Sequence[Event]]]
) -> Iterator[Intent]:
    """Run a whole signal, as fast as it goes; ``pieces`` is what `Recording.chunks` gives."""
    engine = Engine(config, spec)
    for chunk, events in pieces:
        yield from engine.step(chunk, events)


class IntentDigest:
    """SHA-256 over the canonical form of intents: equal for equal decisions, in order."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def add(self, intent: Intent) -> None:
        self._hash.update(canonical_json(intent))
        self._hash.update(b"\n")

    def hexdigest(self) -> str:
        return self._hash.hexdigest()
