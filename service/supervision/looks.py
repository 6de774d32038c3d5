"""Looks at single streams, for half a minute or so each, in processes apart.

Each look has a process of its own: whatever liblsl or a stream does there ends nothing else, and to
cancel one is to end its process, which also ends by itself when the gateway does.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, Literal

from volition.children import forking
from volition.errors import SessionError, StreamError, VolitionError
from volition.streams.lsl.discovery import find_streams
from volition.streams.lsl.look import look_at
from volition.streams.lsl.verdict import Finding, verdict

#: Most looks at once, and most ended ones that are remembered.
MOST_LOOKS, _MOST_ENDED = 3, 20
_FIND_S = 3.0
#: Beyond its time a look may take this much for its process to start, and for the stream to open.
_GRACE_S = 30.0
_EVERY_S = 0.05

State = Literal["looking", "done", "failed", "cancelled"]


@dataclass(eq=False)
class Look:
    """One look.

    Attributes
    ----------
    id, uid, seconds
        Its name, and at which stream it looks for how long.
    state
        How it stands.
    detail
        Why it failed.
    findings
        What was found, once it is done.
    """

    id: str
    uid: str
    seconds: float
    state: State = "looking"
    detail: str = ""
    findings: list[Finding] = field(default_factory=list)
    _process: BaseProcess | None = None
    _began: float | None = None

    @property
    def progress(self) -> float:
        """Share of its time which has passed."""
        if self.state == "done":
            return 1.0
        passed_s = 0.0 if self._began is None else time.monotonic() - self._began
        return min(1.0, passed_s / self.seconds)


class Looks:
    """The looks of this service, the newest last."""

    def __init__(self) -> None:
        self._looks: dict[str, Look] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def all(self) -> list[Look]:
        """Give those that look, and the last that have ended."""
        return list(self._looks.values())

    def get(self, id: str) -> Look | None:
        """Give one; None where none of that id is remembered."""
        return self._looks.get(id)

    def begin(self, uid: str, seconds: float) -> Look:
        """Begin to look at the stream of a uid.

        Raises
        ------
        SessionError
            Too many look already.
        """
        going = [one for one in self._looks.values() if one.state == "looking"]
        if len(going) >= MOST_LOOKS:
            raise SessionError(
                f"{len(going)} looks go on, no more than {MOST_LOOKS} may; cancel one"
            )
        ended = [id_ for id_, one in self._looks.items() if one.state != "looking"]
        for id_ in ended[: max(0, len(ended) + 1 - _MOST_ENDED)]:
            del self._looks[id_]
        look = Look(f"look-{secrets.token_hex(4)}", uid, seconds)
        self._looks[look.id] = look
        task = asyncio.create_task(_follow(look))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return look

    def cancel(self, look: Look) -> None:
        """End one; one that has ended stays as it is."""
        if look.state == "looking":
            look.state = "cancelled"

    async def close(self) -> None:
        """End all."""
        for look in self._looks.values():
            self.cancel(look)
        await asyncio.gather(*self._tasks)


async def _follow(look: Look) -> None:
    """Have a process look; take what it says, until it is done, cancelled or too late."""
    if look.state != "looking":
        return
    ours, theirs = forking.Pipe()
    process = forking.Process(
        target=_look, args=(theirs, look.uid, look.seconds), name="volition-look", daemon=True
    )
    try:
        await asyncio.to_thread(process.start)
        theirs.close()
        deadline = time.monotonic() + look.seconds + _GRACE_S
        while look.state == "looking":
            if ours.poll():
                _take(look, ours.recv())
            elif time.monotonic() > deadline:
                _fail(look, "the process that looks does not answer")
            else:
                await asyncio.sleep(_EVERY_S)
    except (EOFError, OSError):
        _fail(look, "the process that looks died")
    finally:
        ours.close()
        if process.pid is not None:
            process.kill()
            await asyncio.to_thread(process.join)


def _take(look: Look, said: float | list[Finding] | VolitionError) -> None:
    if isinstance(said, VolitionError):
        _fail(look, said.message)
    elif isinstance(said, list):
        look.findings, look.state = said, "done"
    else:
        look._began = time.monotonic()  # noqa: SLF001 - of this module


def _fail(look: Look, why: str) -> None:
    if look.state == "looking":
        look.state, look.detail = "failed", why


def _look(pipe: Connection, uid: str, seconds: float) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the gateway decides
    with contextlib.suppress(OSError):  # nobody listens any more
        try:
            pipe.send(_seen(uid, seconds, lambda: pipe.send(0.0)))
        except VolitionError as error:
            pipe.send(error)


def _seen(uid: str, seconds: float, on_begin: Callable[[], Any]) -> list[Finding]:
    found = find_streams(uid=uid, wait_s=_FIND_S, minimum=1, details=False)
    if not found:
        raise StreamError(f"no stream of uid '{uid}' was found within {_FIND_S:g} s")
    on_begin()
    return verdict(look_at(found[0], seconds))
