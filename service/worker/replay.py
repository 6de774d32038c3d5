"""Run a recording through a session's pipeline, as fast as it goes.

A recording of a session (`volition.service.worker.recorder`) holds all that it takes: the
configuration, the number of the first intent, the changes of what decodes and the emergency stops,
each behind its sample, and the intents that were sent live, whose digest the replay's must equal.
It cannot where the recorder lost samples, or was started again within the session, so that the file
lacks the signal before; `RecordedSession.lacks` says so. A change to a model that is no longer in
the registry is an error that names it.
"""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from volition.chunk import Chunk, Event
from volition.decoders.contract.intent import Intent
from volition.decoders.contract.settings import Settings
from volition.errors import RecordingError
from volition.service.sessions.config import SessionConfig, parse_config
from volition.service.sessions.engine import Engine, IntentDigest
from volition.service.sessions.gate import Gate
from volition.service.worker.recorder import HEADER, INTENTS, STATUS
from volition.streams.files.recording import Recording


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
    changes: Sequence[RecordedChange] = (),
) -> Replayed:
    """Run ``recording`` in chunks of ``chunk_samples``; the digest leaves out the moments.

    Raises
    ------
    ModelError
        A model that is needed is not there.
    """
    digest = IntentDigest()
    engine = Engine(config, recording.spec, next_seq=next_seq)
    gate = _ReplayedGate(changes)
    start = time.perf_counter()
    for chunk, events, due in _cut_at(recording.chunks(chunk_samples), changes):
        intents = engine.step(chunk, events)
        sent = [gate.pass_on(intent) for intent in intents]
        for change in due:
            said = change.apply(engine)
            gate.follow(change, engine.next_seq)
            sent += [gate.pass_on(intent) for intent in said]
        for intent in sent:
            digest.add(intent)
            on_intent(intent)
    took_s = time.perf_counter() - start
    return Replayed(
        digest.hexdigest(),
        engine.next_seq - next_seq,
        len(recording.times) / recording.spec.rate_hz,
        took_s,
        engine.cleaner.continuity.report(),
    )


def _cut_at(
    chunks: Iterator[tuple[Chunk, list[Event]]], changes: Sequence[RecordedChange]
) -> Iterator[tuple[Chunk, list[Event], list[RecordedChange]]]:
    """Cut chunks at the samples behind which something changed; give what changes there."""
    waiting = sorted(changes, key=lambda one: one.sample)
    number = 0
    for chunk, events in chunks:
        rest, due = chunk, events
        while waiting and waiting[0].sample <= number + len(rest):
            n = waiting[0].sample - number
            # Events that are not due yet wait in the engine.
            yield Chunk(rest.samples[:n], rest.times[:n]), due, [waiting[0]]
            rest, due, number = Chunk(rest.samples[n:], rest.times[n:]), [], waiting[0].sample
            del waiting[0]
        number += len(rest)
        yield rest, due, []


@dataclass(frozen=True)
class RecordedSwap:
    """A change of what decodes."""

    sample: int
    decoder: Settings

    def apply(self, engine: Engine) -> list[Intent]:
        """Do to an engine what was done live."""
        engine.swap(self.decoder)
        return []


@dataclass(frozen=True)
class RecordedHold:
    """An emergency stop, or its end.

    Attributes
    ----------
    sample
        How many samples had come.
    held
        Whether outputs were stopped from there on.
    t
        LSL time of the intent that said so at once; None where none did.
    first
        Number of the first intent that it concerned; the next one where a recording of an older
        version does not tell.
    """

    sample: int
    held: bool
    t: float | None
    first: int | None = None

    def apply(self, engine: Engine) -> list[Intent]:
        """Do to an engine what was done live."""
        return engine.hold(self.held, self.t)


RecordedChange = RecordedSwap | RecordedHold


class _ReplayedGate(Gate):
    """Turns where the gate of the live session did: at numbers of intents.

    A chunk that was being sent when the stop was pressed has some intents before it and some after.
    """

    def __init__(self, changes: Sequence[RecordedChange]) -> None:
        super().__init__()
        holds = (one for one in changes if isinstance(one, RecordedHold) and one.first is not None)
        self._turns = deque(sorted((one.first or 0, one.held) for one in holds))

    def pass_on(self, intent: Intent) -> Intent:
        while self._turns and intent.seq >= self._turns[0][0]:
            self.closed = self._turns.popleft()[1]
        return super().pass_on(intent)

    def follow(self, change: RecordedChange, next_seq: int) -> None:
        """Turn at a change of which is known only behind which sample it was."""
        if isinstance(change, RecordedHold) and change.first is None:
            self.turn(change.held, next_seq)


@dataclass(frozen=True)
class RecordedSession:
    """What a recording says of the session that it is of."""

    session: str
    generation: int
    next_seq: int
    config: SessionConfig
    live_sha256: str
    live_intents: int
    changes: tuple[RecordedChange, ...] = ()
    lacks: str = ""
    """Why a replay cannot give the same intents, in words; empty where it can."""

    @property
    def swaps(self) -> tuple[RecordedSwap, ...]:
        """The changes of what decodes."""
        return tuple(change for change in self.changes if isinstance(change, RecordedSwap))


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
        # A replay sends nothing: an output of then need not be installed here.
        config.pop("outputs", None)
        # Before there was a policy every answer was a selection.
        config.setdefault("selections", "every")
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
            tuple(change for note in notes if (change := _change_of(config, note)) is not None),
            _what_lacks(header, notes),
        )
    except (LookupError, TypeError, ValueError) as error:
        raise RecordingError(
            f"{recording.metadata.get('file')} is a session's recording whose header or intents "
            f"cannot be read: {type(error).__name__}: {error}"
        ) from error


def _change_of(config: Mapping[str, Any], note: Mapping[str, Any]) -> RecordedChange | None:
    if "hold" in note:
        hold = note["hold"]
        return RecordedHold(int(hold["sample"]), bool(hold["held"]), hold["t"], hold.get("first"))
    if "swap" not in note:
        return None
    changed = parse_config({**config, "decoder": note["swap"]["decoder"]}, "a recorded change")
    return RecordedSwap(int(note["swap"]["sample"]), changed.decoder)


def _what_lacks(header: Mapping[str, Any], notes: Sequence[Mapping[str, Any]]) -> str:
    lacks = [str(note["recording"]) for note in notes if "recording" in note]
    if int(header.get("samples_before", 0)):
        lacks.insert(
            0,
            f"the recorder was started again within the session, after {header['samples_before']} "
            "samples that this file lacks",
        )
    return "; ".join(lacks)
