"""A simulated participant in a process of its own: features out over LSL, intents in by WebSocket.

Bins are due at moments that follow from their number alone and are stamped with them. What is
between the intents that come and the features that go is
`volition.streams.simulated.cursor_participant`.
"""

from __future__ import annotations

import contextlib
import math
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Self
from uuid import uuid4

from volition.benchmarks.quality.simulated.cursor_decoders import obey
from volition.children import spawning
from volition.errors import SessionError, VolitionError
from volition.service.client import Client
from volition.service.wire.messages import CalibrationMessage, CueMessage, GapMessage
from volition.streams.lsl.clock import local_clock
from volition.streams.lsl.outlet import SignalOutlet
from volition.streams.simulated.cursor_participant import CursorParticipant, CursorSitting
from volition.streams.simulated.cursor_tasks import CursorTask, CursorTrial

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
    guided
        Whether the session is calibrated at first, and the participant goes where the service's
        cues say until that is over.
    """

    participant: CursorParticipant
    task: CursorTask
    n_trials: int
    sitting: int = 0
    disturbance: Disturbance | None = None
    guided: bool = False


@dataclass(frozen=True, slots=True)
class Played:
    """What came of it.

    Attributes
    ----------
    trials
        In order.
    first_target_s
        From the first cue of a calibration until a target was reached for the first time.
    intents, lost
        How many came, and how many did not though their numbers say they were.
    loop_s
        From each bin's stamp until the participant saw the cursor that followed from it.
    """

    trials: tuple[CursorTrial, ...]
    first_target_s: float | None
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
        self._connection, self._far_end = spawning.Pipe()
        self._process = spawning.Process(
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

    def result(self, timeout_s: float) -> Played:
        """Wait for the end.

        Raises
        ------
        SessionError
            It did not come in time, or the session ended before.
        """
        found = self._receive(timeout_s)
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
            with _messages(url, session) as take:
                if not outlet.wait_for_consumers(_START_S):
                    raise SessionError("nobody took the participant's stream")
                connection.send(_Play(options, outlet, take, connection).played())
            with contextlib.suppress(EOFError):
                connection.recv()  # the stream stays until the parent has ended the session
        except VolitionError as error:
            connection.send(str(error))
        except (EOFError, OSError):
            return  # the parent is gone


class _Play:
    """A participant who plays, bin by bin."""

    def __init__(
        self,
        options: PlayOptions,
        outlet: SignalOutlet,
        take: Callable[[], Iterator[Any]],
        connection: Connection,
    ) -> None:
        self._options = options
        self._outlet = outlet
        self._take = take
        self._connection = connection
        self._sitting = CursorSitting(options.participant, options.task, sitting=options.sitting)
        if options.guided:
            self._sitting.asked = self._sitting.position  # nowhere, until a cue comes
        self._loop_s: list[float] = []
        self._intents = self._lost = 0
        self._cued_s: float | None = None
        self._first_target_s: float | None = None
        self._far = False  # whether the cursor was not in the target when it was shown

    def played(self) -> Played:
        """Play to the end."""
        sitting, options = self._sitting, self._options
        disturbance, bin_s = options.disturbance, options.participant.bin_s
        start, number = local_clock(), 0
        while len(sitting.trials) < options.n_trials:
            if self._connection.poll():
                raise SessionError("the participant was told to end")
            number += 1
            due = start + number * bin_s
            time.sleep(max(0.0, due - local_clock()))
            for message in self._take():
                self._heed(message)
            if disturbance is not None and len(sitting.trials) >= disturbance.after_trials:
                sitting.population.disturb(sitting.population.best_unit, disturbance.offset_sd)
                disturbance = None
            self._outlet.push(sitting.bin(due).features[None, :], [due])
        return Played(
            tuple(sitting.trials),
            self._first_target_s,
            self._intents,
            self._lost,
            tuple(self._loop_s),
        )

    def _heed(self, message: Any) -> None:
        if isinstance(message, GapMessage):
            self._lost += message.last - message.first + 1
        elif isinstance(message, CueMessage):
            self._follow(message)
        elif isinstance(message, CalibrationMessage):
            if message.state in ("refused", "cancelled"):
                raise SessionError(f"the calibration was {message.state}: {message.step}")
            if message.state == "done":
                self._sitting.asked = None
        else:
            self._intents += 1
            self._loop_s.append(local_clock() - message.t_sample)
            obey(self._sitting, message)

    def _follow(self, cue: CueMessage) -> None:
        if cue.phase == "trial":
            x, y = cue.data["position"]
            self._sitting.asked = (x, y)
            self._far = math.dist((x, y), self._sitting.position) > cue.data["radius"]
            self._cued_s = cue.t if self._cued_s is None else self._cued_s
        elif cue.phase == "end":
            self._sitting.asked = self._sitting.position
        elif cue.data.get("outcome") == "hit" and self._far and self._first_target_s is None:
            assert self._cued_s is not None
            self._first_target_s = cue.t - self._cued_s


@contextlib.contextmanager
def _messages(url: str, session: str) -> Iterator[Callable[[], Iterator[Any]]]:
    """Listen to a session; give what takes the intents, gaps and cues that have come."""
    waiting: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def take() -> Iterator[Any]:
        while True:
            try:
                message = waiting.get_nowait()
            except queue.Empty:
                return
            if message is None or (
                message.type == "status" and message.state in ("failed", "stopped")
            ):
                raise SessionError("the session ended while the participant played")
            if message.type in ("intent", "gap", "cue", "calibration"):
                yield message

    with Client(url) as client, client.subscribe(session, after=0) as messages:

        def listen() -> None:
            for message in messages:
                waiting.put(message)
            waiting.put(None)

        threading.Thread(target=listen, name="intents", daemon=True).start()
        yield take
