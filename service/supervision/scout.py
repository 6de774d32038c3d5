"""Discovery in a process apart, so that whatever liblsl does there cannot end the gateway.

Searches run side by side there. Their number is limited, and that of long ones more closely, so
that a short one finds room whatever else is looked for; more are refused.

The process waits on a pipe whose other end only the gateway holds: however the gateway ends, the
pipe closes and the process with it.
"""

from __future__ import annotations

import asyncio
import itertools
import signal
import threading
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from volition.children import forking
from volition.errors import StreamError, VolitionError
from volition.streams.lsl.discovery import find_streams

#: A search may take this much longer than it was asked to look; the first also starts the process.
_GRACE_S = 20.0
_MOST_SEARCHES, _MOST_LONG_SEARCHES = 16, 6
_LONG_S = 2.0

_Found = list[dict[str, Any]]


class Scout:
    """Looks for streams on request; its process starts with the first."""

    def __init__(self) -> None:
        self._process: BaseProcess | None = None
        self._pipe: Connection | None = None
        self._starting = asyncio.Lock()
        self._numbers = itertools.count()
        self._asked: dict[int, tuple[float, asyncio.Future[_Found]]] = {}

    async def look(self, *, type: str | None, wait_s: float) -> _Found:
        """Give the streams that are there, as `StreamDescription.to_dict` does.

        Raises
        ------
        LslMissingError, StreamError
            liblsl is missing, its process died or hung while it looked, or too many look already.
        """
        self._refuse_too_many(wait_s)
        number = next(self._numbers)
        future: asyncio.Future[_Found] = asyncio.get_running_loop().create_future()
        self._asked[number] = wait_s, future
        try:
            async with self._starting:
                pipe = await self._start()
            pipe.send((number, type, wait_s))
            return await asyncio.wait_for(future, wait_s + _GRACE_S)
        except TimeoutError:
            self.close()
            raise StreamError(
                "the process that looks for streams did not answer; ask again"
            ) from None
        except OSError:
            self.close()
            raise StreamError("the process that looks for streams died; ask again") from None
        finally:
            del self._asked[number]

    def _refuse_too_many(self, wait_s: float) -> None:
        n_long = sum(asked_s > _LONG_S for asked_s, _ in self._asked.values())
        if wait_s > _LONG_S and n_long >= _MOST_LONG_SEARCHES:
            raise StreamError(
                f"{n_long} searches of more than {_LONG_S:g} s run already; ask for less, or later"
            )
        if len(self._asked) >= _MOST_SEARCHES:
            raise StreamError(f"{len(self._asked)} searches run already; ask again later")

    def close(self) -> None:
        """End the process; who waits for it is told."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process = self._pipe = None

    async def _start(self) -> Connection:
        if self._process is None or self._pipe is None or not self._process.is_alive():
            self._pipe, theirs = forking.Pipe()
            self._process = forking.Process(
                target=_serve, args=(theirs,), name="volition-scout", daemon=True
            )
            await asyncio.to_thread(self._process.start)
            theirs.close()
            threading.Thread(
                target=self._listen, args=(self._pipe, asyncio.get_running_loop()), daemon=True
            ).start()
        return self._pipe

    def _listen(self, pipe: Connection, loop: asyncio.AbstractEventLoop) -> None:
        """Hand on what the process finds, until it ends; in a thread of its own."""
        while True:
            try:
                number, answer = pipe.recv()
            except (EOFError, OSError):
                pipe.close()
                answer = StreamError("the process that looks for streams died; ask again")
                _on_loop(loop, self._answer_all, answer)
                return
            if not _on_loop(loop, self._answer, number, answer):
                return

    def _answer(self, number: int, answer: _Found | VolitionError) -> None:
        _, future = self._asked.get(number, (0.0, None))
        if future is None or future.done():
            return
        if isinstance(answer, VolitionError):
            future.set_exception(answer)
        else:
            future.set_result(answer)

    def _answer_all(self, error: VolitionError) -> None:
        for number in self._asked:
            self._answer(number, error)


def _on_loop(loop: asyncio.AbstractEventLoop, call: Any, *arguments: Any) -> bool:
    """Have a call made on a loop; false where the loop has ended."""
    try:
        loop.call_soon_threadsafe(call, *arguments)
    except RuntimeError:
        return False
    return True


def _serve(pipe: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the gateway decides
    one_at_a_time = threading.Lock()

    def look(number: int, type_: str | None, wait_s: float) -> None:
        answer: _Found | VolitionError
        try:
            answer = [stream.to_dict() for stream in find_streams(type=type_, wait_s=wait_s)]
        except VolitionError as error:
            answer = error
        with one_at_a_time:
            pipe.send((number, answer))

    while True:
        try:
            asked = pipe.recv()
        except EOFError:
            return
        threading.Thread(target=look, args=asked, daemon=True).start()
