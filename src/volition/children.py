"""Processes that Volition starts: none imports or runs what lies in the current directory.

Python puts the current directory in front of everything else that ``-m`` and ``-c`` may import, so
a `numpy.py` there would run in each child. With ``-P`` (a safe path) it does not.

Where the system has what it takes, a process is forked from one that has loaded what it needs
(`volition.fork_server`): that takes milliseconds and a few megabytes where a Python of its own
takes half a second and ninety. Elsewhere, and where ``VOLITION_START`` says ``spawn``, or while
no fork server lives, each process is started anew.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import io
import multiprocessing.context
import multiprocessing.popen_fork
import os
import pickle
import signal
import socket
import sys
import threading
from collections.abc import Iterator, Sequence
from multiprocessing import reduction, spawn, util
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from typing import Any, ClassVar

from volition.fork_server import (
    Forked,
    ForkError,
    ForkServer,
    ForkServerDiedError,
    Given,
    can_fork,
    fork_server_anew,
    fork_server_here,
    one_thread_each,
)

#: ``fork`` or ``spawn``.
START_VARIABLE = "VOLITION_START"
#: A fork server tells the exit code of a child that has ended within this time.
_CODE_S = 2.0
#: What a child's exit code is where its fork server died first.
_UNKNOWN_CODE = 255


def python_module(module: str, *arguments: str) -> list[str]:
    """Give the command that runs a module in a Python like this one."""
    return [sys.executable, "-P", "-m", module, *arguments]


# -- started anew -------------------------------------------------------------------------------


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


# -- forked -------------------------------------------------------------------------------------


class _Own:
    """The fork server that this process started, if it did."""

    server: ClassVar[ForkServer | None] = None
    lock: ClassVar[threading.Lock] = threading.Lock()


def may_fork() -> bool:
    """Whether processes are forked on this system, as far as is known, and nobody forbade it."""
    return os.environ.get(START_VARIABLE, "fork") != "spawn" and can_fork()


def prepare_forks(shared: Sequence[str], further: Sequence[str] = ()) -> None:
    """Fork the fork server from this process; called before anything has made a thread.

    Where it cannot be, nothing happens: one is started anew when it is first needed.

    Parameters
    ----------
    shared
        Modules that this process and those that it starts need: loaded here, before the fork.
    further
        Modules that those alone need: loaded by the server.
    """
    one_thread_each()
    if may_fork():
        for name in shared:
            importlib.import_module(name)
        with contextlib.suppress(ForkError):
            _Own.server = fork_server_here(further)


def _fork(order: bytes, files: Sequence[int], modules: Sequence[str]) -> Forked:
    """Have a child forked, by a server that is started anew where there is none.

    Raises
    ------
    ForkError
        None can be, or may be.
    """
    if not may_fork():
        raise ForkError("processes are started anew here")
    if Given.server is not None:
        return Given.server.fork(order, files, modules)
    with _Own.lock:
        if _Own.server is None:
            _Own.server = fork_server_anew(python_module("volition.fork_server"))
        server = _Own.server
    try:
        return server.fork(order, files, modules)
    except ForkServerDiedError:
        with _Own.lock:
            if _Own.server is server:
                end_fork_server()
        raise


@atexit.register
def end_fork_server() -> None:
    """End this process's fork server, if it has one; what it forked runs on."""
    server, _Own.server = _Own.server, None
    if server is not None:
        server.close()


class _GivenFile:
    """A descriptor in a pickle on its way to a child."""

    def __init__(self, place: int) -> None:
        self._place = place

    def detach(self) -> int:
        """Give the descriptor, in the child."""
        return Given.files[self._place]


class _ForkedPopen(multiprocessing.popen_fork.Popen):
    """A process that a fork server forked, as ``multiprocessing`` holds it."""

    method = "fork server"
    DupFd = _GivenFile

    def __init__(self, process_obj: BaseProcess) -> None:
        self._files: list[int] = []
        super().__init__(process_obj)

    def duplicate_for_child(self, fd: int) -> int:
        self._files.append(fd)
        return len(self._files) - 1

    def _launch(self, process_obj: BaseProcess) -> None:
        outputs = _standard_outputs()
        self._files += outputs
        order = io.BytesIO()
        processors = os.sched_getaffinity(0)
        pickle.dump((dict(os.environ), processors, bool(outputs)), order)
        multiprocessing.context.set_spawning_popen(self)  # type: ignore[arg-type]  # typed for multiprocessing's own
        try:
            reduction.dump(spawn.get_preparation_data(process_obj.name), order)
            reduction.dump(process_obj, order)
        finally:
            multiprocessing.context.set_spawning_popen(None)
        module = str(getattr(getattr(process_obj, "_target", None), "__module__", ""))
        # Nobody knows what a module of others does when it is loaded.
        modules = [module] if module.startswith("volition.") else []
        forked = _fork(order.getvalue(), self._files, modules)
        self.pid, self.sentinel, self._told = forked
        self._told.settimeout(_CODE_S)
        self.finalizer = util.Finalize(self, _release, (self.sentinel, self._told))

    def poll(self, flag: int = os.WNOHANG) -> int | None:
        if self.returncode is None:
            if not wait([self.sentinel], 0 if flag == os.WNOHANG else None):
                return None
            self.returncode = self._code()
        return self.returncode

    def _code(self) -> int:
        try:
            return int(self._told.recv(64))
        except (OSError, ValueError):
            return _UNKNOWN_CODE

    def _send_signal(self, sig: int) -> None:
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.sentinel, sig)


def _release(sentinel: int, told: socket.socket) -> None:
    told.close()
    os.close(sentinel)


def _standard_outputs() -> list[int]:
    """Give the descriptors of standard output and error; none where one is closed."""
    try:
        for descriptor in (1, 2):
            os.fstat(descriptor)
    except OSError:
        return []
    return [1, 2]


class _ForkedProcess(_SafeProcess):
    @staticmethod
    def _Popen(process_obj: BaseProcess) -> Any:  # noqa: N802 - multiprocessing's name
        try:
            return _ForkedPopen(process_obj)
        except ForkError:
            return _SafeProcess._Popen(process_obj)  # noqa: SLF001 - of this module


class _SafeFork(_SafeSpawn):
    Process = _ForkedProcess


forking = _SafeFork()
"""To be used as `spawning`: forks where that can be done, and starts anew elsewhere."""
