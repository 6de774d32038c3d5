"""What the service writes to stderr: structured lines, and with ``--json`` nothing but JSON.

Python's own logging (the web server's) goes through the same processors as ours. What liblsl and
the interpreter write goes past both, from this process and its children: with ``--json`` stderr is
therefore a pipe, and each line that comes through it is made JSON before it goes out.
"""

from __future__ import annotations

import atexit
import datetime as dt
import json
import logging
import os
import re
import sys
import threading
from typing import TextIO

import structlog

#: How liblsl marks the level of a line: "... udp_server.cpp:88   WARN| ...".
_LIBLSL_LEVEL = re.compile(r"\b(ERR|WARN|INFO|FATAL)\|")
_LEVELS = {"ERR": "error", "FATAL": "error", "WARN": "warning", "INFO": "info"}
#: For what is still in the pipe when the process ends, in seconds.
_DRAIN_S = 0.5


def configure_logging(level: str, *, json: bool) -> None:
    """Send structured logs to stderr, as JSON lines or for a terminal."""
    stderr = _divert() if json else sys.stderr
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if json
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    processors: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*processors, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(stderr),
    )
    handler = logging.StreamHandler(stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=processors,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)


def _divert() -> TextIO:
    """Put a pipe in the place of stderr, for this process and its children; give the true one."""
    true = os.fdopen(os.dup(2), "w", buffering=1, encoding="utf-8")
    reader, writer = os.pipe()
    os.dup2(writer, 2)
    os.close(writer)
    thread = threading.Thread(target=_forward, args=(reader, true), daemon=True)
    thread.start()

    def give_back() -> None:
        sys.stderr.flush()
        os.dup2(true.fileno(), 2)  # the pipe ends when the children have, too
        thread.join(_DRAIN_S)

    atexit.register(give_back)
    return true


def _forward(reader: int, true: TextIO) -> None:
    with os.fdopen(reader, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if line.strip():
                true.write(as_json_line(line.rstrip("\n")) + "\n")


def as_json_line(line: str) -> str:
    """Give a line as JSON, or as it is where it is a JSON object."""
    try:
        if isinstance(json.loads(line), dict):
            return line
    except ValueError:
        pass
    found = _LIBLSL_LEVEL.search(line)
    entry = {
        "event": line,
        "level": _LEVELS[found[1]] if found else "warning",
        "logger": "liblsl" if found else "stderr",
        "timestamp": dt.datetime.now(dt.UTC).isoformat(),
    }
    return json.dumps(entry, ensure_ascii=False)
