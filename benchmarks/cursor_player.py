"""A simulated participant in a process of its own: features out over LSL, intents in by WebSocket.

Bins are due at moments that follow from their number alone and are stamped with them. What is
between the intents that come and the features that go is `streams.cursor_participant`.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Self
from uuid import uuid4

from benchmarks.cursor_decoders import Guide, obey
from decoders.intent import Intent
from service.client import Client
from service.schemas import GapMessage
from streams.clock import local_clock
from streams.cursor_participant import CursorParticipant, CursorSitting, SittingBin
from streams.cursor_tasks import CursorTask, CursorTrial
from streams.errors import SessionError, VolitionError
from streams.outlet import SignalOutlet

_START_S = 30.0


@dataclass(frozen=True, slots=True)
class Disturbance:
    """What happens to the best unit mid-session: an offset, in its own SD, after some trials."""

    after_trials: int
    offset_sd: float


@dataclass(frozen=True, slots=True)
class PlayOptions:
    """Who plays what.

    Attributes
    ----------
    participant, task, sitting
        Who, what they are asked to do, and on which day.
    n_trials
        How many trials to play.
    disturbance
        None for a session in which nothing happens.
    guide
        Settings of the decoder that is calibrated from nothing at first, before the trials are
        counted, for `guide_s`; None where there is no calibration.
    """

    participant: CursorParticipant
    task: CursorTask
    n_trials: int
    sitting: int = 0
    disturbance: Disturbance | None = None
    guide: dict[str, Any] | None = None
    guide_s: float = 180.0

    def new_guide(self) -> Guide:
        """Begin the calibration, on either side."""
        assert self.guide is not None
        return Guide(
            self.participant,
            self.guide,
            seconds=self.guide_s,
            first_s=min(12.0, self.guide_s / 2),
            helped_s=0.64 * self.guide_s,
        )


@dataclass(frozen=True, slots=True)
class Played:
    """What came of it.

    Attributes
    ----------
    trials
        In order.
    guided
        Trials before those, while the decoder was calibrated.
    intents, lost
        How many came, and how many did not though their numbers say they were.
    loop_s
        From each bin's stamp until the participant saw the cursor that followed from it.
    """

    trials: tuple[CursorTrial, ...]
    guided: tuple[CursorTrial, ...]
    intents: int
    lost: int
    loop_s: tuple[float, ...]


class CursorPlayer:
    """A participant's process, while the ``with`` block lasts; its stream is ``source_id``.

    Raises
    ------
    SessionError
        The process did not get ready, on entering.
    """

    def __init__(self, options: PlayOptions) -> None:
        self.options = options
        self.source_id = f"cursor-{uuid4().hex}"
        context = multiprocessing.get_context("spawn")
        self._connection, self._far_end = context.Pipe()
        self._process = context.Process(
            target=_main,
            args=(options, self.source_id, self._far_end),
            name="volition-cursor-player",
            daemon=True,
        )

    def __enter__(self) -> Self:
        self._process.start()
        self._far_end.close()
        if self._receive(_START_S) != "ready":
            self.__exit__()
            raise SessionError("the participant's process did not get ready")
        return self

    def __exit__(self, *exc: object) -> None:
        self._connection.close()
        self._process.join(5.0)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def begin(self, url: str, session: str) -> None:
        """Begin to play against a session whose stream this is."""
        self._connection.send((url, session))

    def result(
        self, timeout_s: float, on_bins: Callable[[list[SittingBin]], None] | None = None
    ) -> Played:
        """Wait for the end; ``on_bins`` is told what to calibrate on as it comes.

        Raises
        ------
        SessionError
            It did not come in time, or the session ended before.
        """
        deadline = time.monotonic() + timeout_s
        while isinstance(found := self._receive(max(0.0, deadline - time.monotonic())), list):
            if on_bins is not None:
                on_bins(found)
        if not isinstance(found, Played):
            raise SessionError(f"the participant's process gave no result: {found}")
        return found

    def _receive(self, timeout_s: float) -> Any:
        try:
            return self._connection.recv() if self._connection.poll(timeout_s) else "timeout"
        except (EOFError, OSError):
            return "its process ended"


def _main(options: PlayOptions, source_id: str, connection: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    spec = options.participant.spec()
    with SignalOutlet(
        spec, name="cursor", type="Features", source_id=source_id, format="float64"
    ) as outlet:
        connection.send("ready")
        try:
            url, session = connection.recv()
            with _intents(url, session) as take:
                if not outlet.wait_for_consumers(_START_S):
                    raise SessionError("nobody took the participant's stream")
                with _sending(connection) as send:
                    send(_play(options, outlet, take, connection, send))
            with contextlib.suppress(EOFError):
                connection.recv()  # the stream stays until the parent has ended the session
        except VolitionError as error:
            connection.send(str(error))
        except (EOFError, OSError):
            return  # the parent is gone


def _play(
    options: PlayOptions,
    outlet: SignalOutlet,
    take: Callable[[], Iterator[Any]],
    connection: Connection,
    send: Callable[[Any], None],
) -> Played:
    sitting = CursorSitting(options.participant, options.task, sitting=options.sitting)
    disturbance, bin_s = options.disturbance, options.participant.bin_s
    guide = None if options.guide is None else options.new_guide()
    loop_s: list[float] = []
    intents = lost = number = n_guided = 0
    start = local_clock()
    while guide or len(sitting.trials) - n_guided < options.n_trials:
        if connection.poll():
            raise SessionError("the participant was told to end")
        number += 1
        due = start + number * bin_s
        time.sleep(max(0.0, due - local_clock()))
        for message in take():
            if isinstance(message, GapMessage):
                lost += message.last - message.first + 1
                continue
            intents += 1
            loop_s.append(local_clock() - message.t_sample)
            obey(sitting, message)
        if disturbance is not None and len(sitting.trials) - n_guided >= disturbance.after_trials:
            sitting.population.disturb(sitting.population.best_unit, disturbance.offset_sd)
            disturbance = None
        one = sitting.bin(due)
        outlet.push(one.features[None, :], [due])
        if guide is not None:
            if guide.follow(sitting, one):
                send(guide.newest())
            if due - start > options.guide_s:
                guide, n_guided = None, len(sitting.trials)
    trials = tuple(sitting.trials)
    return Played(trials[n_guided:], trials[:n_guided], intents, lost, tuple(loop_s))


@contextlib.contextmanager
def _sending(connection: Connection) -> Iterator[Callable[[Any], None]]:
    """Give what sends without waiting; on the way out everything has gone."""
    waiting: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def send() -> None:
        with contextlib.suppress(OSError):  # the parent is gone
            while (item := waiting.get()) is not None:
                connection.send(item)

    thread = threading.Thread(target=send, name="results", daemon=True)
    thread.start()
    try:
        yield waiting.put
    finally:
        waiting.put(None)
        thread.join()


@contextlib.contextmanager
def _intents(url: str, session: str) -> Iterator[Callable[[], Iterator[Any]]]:
    """Listen to a session; give what takes the intents and gaps that have come."""
    waiting: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def take() -> Iterator[Intent | GapMessage]:
        while True:
            try:
                message = waiting.get_nowait()
            except queue.Empty:
                return
            if message is None or (
                message.type == "status" and message.state in ("failed", "stopped")
            ):
                raise SessionError("the session ended while the participant played")
            if message.type in ("intent", "gap"):
                yield message

    with Client(url) as client, client.subscribe(session, after=0) as messages:

        def listen() -> None:
            for message in messages:
                waiting.put(message)
            waiting.put(None)

        threading.Thread(target=listen, name="intents", daemon=True).start()
        yield take
