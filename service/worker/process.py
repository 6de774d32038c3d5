"""The process of a session's worker: it waits for its order, runs it, and tells when it crashes."""

from __future__ import annotations

import contextlib
import importlib
import signal
import socket
import sys
import traceback
from typing import Any

from volition.errors import LslMissingError
from volition.service.worker.bus import LocalWorkerEnd, WorkerEnd
from volition.service.worker.loop import Worker, WorkerOrder
from volition.streams import lsl


def run_worker(sock: socket.socket) -> None:
    """Be a worker until told to stop, until the gateway is gone, or until it cannot go on.

    The first command on the bus is the `WorkerOrder`; it may come long after the process started.
    """
    # Ctrl-C reaches the whole terminal; the gateway decides when a worker ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    link = LocalWorkerEnd(sock)
    first = _await_commands(link)
    if not first:
        return
    worker = Worker(link, WorkerOrder(**first[0]["order"]), first[1:])
    signal.signal(signal.SIGTERM, lambda *_: worker.end())
    try:
        with contextlib.closing(worker):
            worker.run()
    except Exception as error:  # noqa: BLE001 - the process's outermost loop: report, then end
        traceback.print_exc()
        worker.report_crash(error)
        link.close(timeout_s=0.5)
        sys.exit(1)
    link.close(timeout_s=0.5)


def _await_commands(link: WorkerEnd) -> list[dict[str, Any]]:
    """Load what every session needs, then wait for commands; none when the gateway goes."""
    # The rest of scipy is loaded at first use, which the gateway never comes to.
    importlib.import_module("scipy.signal")
    importlib.import_module("volition.service.worker.recorder")
    with contextlib.suppress(LslMissingError):  # told when a session asks for it
        lsl.load()
    commands: list[dict[str, Any]] = []
    while not commands and not link.closed:
        commands = link.commands(timeout_s=60.0)
    return commands
