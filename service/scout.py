"""Discovery in a process apart, so that whatever liblsl does there cannot end the gateway."""

from __future__ import annotations

import asyncio
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from streams.discovery import find_streams
from streams.errors import StreamError


class Scout:
    """Looks for streams on request; its process starts with the first."""

    def __init__(self) -> None:
        self._pool: ProcessPoolExecutor | None = None

    async def look(self, *, type: str | None, wait_s: float) -> list[dict[str, Any]]:
        """Give the streams that are there, as `StreamDescription.to_dict` does.

        Raises
        ------
        LslMissingError, StreamError
            liblsl is missing, or its process died while it looked.
        """
        if self._pool is None:
            self._pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, _look, type, wait_s)
        except BrokenProcessPool:
            self._pool = None
            raise StreamError("the process that looks for streams died; ask again") from None

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)


def _look(type: str | None, wait_s: float) -> list[dict[str, Any]]:
    return [stream.to_dict() for stream in find_streams(type=type, wait_s=wait_s)]
