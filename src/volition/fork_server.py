"""A process from which others are forked: what they need is loaded once, and shared.

    starter ──request: a socket, the order, descriptors──> fork server ──fork──> child
       ^──────────── its pid, a pidfd, later its exit code ─────┘

A child starts in milliseconds, and pages of what was loaded before the fork count once for all. The
server has one thread and uses no library that starts any: it loads modules and forks. A module that
starts a thread when it is imported ends that (`ForkError`), for a lock that such a thread holds
would stay locked in the child for ever. Whoever starts processes then spawns them.

It is forked from the starter itself, before that has threads, so that both share what they have
loaded (`fork_server_here`), or else started anew (`fork_server_anew`). Sockets that nobody can find
by name are the only way to it. It ends when the starter does, however that ends: the other end of a
pipe is then closed. Its own death touches none of its children: a starter watches, and can kill, a
child by its pidfd, and only the exit code is lost.

The standard library's ``forkserver`` cannot share with its starter, reports children as ended when
the server dies, and starts a third process to watch.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import pickle
import select
import signal
import socket
import sys
from collections.abc import Sequence
from multiprocessing import spawn, util
from pathlib import Path
from typing import ClassVar, NamedTuple

from volition.errors import VolitionError

#: Most descriptors that a child is given; Linux passes no more at once.
MOST_FILES = 240
#: How long a server that dies with its starter is waited for.
_END_S = 2.0
_REQUEST_BYTES = 65536

#: One thread each: small products gain nothing from more, and the threads that a library made
#: before a fork are not there after it.
_ONE_THREAD = (
    "OPENBLAS_NUM_THREADS",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


def one_thread_each() -> None:
    """Have libraries that are loaded from now on, here and in children, make no threads."""
    for name in _ONE_THREAD:
        os.environ.setdefault(name, "1")


class Given:
    """What this process was given when it was forked, if it was."""

    files: ClassVar[list[int]] = []
    """Descriptors."""
    server: ClassVar[ForkServer | None] = None
    """The way to the server that forked it."""


class ForkError(VolitionError):
    """No process can be forked."""

    code = "fork"


class ForkServerDiedError(ForkError):
    """The fork server is not there any more."""


class Forked(NamedTuple):
    """A child: its pid, the descriptor that watches it, and the socket that tells its exit code."""

    pid: int
    pidfd: int
    told: socket.socket


class ForkServer:
    """The way to a fork server.

    Parameters
    ----------
    requests
        Where requests go; many processes and threads may share it.
    alive, pid
        What the server's life hangs on, and its pid; None where it is another's child.
    """

    def __init__(
        self, requests: socket.socket, alive: int | None = None, pid: int | None = None
    ) -> None:
        self._requests = requests
        self._alive = alive
        self._pid = pid

    @property
    def is_ours(self) -> bool:
        """Whether this process started it."""
        return self._pid is not None

    def fork(self, order: bytes, files: Sequence[int], modules: Sequence[str]) -> Forked:
        """Have a child forked.

        Parameters
        ----------
        order
            What it is to do: pickles of its environment and processors, of how
            ``multiprocessing`` prepares a process, and of the process.
        files
            Descriptors for it, which stay open here.
        modules
            What it needs, to be loaded before.

        Raises
        ------
        ForkServerDiedError
            It is gone.
        ForkError
            It cannot fork.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, os.fdopen(os.memfd_create("order"), "wb", buffering=0) as file:
            file.write(order)
            file.seek(0)
            try:
                sent = json.dumps(modules).encode()
                passed = [theirs.fileno(), file.fileno(), *files]
                socket.send_fds(self._requests, [sent], passed)
            except OSError as error:
                ours.close()
                raise ForkServerDiedError(f"the fork server died: {error}") from error
        with contextlib.ExitStack() as unless_forked:
            unless_forked.enter_context(ours)
            said, files_of_child = _receive(ours, 1)
            if not said:
                raise ForkServerDiedError("the fork server died")
            answer = json.loads(said)
            if isinstance(answer, str):
                raise ForkError(answer)
            unless_forked.pop_all()
            return Forked(answer, files_of_child[0], ours)

    def close(self) -> None:
        """End the server, if it is ours; what it forked runs on."""
        self._requests.close()
        if self._alive is not None:
            os.close(self._alive)
        if self._pid is not None:
            _await_end(self._pid)
        self._alive = self._pid = None


