"""Processes that Volition starts: none imports or runs what lies in the current directory.

Python puts the current directory in front of everything else that ``-m`` and ``-c`` may import, so
a `numpy.py` there would run in each child. With ``-P`` (a safe path) it does not.
"""

from __future__ import annotations

import contextlib
import multiprocessing.context
import os
import sys
import threading
from collections.abc import Iterator
from multiprocessing.process import BaseProcess
from typing import Any


def python_module(module: str, *arguments: str) -> list[str]:
    """Give the command that runs a module in a Python like this one."""
    return [sys.executable, "-P", "-m", module, *arguments]


class _SafeProcess(multiprocessing.context.SpawnProcess):
    @staticmethod
    def _Popen(process_obj: BaseProcess) -> Any:  # noqa: N802 - multiprocessing's name
        with _safe_path():
            return multiprocessing.context.SpawnProcess._Popen(process_obj)  # noqa: SLF001 - the one place where a start can be told of its path


class _SafeSpawn(multiprocessing.context.SpawnContext):
    """Starts processes anew, as ``spawn`` does, with a safe path."""

    Process = _SafeProcess


spawning = _SafeSpawn()
"""To be used as what ``multiprocessing.get_context("spawn")`` gives."""


_one_start = threading.Lock()


@contextlib.contextmanager
def _safe_path() -> Iterator[None]:
    """Have the children that are started in the block take a safe path; one thread at a time."""
    with _one_start:
        before = os.environ.get("PYTHONSAFEPATH")
        os.environ["PYTHONSAFEPATH"] = "1"
        try:
            yield
        finally:
            if before is None:
                del os.environ["PYTHONSAFEPATH"]
            else:
                os.environ["PYTHONSAFEPATH"] = before
