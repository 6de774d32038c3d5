"""Open files: how many connections there may be, with enough kept back for workers and stops.

A connection takes a descriptor, and so do a worker, its bus and a file that is read for a moment.
Most systems allow a thousand to begin with, and more on request. Where the request is refused,
connections are refused before descriptors run out, so that a worker can be started at any
time, and an emergency stop is heard.
"""

from __future__ import annotations

import sys

import structlog

from volition.service.gateway.http import SPARE

log = structlog.get_logger()

_WANTED = 65_536
#: Descriptors of the service itself, and of files that are open for a moment.
_OWN = 96
#: A worker's bus, its process, the pipes that it is started by, and the stop word and its mapping.
_PER_SESSION = 6
#: Where the system has no such limit.
_UNLIMITED = 16_384


def most_connections(max_sessions: int) -> int:
    """Ask for as many open files as are allowed; give how many connections these are enough for."""
    files = _raise_limit()
    n = max(16, min(_UNLIMITED, files - _OWN - SPARE - _PER_SESSION * max_sessions))
    log.info("open files", allowed=files, connections=n)
    return n


def _raise_limit() -> int:
    if sys.platform == "win32":
        return _UNLIMITED
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _WANTED if hard == resource.RLIM_INFINITY else min(_WANTED, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
        except (ValueError, OSError):  # macOS allows less than it says
            log.info("the limit of open files stays", allowed=soft)
    return _UNLIMITED if soft == resource.RLIM_INFINITY else soft