def _await_end(pid: int) -> None:
    """Wait for a child that is to end; kill it if it takes too long."""
    with contextlib.suppress(ProcessLookupError, ChildProcessError):  # somebody waited for it
        watch = os.pidfd_open(pid)
        poll = select.poll()
        poll.register(watch, select.POLLIN)
        if not poll.poll(1000 * _END_S):
            os.kill(pid, signal.SIGKILL)
        os.close(watch)
        os.waitpid(pid, 0)


def can_fork() -> bool:
    """Whether this system has what is needed."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError:  # forbidden, as in some containers
        return False
    return True


def has_one_thread() -> bool:
    """Whether this process has no thread but the one that asks, of whatever library."""
    return len(list(Path("/proc/self/task").iterdir())) == 1


def fork_server_here(modules: Sequence[str]) -> ForkServer:
    """Fork a server from this process, which has a single thread yet.

    Parameters
    ----------
    modules
        What the server loads before it is first asked, beyond what is loaded here.

    Raises
    ------
    ForkError
        There are several threads.
    """
    if not has_one_thread():
        raise ForkError("this process has several threads already")
    asked, requests = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ends, alive = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    gc.collect()
    gc.freeze()
    pid = os.fork()
    if pid == 0:
        os.close(alive)
        _be_server(_Server(asked, requests, ends), modules)
    asked.close()
    os.close(ends)
    return ForkServer(requests, alive, pid)


def fork_server_anew(command: Sequence[str]) -> ForkServer:
    """Start a server in a Python of its own, by the command that runs this module."""
    asked, requests = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ends, alive = os.pipe()
    passed = [asked.fileno(), requests.fileno(), ends]
    pid = util.spawnv_passfds(os.fsencode(command[0]), [*command, *map(str, passed)], passed)
    asked.close()
    os.close(ends)
    return ForkServer(requests, alive, pid)


# -- the server ---------------------------------------------------------------------------------


class _Server:
    """What the server's process holds.

    Parameters
    ----------
    asked, requests
        Where requests come from; the end that they are sent into is given to children.
    ends
        Closed at its other end when the starter has ended.
    """

    def __init__(self, asked: socket.socket, requests: socket.socket, ends: int) -> None:
        self._asked = asked
        self._requests = requests
        self._ends = ends
        self._children: dict[int, Forked] = {}
        self._refuses = ""

    def serve(self, modules: Sequence[str]) -> None:
        """Fork what is asked for, and tell how it ended, until the starter ends."""
        self._load(modules)
        poll = select.poll()
        poll.register(self._asked, select.POLLIN)
        poll.register(self._ends, select.POLLIN)
        while True:
            for descriptor, _ in poll.poll():
                if descriptor == self._ends:
                    return
                if descriptor == self._asked.fileno():
                    child = self._answer()
                    if child is not None:
                        poll.register(child.pidfd, select.POLLIN)
                else:
                    poll.unregister(descriptor)
                    self._tell_end(self._children.pop(descriptor))

    def _load(self, modules: Sequence[str]) -> None:
        """Load modules, unless they are; from then on refuse to fork if that made a thread."""
        missing = [name for name in modules if name not in sys.modules]
        for name in missing:
            with contextlib.suppress(Exception):  # the child meets it too, and says so
                importlib.import_module(name)
        if missing or not gc.get_freeze_count():
            gc.collect()
            gc.freeze()
        if not has_one_thread():
            self._refuses = f"what was loaded has started a thread: {', '.join(modules)}"

    def _answer(self) -> Forked | None:
        said, (told, order, *files) = _receive(self._asked, 2 + MOST_FILES)
        channel = socket.socket(fileno=told)
        try:
            self._load(json.loads(said))
            if self._refuses:
                raise ForkError(self._refuses)
            pid = os.fork()
        except (ForkError, OSError) as error:
            _say(channel, str(error))
            channel.close()
            return None
        else:
            if pid == 0:
                self._be_child(channel, order, files)
            child = Forked(pid, os.pidfd_open(pid), channel)
            self._children[child.pidfd] = child
            _say(channel, pid, child.pidfd)
            return child
        finally:
            for descriptor in (order, *files):
                os.close(descriptor)

    def _tell_end(self, child: Forked) -> None:
        _, status = os.waitpid(child.pid, 0)
        _say(child.told, os.waitstatus_to_exitcode(status))
        child.told.close()
        os.close(child.pidfd)

    def _be_child(self, channel: socket.socket, order: int, files: list[int]) -> None:
        """Be a child, in the process that was just forked; it never returns."""
        code = 1
        try:
            for owned in (self._asked, channel, *(one.told for one in self._children.values())):
                owned.close()
            for descriptor in (self._ends, *self._children):
                os.close(descriptor)
            Given.files[:] = files
            signal.signal(signal.SIGINT, signal.default_int_handler)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            gc.enable()
            code = _obey(order, self._requests)
        except BaseException as error:  # noqa: BLE001 - the process's outermost: nothing may come back into the server's loop
            sys.excepthook(type(error), error, error.__traceback__)
        finally:
            with contextlib.suppress(Exception):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)


def _obey(order: int, requests: socket.socket) -> int:
    """Do what the order says; give the exit code."""
    with os.fdopen(order, "rb") as file:
        # Written by the starter, of which this process is a copy.
        environment, processors, has_output = pickle.load(file)  # noqa: S301 - as said
        for standard in (1, 2) if has_output else ():
            os.dup2(Given.files[standard - 1], standard)
            os.close(Given.files[standard - 1])
        _become(environment, processors)
        Given.server = ForkServer(requests)
        spawn.prepare(pickle.load(file))  # noqa: S301 - as said
        process = pickle.load(file)  # noqa: S301 - as said
    name_process(process.name)
    return int(process._bootstrap())  # noqa: SLF001 - what multiprocessing's own starts call


def _become(environment: dict[str, str], processors: set[int]) -> None:
    """Take what a spawned process would inherit, and give up what none would."""
    if environment != os.environ:
        os.environ.clear()
        os.environ.update(environment)
    with contextlib.suppress(OSError):  # one of them was switched off meanwhile
        os.sched_setaffinity(0, processors)
    if "numpy.random" in sys.modules:
        sys.modules["numpy.random"].seed()


def _be_server(server: _Server, modules: Sequence[str]) -> None:
    """Be a server until the starter ends; it never returns."""
    code = 1
    try:
        # Signals for the whole group: the starter decides, and its end is the server's.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        gc.disable()
        name_process("volition-forks")
        server.serve(modules)
        code = 0
    except BaseException as error:  # noqa: BLE001 - the process's outermost: nothing may come back into the starter's code
        sys.excepthook(type(error), error, error.__traceback__)
    finally:
        os._exit(code)


def name_process(name: str) -> None:
    """Give this process a name that ``ps`` and ``top`` show, of 15 characters at most."""
    with contextlib.suppress(OSError):
        Path("/proc/self/comm").write_text(name[:15], encoding="utf-8")


# -- messages with descriptors ------------------------------------------------------------------


def _say(channel: socket.socket, answer: int | str, file: int | None = None) -> None:
    with contextlib.suppress(OSError):  # who asked is gone
        text = json.dumps(answer).encode()
        if file is None:
            channel.send(text)
        else:
            socket.send_fds(channel, [text], [file])


def _receive(channel: socket.socket, most_files: int) -> tuple[bytes, list[int]]:
    said, files, _, _ = socket.recv_fds(channel, _REQUEST_BYTES, most_files)
    return said, files


def main() -> None:
    """Be a server that was started anew; its arguments are its descriptors."""
    asked, requests, ends = map(int, sys.argv[1:])
    one_thread_each()
    _be_server(_Server(socket.socket(fileno=asked), socket.socket(fileno=requests), ends), ())


if __name__ == "__main__":
    # Not this module, but the one that a child finds by its name.
    importlib.import_module("volition.fork_server").main()
