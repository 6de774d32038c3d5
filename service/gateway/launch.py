"""A service in a process of its own, for whoever needs one for a while."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from typing import IO, NamedTuple

from volition.children import python_module
from volition.errors import SessionError


class RunningService(NamedTuple):
    """Where it listens, and its process."""

    url: str
    pid: int


@contextlib.contextmanager
def running_service(
    *arguments: str,
    env: Mapping[str, str] | None = None,
    stderr: IO[str] | None = None,
    started_by: Sequence[str] = (),
) -> Iterator[RunningService]:
    """Run ``volition serve`` on a free port in a process of its own, while the block lasts.

    Parameters
    ----------
    *arguments
        Further arguments of ``volition serve``.
    env
        Further environment variables.
    stderr
        Where its log goes; to this process's stderr when left out.
    started_by
        A command that runs another in its own place, as ``nice`` does, and its arguments.

    Raises
    ------
    SessionError
        It ended before it was ready; why is on stderr.
    """
    # Tokens of this user are none of its business: it serves whoever starts it.
    environment = {k: v for k, v in os.environ.items() if k != "VOLITION_TOKEN"}
    process = subprocess.Popen(
        [
            *started_by,
            *python_module("volition.service.cli", "serve"),
            *("--port", "0", "--json", "--log-level", "warning", "--tokens", os.devnull),
            "--end-with-stdin",
            *arguments,
        ],
        env=environment | dict(env or {}),
        stdin=subprocess.PIPE,  # closed by the system should this process be killed
        stderr=stderr,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        line = process.stdout.readline()
        if not line:
            raise SessionError(f"the service ended at once, with exit code {process.wait()}")
        yield RunningService(json.loads(line)["url"], process.pid)
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()
        process.stdin.close()
