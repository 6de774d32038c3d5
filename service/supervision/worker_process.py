"""The processes of workers, which start without a wait.

Where processes are forked a worker has loaded all that it needs from the first. Where each is
started anew, that takes about a second, which a session, or its next worker after a crash, does not
wait for: a spare one stands ready.
"""

from __future__ import annotations

import asyncio
import socket
from multiprocessing.process import BaseProcess
from typing import NamedTuple

from volition.children import forking, may_fork
from volition.fork_server import one_thread_each
from volition.service.worker.bus import local_pair
from volition.service.worker.process import run_worker

_KILL_S = 0.5


class WorkerProcess(NamedTuple):
    """A worker that waits for its order, and the gateway's end of its bus."""

    process: BaseProcess
    sock: socket.socket


class SpareWorker:
    """At most one worker process that waits for its order; none where one is forked at once."""

    def __init__(self) -> None:
        self._starting: asyncio.Task[WorkerProcess] | None = None

    def prepare(self) -> None:
        """Start the worker that the next session will take, where a start takes long."""
        if self._starting is None and not may_fork():
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
            try:
                spare = await self._starting
            except OSError:
                return  # it could not be started
            spare.process.kill()
            spare.sock.close()
            await asyncio.to_thread(end_process, spare.process)
            spare.process.close()


def _start_process() -> WorkerProcess:
    one_thread_each()
    ours, theirs = local_pair()
    process = forking.Process(
        target=run_worker, args=(theirs,), name="volition-worker", daemon=True
    )
    try:
        process.start()
    except OSError:
        ours.close()
        raise
    finally:
        theirs.close()
    return WorkerProcess(process, ours)


def end_process(process: BaseProcess) -> int | None:
    """Wait for a process whose bus is closed, kill it if it takes too long; give its exit code."""
    process.join(_KILL_S)
    if process.exitcode is None:
        process.kill()
        process.join()
    return process.exitcode
