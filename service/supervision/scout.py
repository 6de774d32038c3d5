"""Discovery in a process apart, so that whatever liblsl does there cannot end the gateway.

The process waits on a pipe whose other end only the gateway holds: however the gateway ends, the
pipe closes and the process with it.
"""

from __future__ import annotations

import asyncio
import signal
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from volition.children import spawning
from volition.errors import StreamError, VolitionError
from volition.streams.lsl.discovery import find_streams

#: A search may take this much longer than it was asked to look; the first also starts the process.
_GRACE_S = 20.0


class Scout:
    """Looks for streams on request; its process starts with the first."""

    def __init__(self) -> None:
        self._process: BaseProcess | None = None
        self._pipe: Connection | None = None
        self._one_at_a_time = asyncio.Lock()

    async def look(self, *, type: str | None, wait_s: float) -> list[dict[str, Any]]:
        """Give the streams that are there, as `StreamDescription.to_dict` does.

        Raises
        ------
        LslMissingError, StreamError
            liblsl is missing, or its process died or hung while it looked.
        """
        async with self._one_at_a_time:
            return await asyncio.to_thread(self._ask, type, wait_s)

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process = None

    def _ask(self, type: str | None, wait_s: float) -> list[dict[str, Any]]:
        try:
            pipe = self._start()
            pipe.send((type, wait_s))
            if not pipe.poll(wait_s + _GRACE_S):
                self.close()
                raise StreamError("the process that looks for streams did not answer; ask again")
            answer: list[dict[str, Any]] | VolitionError = pipe.recv()
        except (EOFError, ConnectionError):
            self.close()
            raise StreamError("the process that looks for streams died; ask again") from None
        if isinstance(answer, VolitionError):
            raise answer
        return answer

    def _start(self) -> Connection:
        if self._process is None or self._pipe is None:
            self._pipe, theirs = spawning.Pipe()
            self._process = spawning.Process(
                target=_serve, args=(theirs,), name="volition-scout", daemon=True
            )
            self._process.start()
            theirs.close()
        return self._pipe


def _serve(pipe: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the gateway decides
    while True:
        try:
            type_, wait_s = pipe.recv()
        except EOFError:
            return
        try:
            pipe.send([stream.to_dict() for stream in find_streams(type=type_, wait_s=wait_s)])
        except VolitionError as error:
            pipe.send(error)
