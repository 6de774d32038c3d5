"""A simulated participant in a process of its own, who is told live what the screen shows.

The stream is on the LSL network like a headset's, each sample due and stamped by its number alone.
Whoever runs the screen says what is on it: which flicker is looked at or which movement is
imagined and since when (`Gaze`), where the cursor and its target are (`Scene`), or which items
flash when (`Flashing`). What the person does about it is the business of the modules beside this
one. The process ends with the one that started it.
"""

from __future__ import annotations

import contextlib
import select
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from typing import Any, Self

import numpy as np

from volition.children import forking
from volition.chunk import FloatArray
from volition.errors import ConfigError, StreamError, VolitionError
from volition.streams.lsl.clock import local_clock
from volition.streams.lsl.outlet import SignalOutlet
from volition.streams.simulated.coded_participant import (
    CodedParticipant,
    CodedSignal,
    show_code,
)
from volition.streams.simulated.cursor_participant import CursorParticipant, Intention
from volition.streams.simulated.cursor_tasks import Point
from volition.streams.simulated.imagery_participant import ImageryParticipant, ImagerySignal
from volition.streams.simulated.ssvep_participant import ParticipantSignal, SsvepParticipant

_CHUNK_SAMPLES = 8
_READY_S = 30.0
_STOP_S = 2.0
#: A longer message may find no room in the pipe, and whoever sends it would wait.
_MOST_BYTES = 64 << 10
#: Looks, or responses to flashes, that are yet to come; no screen shows so much ahead of time.
_MOST_AHEAD = 4000


@dataclass(frozen=True, slots=True)
class Gaze:
    """Which flicker is looked at, or which movement is imagined.

    Attributes
    ----------
    target
        Its index; None for none.
    time
        LSL time of its onset, from which a flicker's phase counts; now when None or past.
    """

    target: int | None
    time: float | None = None


@dataclass(frozen=True, slots=True)
class Scene:
    """Where things are on the screen, centimetres.

    Attributes
    ----------
    cursor, target
        Their middles; no target where nothing is asked.
    """

    cursor: Point
    target: Point | None = None


@dataclass(frozen=True, slots=True)
class Flashing:
    """What flashes on the screen, and what of it is attended.

    Attributes
    ----------
    attended
        Place of the item; None for none.
    flashes
        LSL time of each flash, seconds, and the places of the items that flash.
    code, onset, step_hz, lasts_s
        The attended item's: 0 and 1 for each step, from an LSL time on, repeated for
        ``lasts_s``; an empty code for none.
    anew
        Whether what was to flash later, as it was said before, is left out.
    """

    attended: int | None
    flashes: tuple[tuple[float, tuple[int, ...]], ...] = ()
    code: str = ""
    onset: float = 0.0
    step_hz: float = 60.0
    lasts_s: float = 0.0
    anew: bool = False


Person = SsvepParticipant | ImageryParticipant | CursorParticipant | CodedParticipant
Shown = Gaze | Scene | Flashing
_SCREENS: dict[type[Any], type[Any]] = {CursorParticipant: Scene, CodedParticipant: Flashing}
"""What a person looks at, where it is no `Gaze`."""


