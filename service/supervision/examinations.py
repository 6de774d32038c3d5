"""Examinations of single streams, for a minute or so each, in processes apart.

Each has a process of its own: whatever liblsl or a stream does there ends nothing else, and to
cancel one is to end its process, which also ends by itself when the gateway does. A *look* says
what a stream is (`volition doctor --stream`); a *check* guides a person with the headset on
(`volition check`).
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import secrets
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Generic, Literal, TypeVar

from volition.children import forking
from volition.errors import SessionError, StreamError, VolitionError
from volition.service.sessions.guided_check import Outcome, steps
from volition.service.supervision.checking import BEGIN_S, check
from volition.streams.lsl.discovery import StreamDescription, find_streams
from volition.streams.lsl.look import look_at
from volition.streams.lsl.verdict import Finding, verdict

#: Most at once of each kind, and most ended ones that are remembered.
MOST_LOOKS, MOST_CHECKS, _MOST_ENDED = 3, 2, 20
_FIND_S = 3.0
#: Beyond its time one may take this much for its process to start, and for the stream to open.
_GRACE_S = 30.0
_EVERY_S = 0.05

State = Literal["going", "done", "failed", "cancelled"]
Result = TypeVar("Result")
#: What is done in the process: it is told whom to tell that it begins, and each step that begins.
Work = Callable[[Callable[[int], None]], Result]


@dataclass(eq=False)
class Examination(Generic[Result]):
    """One examination.

    Attributes
    ----------
    id, uid, seconds
        Its name, and which stream it examines for how long.
    state
        How it stands.
    detail
        Why it failed.
    result
        What was found, once it is done.
    step
        Number of the step that goes on; None before the first.
    """

    id: str
    uid: str
    seconds: float
    state: State = "going"
    detail: str = ""
    result: Result | None = None
    step: int | None = None
    _began: float | None = None
    _step_began: float = 0.0

    @property
    def progress(self) -> float:
        """Share of its time which has passed."""
        if self.state == "done":
            return 1.0
        passed_s = 0.0 if self._began is None else time.monotonic() - self._began
        return min(1.0, passed_s / self.seconds)

    @property
    def step_s(self) -> float:
        """Seconds since the step began."""
        return 0.0 if self.step is None else time.monotonic() - self._step_began

    def take(self, said: tuple[str, Any]) -> None:
        """Take what its process says."""
        what, value = said
        if what == "failed":
            self.fail(value)
        elif what == "done":
            self.result, self.state = value, "done"
        else:
            self._step_began = time.monotonic()
            self._began = self._began or self._step_began
            self.step = value

    def fail(self, why: str) -> None:
        """End, unless it has ended."""
        if self.state == "going":
            self.state, self.detail = "failed", why


class Examinations(Generic[Result]):
    """Those of one kind, the newest last.

    Parameters
    ----------
    name
        What one is called.
    most
        How many may go on at once.
    """

    def __init__(self, name: str, most: int) -> None:
        self._name = name
        self._most = most
        self._all: dict[str, Examination[Result]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def all(self) -> list[Examination[Result]]:
        """Give those that go on, and the last that have ended."""
        return list(self._all.values())

    def get(self, id: str) -> Examination[Result] | None:
        """Give one; None where none of that id is remembered."""
        return self._all.get(id)

    def begin(self, uid: str, seconds: float, work: Work[Result]) -> Examination[Result]:
        """Begin to examine the stream of a uid.

        Raises
        ------
        SessionError
            Too many go on already.
        """
        going = [one for one in self._all.values() if one.state == "going"]
        if len(going) >= self._most:
            raise SessionError(
                f"{len(going)} {self._name}s go on, no more than {self._most} may; cancel one"
            )
        ended = [id_ for id_, one in self._all.items() if one.state != "going"]
        for id_ in ended[: max(0, len(ended) + 1 - _MOST_ENDED)]:
            del self._all[id_]
        made: Examination[Result] = Examination(
            f"{self._name}-{secrets.token_hex(4)}", uid, seconds
        )
        self._all[made.id] = made
        task = asyncio.create_task(_follow(made, work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return made

    def cancel(self, one: Examination[Result]) -> None:
        """End one; one that has ended stays as it is."""
        if one.state == "going":
            one.state = "cancelled"

    async def close(self) -> None:
        """End all."""
        for one in self._all.values():
            self.cancel(one)
        await asyncio.gather(*self._tasks)


class Looks(Examinations[list[Finding]]):
    """Looks at streams."""

    def __init__(self) -> None:
        super().__init__("look", MOST_LOOKS)

    def look(self, uid: str, seconds: float) -> Examination[list[Finding]]:
        """Begin to look at a stream; see `begin`."""
        return self.begin(uid, seconds, functools.partial(_look, uid, seconds))


class Checks(Examinations[Outcome]):
    """Guided checks of headsets on heads."""

    def __init__(self) -> None:
        super().__init__("check", MOST_CHECKS)

    def check(self, uid: str, flicker_hz: float | None, pace: float) -> Examination[Outcome]:
        """Begin to check a headset; see `begin`, and `steps` for the flicker and the pace."""
        seconds = sum(BEGIN_S + one.seconds for one in steps(flicker_hz, pace))
        return self.begin(uid, seconds, functools.partial(_check, uid, flicker_hz, pace))


async def _follow(one: Examination[Result], work: Work[Result]) -> None:
    """Have a process do the work; take what it says, until it is done, cancelled or too late."""
    if one.state != "going":
        return
    ours, theirs = forking.Pipe()
    process = forking.Process(
        target=_work, args=(theirs, work), name=f"volition-{one.id}", daemon=True
    )
    try:
        await asyncio.to_thread(process.start)
        theirs.close()
        deadline = time.monotonic() + one.seconds + _GRACE_S
        while one.state == "going":
            if ours.poll():
                one.take(ours.recv())
            elif time.monotonic() > deadline:
                one.fail("the process that examines the stream does not answer")
            else:
                await asyncio.sleep(_EVERY_S)
    except (EOFError, OSError):
        one.fail("the process that examines the stream died")
    finally:
        ours.close()
        if process.pid is not None:
            process.kill()
            await asyncio.to_thread(process.join)


def _work(pipe: Connection, work: Work[Any]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the gateway decides
    with contextlib.suppress(OSError):  # nobody listens any more
        try:
            pipe.send(("done", work(lambda step: pipe.send(("step", step)))))
        except VolitionError as error:
            pipe.send(("failed", error.message))


def _look(uid: str, seconds: float, began: Callable[[int], None]) -> list[Finding]:
    found = _stream_of(uid)
    began(0)
    return verdict(look_at(found, seconds))


def _check(
    uid: str, flicker_hz: float | None, pace: float, began: Callable[[int], None]
) -> Outcome:
    return check(_stream_of(uid), flicker_hz=flicker_hz, pace=pace, began=began)


def _stream_of(uid: str) -> StreamDescription:
    found = find_streams(uid=uid, wait_s=_FIND_S, minimum=1, details=False)
    if not found:
        raise StreamError(f"no stream of uid '{uid}' was found within {_FIND_S:g} s")
    return found[0]
