"""The processes of workers: one is always ready, so that a session starts without a wait.

A worker imports all that it needs before it gets its order. That takes about a second, which a
session, or its next worker after a crash, does not wait for when a spare one stands ready.
"""

from __future__ import annotations

import asyncio
import os
import socket
from multiprocessing.process import BaseProcess
from typing import NamedTuple

from volition.children import spawning
from volition.service.worker.bus import local_pair
from volition.service.worker.process import run_worker

_KILL_S = 0.5

# One thread each: several workers share the machine, and small products gain nothing from more.
_ONE_THREAD = (
    "OPENBLAS_NUM_THREADS",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


class WorkerProcess(NamedTuple):
    """A worker that waits for its order, and the gateway's end of its bus."""

    process: BaseProcess
    sock: socket.socket


class SpareWorker:
    """At most one worker process that waits for its order."""

    def __init__(self) -> None:
        self._starting: asyncio.Task[WorkerProcess] | None = None

    def prepare(self) -> None:
        """Start the worker that the next session will take."""
        if self._starting is None:
            self._starting = asyncio.create_task(asyncio.to_thread(_start_process))

    async def take(self) -> WorkerProcess:
        """Give the spare worker, if it lives, or a new one."""
        starting, self._starting = self._starting, None
        if starting is not None:
            spare = await starting
            if spare.process.is_alive():
                return spare
            spare.sock.close()
        return await asyncio.to_thread(_start_process)

    async def end(self) -> None:
        """End the spare worker; it has nothing to close."""
        if self._starting is not None:
            spare = await self._starting
            spare.process.kill()
            spare.sock.close()
            await asyncio.to_thread(end_process, spare.process)


def _start_process() -> WorkerProcess:
    for name in _ONE_THREAD:
        os.environ.setdefault(name, "1")
    ours, theirs = local_pair()
    process = spawning.Process(
        target=run_worker, args=(theirs,), name="volition-worker", daemon=True
    )
    process.start()
    theirs.close()
    return WorkerProcess(process, ours)


def end_process(process: BaseProcess) -> int | None:
    """Wait for a process whose bus is closed, kill it if it takes too long; give its exit code."""
    process.join(_KILL_S)
    if process.exitcode is None:
        process.kill()
        process.join()
    exitcode = process.exitcode
    process.close()
    return exitcode