class LiveParticipant:
    """A participant's process, while the ``with`` block lasts.

    Parameters
    ----------
    person
        Who it is.
    name, source_id
        Name and source id of the stream.

    Raises
    ------
    StreamError
        The process did not get ready, on entering.
    """

    def __init__(self, person: Person, *, name: str, source_id: str) -> None:
        self.person = person
        self.source_id = source_id
        self._connection, self._far_end = forking.Pipe()
        self._process = forking.Process(
            target=_main,
            args=(person, name, source_id, self._far_end),
            name="volition-participant",
            daemon=True,
        )

    def __enter__(self) -> Self:
        self._process.start()
        # The child holds the only other end now, so its death is seen as an end of file.
        self._far_end.close()
        said: Any = "nothing"
        with contextlib.suppress(EOFError, OSError):
            said = self._connection.recv() if self._connection.poll(_READY_S) else "nothing"
        if said != "ready":
            self.stop()
            raise StreamError(f"the participant's process did not get ready: it said {said}")
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    @property
    def is_alive(self) -> bool:
        """Whether the process runs."""
        return self._process.is_alive()

    def show(self, what: Shown) -> None:
        """Say what the screen shows.

        Raises
        ------
        ConfigError
            This person looks at another kind of screen, there is no such target, or it is too much
            at once.
        StreamError
            The process has ended, or takes nothing: whoever tells it never waits for it.
        """
        if not isinstance(what, _SCREENS.get(type(self.person), Gaze)):
            raise ConfigError(
                f"{type(self.person).__name__} cannot look at a {type(what).__name__}"
            )
        person = self.person
        if isinstance(person, SsvepParticipant | ImageryParticipant) and isinstance(what, Gaze):
            n_targets = len(
                person.classes if isinstance(person, ImageryParticipant) else person.targets
            )
            if what.target is not None and not 0 <= what.target < n_targets:
                raise ConfigError(f"target {what.target}; allowed: 0 to {n_targets - 1}, or none")
        told = ForkingPickler.dumps(what)
        if len(told) > _MOST_BYTES:
            raise ConfigError(
                f"what is shown takes {len(told)} bytes; at most {_MOST_BYTES} are shown at once"
            )
        try:
            if not _takes_more(self._connection):
                raise StreamError("the participant's process does not take what it is shown")
            self._connection.send_bytes(told)
        except OSError:
            raise StreamError("the participant's process has ended") from None

    def stop(self) -> None:
        """End the process, gently and then not; a second call does nothing."""
        self._connection.close()
        if self._process.pid is None:
            return
        self._process.join(_STOP_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


def _takes_more(connection: Connection) -> bool:
    """Whether `_MOST_BYTES` can be sent without waiting, where the system tells."""
    if sys.platform == "win32":
        return True
    poll = select.poll()  # not `select`: it takes no file with a high number
    poll.register(connection.fileno(), select.POLLOUT)
    return bool(poll.poll(0))


def _main(person: Person, name: str, source_id: str, connection: Connection) -> None:
    # Ctrl-C reaches the whole group; the parent decides what becomes of its participant.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    is_cursor = isinstance(person, CursorParticipant)
    with contextlib.suppress(EOFError, OSError):  # the parent is gone
        try:
            with SignalOutlet(
                person.spec(),
                name=name,
                type="Features" if is_cursor else "EEG",
                source_id=source_id,
                format="float64",
            ) as outlet:
                connection.send("ready")
                if isinstance(person, CursorParticipant):
                    _steer(person, outlet, connection)
                else:
                    _look(person, outlet, connection)
        except VolitionError as error:
            connection.send(str(error))


def _look(
    person: SsvepParticipant | ImageryParticipant | CodedParticipant,
    outlet: SignalOutlet,
    connection: Connection,
) -> None:
    sitting = person.sit()
    start = local_clock()

    def show(shown: Gaze | Flashing) -> None:
        if isinstance(sitting, CodedSignal):
            assert isinstance(shown, Flashing)
            _watch(sitting, shown, start)
        else:
            assert isinstance(shown, Gaze)
            _attend(sitting, shown, start)

    first = 0
    while True:
        stop = first + _CHUNK_SAMPLES
        _take_until(connection, start + (stop - 1) / person.rate_hz, show)
        times = start + np.arange(first, stop) / person.rate_hz
        outlet.push(sitting.take(first, stop), times)
        first = stop


def _attend(sitting: ParticipantSignal | ImagerySignal, gaze: Gaze, start: float) -> None:
    if sitting.n_ahead >= _MOST_AHEAD:
        return
    onset = gaze.time
    if onset is not None:
        with contextlib.suppress(ConfigError):  # it has gone by
            at_sample = round((onset - start) * sitting.participant.rate_hz)
            sitting.attend(gaze.target, at_sample=at_sample)
            return
    sitting.attend(gaze.target)


def _watch(sitting: CodedSignal, shown: Flashing, start: float) -> None:
    rate_hz = sitting.participant.rate_hz
    if shown.anew:
        sitting.forget_to_come()
    sitting.attend(shown.attended)
    for time, items in shown.flashes:
        if sitting.n_ahead >= _MOST_AHEAD:
            return
        with contextlib.suppress(ConfigError):  # it has gone by
            sitting.flash(items, round((time - start) * rate_hz))
    if shown.code:
        bits = np.array([bit == "1" for bit in shown.code])
        lasts_s = min(shown.lasts_s, (_MOST_AHEAD - sitting.n_ahead) / shown.step_hz)
        with contextlib.suppress(ConfigError):
            at_sample = round((shown.onset - start) * rate_hz)
            show_code(sitting, bits, at_sample, shown.step_hz, lasts_s)


def _steer(person: CursorParticipant, outlet: SignalOutlet, connection: Connection) -> None:
    population, intention = person.sit(), Intention(person)
    scene = Scene((0.0, 0.0))

    def show(shown: Scene) -> None:
        nonlocal scene
        scene = shown

    start, number = local_clock(), 0
    while True:
        number += 1
        due = start + number * person.bin_s
        _take_until(connection, due, show)
        intended = intention.towards(scene.target, scene.cursor, due)
        features: FloatArray = population.bin(intended)
        outlet.push(features[np.newaxis, :], np.array([due]))


def _take_until(connection: Connection, due: float, show: Callable[[Any], None]) -> None:
    """Take what the screen shows until a moment has come; raise `EOFError` when the parent goes."""
    while connection.poll(max(0.0, due - local_clock())):
        show(connection.recv())
