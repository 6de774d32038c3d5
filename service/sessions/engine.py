"""The one path for samples: live, replayed and offline evaluation all run an `Engine`.

An engine runs a session's cleaner and decoder chunk by chunk and stamps each intent's header. It
knows no LSL, no socket and no process; its clock is given to it, and nothing that it decides
depends on it.

Samples first pass the `Cleaner`. Where it begins anew, at long gaps and at jumps of the clock, the
decoder forgets the signal too, and while its rate contradicts what the stream announces nothing is
decided: every frequency and every duration would be another. An event waits here until the samples
of its time have come, so that it is met by the same samples whether it arrives early, as it may
live, or with them, as it does in a replay. One from before the samples that the decoder still knows
is not met at all.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence

import pydantic_core

from volition.chunk import Chunk, Event, SignalSpec
from volition.decoders.contract.intent import (
    MOMENT_FIELDS,
    IdleIntent,
    Intent,
    canonical_json,
    finite,
    neutral,
)
from volition.decoders.contract.settings import Settings
from volition.service.sessions.cleaner import CleanedPiece
from volition.service.sessions.config import SessionConfig, build_decoder
from volition.service.sessions.history import History
from volition.service.sessions.named_models import check_input, open_named
from volition.service.sessions.selections import SelectionFilter
from volition.service.sessions.steering import Steering

#: More events than this do not wait for their samples; the oldest are forgotten.
_MOST_WAITING = 1024


class Engine:
    """A cleaner and a decoder at work on one signal.

    Parameters
    ----------
    config
        What to run.
    spec
        The signal as the inlet or a recording gives it: channels picked, microvolts.
    session, life, generation, next_seq
        The header: whose intents these are, in which life of the session and which generation of
        its worker, and the first number.
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
        life: str = "",
        generation: int = 1,
        next_seq: int = 1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        named = open_named(config.decoder)
        self.decoder = build_decoder(config.decoder, named.model if named else None)
        self.cleaner = config.build_cleaner(spec)
        #: The signal as it comes in, and as the decoder sees it.
        self.signal_spec, self.decoder_spec = spec, self.cleaner.spec
        self.decoder.prepare(self.decoder_spec)
        if named is not None:
            check_input(named, self.decoder_spec)
        self.decoder_kind = config.decoder.kind
        self.history = History(self.decoder_spec, config.history_s)
        #: Samples that came so far, as they came.
        self.n_samples = 0
        self.session = session
        self.life = life
        self.generation = generation
        self.next_seq = next_seq
        policy = config.selections
        self._selections = None if policy == "every" else SelectionFilter(policy)
        self._steering = None if config.steering is None else Steering(config.steering)
        #: Shown each cleaned piece of the signal, before it is decoded; it copies what it keeps.
        self.on_cleaned: Callable[[Chunk], None] | None = None
        #: Events that were not met, for there were too many at their time.
        self.n_crowded_events = 0
        self._met: deque[float] = deque(maxlen=self.decoder.most_events_per_s)
        self._waiting: list[Event] = []
        self._known_from = -math.inf
        self._next_due = math.inf
        self._clock = clock
        #: LSL times when the last chunk had been cleaned and when it had been decoded.
        self.t_cleaned = 0.0
        self.t_decoded = 0.0

    def step(
        self, chunk: Chunk, events: Sequence[Event] = (), silent_s: float | None = None
    ) -> list[Intent]:
        """Run the next chunk; give the intents that follow from it, stamped.

        Parameters
        ----------
        chunk, events
            What came; both may be empty.
        silent_s
            How long nothing had come before it, where that is known; see `Cleaner.pieces`.
        """
        if events:
            self._waiting += events
            del self._waiting[:-_MOST_WAITING]
            self._find_next_due()
        self.n_samples += len(chunk.times)
        intents: list[Intent] = []
        for piece in self.cleaner.pieces(chunk, silent_s):
            self.t_cleaned = self._clock()
            if piece.reset:
                self._begin_anew(float(piece.times[0]))
            intents += self._decode(piece)
        return intents

    def _begin_anew(self, known_from: float) -> None:
        """Forget the signal before the sample of ``known_from``."""
        self.decoder.reset()
        if self._selections is not None:
            self._selections.forget()
        if self._steering is not None:
            self._steering.forget()
        self.history.begin_anew()
        self._known_from = known_from
        self._find_next_due()

    def _decode(self, piece: CleanedPiece) -> list[Intent]:
        cleaned, times, _, trusted, triggered = piece
        events: Sequence[Event] = ()
        if triggered:
            self._waiting += triggered
            self._find_next_due()
        if len(times) and times[-1] >= self._next_due:
            events = self._take_due(float(times[-1]))
        if self.on_cleaned is not None:
            self.on_cleaned(cleaned)
        self.history.add(cleaned, events)
        intents = [finite(intent) for intent in self.decoder.decode(cleaned, events)]
        if not trusted:
            intents = [neutral(intent, reason="rate") for intent in intents]
        if self._selections is not None:
            intents = [self._selections.apply(intent) for intent in intents]
        if self._steering is not None:
            intents = [self._steering.apply(intent) for intent in intents]
        self.t_decoded = self._clock()
        for intent in intents:
            self.stamp(intent)
        return intents

    def _take_due(self, newest: float) -> list[Event]:
        """Take the events that the samples have come to, in order of time."""
        due: list[Event] = []
        waiting: list[Event] = []
        for event in self._waiting:
            (due if self._known_from <= event.time <= newest else waiting).append(event)
        self._waiting = waiting
        self._find_next_due()
        return [event for event in sorted(due, key=lambda one: one.time) if self._has_room(event)]

    def _has_room(self, event: Event) -> bool:
        """Whether an event is one of the first of its second, as many as the decoder is shown.

        Each may ask for a decision: a thousand of one moment would keep the loop for seconds.
        """
        met = self._met
        if len(met) == met.maxlen and abs(event.time - met[0]) < 1.0:
            self.n_crowded_events += 1
            return False
        met.append(event.time)
        return True

    def _find_next_due(self) -> None:
        times = (event.time for event in self._waiting if event.time >= self._known_from)
        self._next_due = min(times, default=math.inf)

    def hold(self, held: bool, t: float | None) -> list[Intent]:
        """Be told that outputs are held from the next sample on, or let go.

        What is decoded meanwhile goes to `volition.service.sessions.gate`, which lets none of it
        out. Give the intent that says so at once, at LSL time ``t``: whoever acts on intents alone
        learns of a stop now, and not with the next decision.
        """
        self.decoder.still = held
        if self._steering is not None:
            self._steering.still = held
        if not held or t is None:
            return []
        idle = IdleIntent(reason="held", t_sample=t)
        self.stamp(idle)
        return [idle]

    def swap(self, decoder: Settings) -> None:
        """Have another decoder, or this one with another model, decode from the next sample on.

        It is made ready apart. One of the same kind and settings goes on from where this one is;
        any other is first shown the signal that its decisions look back on, and what it would
        have decided there is not said again. On an error everything stays as it was.

        Raises
        ------
        ConfigError, ModelError, NotFittedError
            It cannot work on this signal, or its model is not there or does not fit.
        """
        named = open_named(decoder)
        made = build_decoder(decoder, named.model if named else None)
        made.prepare(self.decoder_spec)
        made.still = self.decoder.still
        if named is not None:
            check_input(named, self.decoder_spec)
        if not made.take_over(self.decoder):
            chunk, events = self.history.recent(made.memory_s)
            if len(chunk):
                made.decode(chunk, events)
        self.decoder = made
        self.decoder_kind = decoder.kind
        self._met = deque(self._met, maxlen=made.most_events_per_s)

    def stamp(self, intent: Intent) -> None:
        """Fill in the header and take the next number."""
        intent.session = self.session
        intent.life = self.life
        intent.epoch = self.generation
        intent.seq = self.next_seq
        intent.t_decoded = self.t_decoded
        intent.decoder = self.decoder_kind
        intent.model = self.decoder.model_version
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

    def add_encoded(self, text: str) -> None:
        """Add an intent that is JSON already, as it was sent."""
        fields = pydantic_core.from_json(text)
        kept = {key: value for key, value in fields.items() if key not in MOMENT_FIELDS}
        self._hash.update(pydantic_core.to_json(kept, inf_nan_mode="null"))
        self._hash.update(b"\n")

    def hexdigest(self) -> str:
        return self._hash.hexdigest()
