"""Processes are forked from one that has loaded what they need, and are else as if started anew."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from volition import children
from volition.children import forking, python_module
from volition.fork_server import ForkError, can_fork, fork_server_anew

pytestmark = pytest.mark.skipif(not can_fork(), reason="processes are forked on Linux alone")

WAIT_S = 20.0


@pytest.fixture
def own_server() -> Iterator[None]:
    """A fork server for this test alone, so that it may be killed."""
    children.end_fork_server()
    yield
    children.end_fork_server()


def answer(target: Any, *arguments: Any) -> Any:
    """Give what a forked child says."""
    ours, theirs = forking.Pipe()
    process = forking.Process(target=target, args=(theirs, *arguments))
    process.start()
    theirs.close()
    assert ours.poll(WAIT_S)
    said = ours.recv()
    process.join(WAIT_S)
    process.close()
    ours.close()
    return said


def say_parent(pipe: Connection) -> None:
    pipe.send(psutil.Process().parent().name())  # type: ignore[union-attr]  # it has one


def say_surroundings(pipe: Connection) -> None:
    pipe.send((os.environ.get("VOLITION_TRIED"), str(Path.cwd()), os.sched_getaffinity(0)))


def say_random(pipe: Connection) -> None:
    pipe.send((np.random.random(), os.getpid()))  # noqa: NPY002 - the shared state is what is meant


def say_files(pipe: Connection) -> None:
    """Say what is open beyond the standard files, the way to the server, and the pipe itself."""
    links = [str(p.readlink()) for p in Path("/proc/self/fd").iterdir() if p.is_symlink()]
    sockets = [link for link in links if link.startswith("socket:")]
    pipe.send((len(sockets), [link for link in links if "pipe:" in link or "pidfd" in link]))


def say_signals(pipe: Connection) -> None:
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    pipe.send([handler in (signal.default_int_handler, signal.SIG_DFL) for handler in handlers])


def wait_for_end(pipe: Connection) -> None:
    pipe.send("waits")
    try:
        pipe.recv()
    except EOFError:
        sys.exit(7)


def waiting() -> tuple[Any, Connection]:
    ours, theirs = forking.Pipe()
    process = forking.Process(target=wait_for_end, args=(theirs,), daemon=True)
    process.start()
    theirs.close()
    assert ours.poll(WAIT_S)
    assert ours.recv() == "waits"
    return process, ours


def server_of(process: Any) -> psutil.Process:
    found = psutil.Process(process.pid).parent()
    assert found is not None
    assert found.name() == "volition-forks"
    return found


# -- a child ------------------------------------------------------------------------------------


def test_a_process_is_forked_from_the_server() -> None:
    assert answer(say_parent) == "volition-forks"


def test_a_process_is_started_anew_where_the_environment_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(children.START_VARIABLE, "spawn")

    assert answer(say_parent) == psutil.Process().name()


def test_a_child_has_the_environment_folder_and_processors_of_the_moment_at_which_it_is_started(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    answer(say_parent)  # the server is there
    monkeypatch.setenv("VOLITION_TRIED", "yes")
    monkeypatch.chdir(tmp_path)

    assert answer(say_surroundings) == ("yes", str(tmp_path), os.sched_getaffinity(0))


def test_two_children_draw_other_random_numbers() -> None:
    (first, pid), (second, other_pid) = answer(say_random), answer(say_random)

    assert pid != other_pid
    assert first != second


def test_a_child_has_the_signals_of_a_new_process() -> None:
    assert answer(say_signals) == [True, True]


def test_a_child_holds_nothing_that_belongs_to_another() -> None:
    """Else the end of one would not be seen while another lives."""
    process, pipe = waiting()

    assert answer(say_files) == (2, [])  # its pipe, and the way to the server

    pipe.close()
    process.join(WAIT_S)
    assert process.exitcode == 7


def test_what_a_child_writes_goes_where_its_starter_writes(
    capfd: pytest.CaptureFixture[str],
) -> None:
    process = forking.Process(target=print, args=("written by a child",))
    process.start()
    process.join(WAIT_S)

    assert capfd.readouterr().out == "written by a child\n"


def test_the_end_of_a_killed_child_is_told_with_its_signal() -> None:
    process, _pipe = waiting()
    assert process.is_alive()

    process.kill()
    process.join(WAIT_S)

    assert process.exitcode == -signal.SIGKILL
    process.close()


def test_a_child_forks_through_the_server_that_forked_it() -> None:
    assert answer(say_what_a_child_says) == "volition-forks"


def say_what_a_child_says(pipe: Connection) -> None:
    pipe.send(answer(say_parent))


# -- the server ---------------------------------------------------------------------------------


def test_a_child_outlives_the_server_and_can_still_be_waited_for_and_killed(
    own_server: None,
) -> None:
    process, pipe = waiting()
    killed, _pipe = waiting()
    server_of(process).kill()

    pipe.send("go on")
    process.join(WAIT_S)
    killed.kill()
    killed.join(WAIT_S)

    assert not process.is_alive()
    assert not killed.is_alive()
    assert process.exitcode == killed.exitcode == 255  # who knew is dead


def test_a_start_after_the_death_of_the_server_succeeds_and_the_next_is_forked_again(
    own_server: None,
) -> None:
    process, _pipe = waiting()
    server = server_of(process)
    server.kill()
    server.wait(WAIT_S)

    assert answer(say_parent) == psutil.Process().name()
    assert answer(say_parent) == "volition-forks"


def test_the_server_ends_when_its_starter_is_killed(tmp_path: Path) -> None:
    program = tmp_path / "starter.py"
    program.write_text(
        "import os, signal\n"
        "from volition.children import forking\n"
        "process = forking.Process(target=print, args=(os.getpid(),))\n"
        "process.start()\n"
        "process.join()\n"
        "with open(f'/proc/{os.getpid()}/task/{os.getpid()}/children') as file:\n"
        "    print(file.read(), flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n",
        encoding="utf-8",
    )

    done = subprocess.run(
        [sys.executable, str(program)], capture_output=True, text=True, check=False
    )

    assert done.returncode == -signal.SIGKILL
    (server,) = map(int, done.stdout.split()[1:])
    ends_by = time.monotonic() + WAIT_S
    while psutil.pid_exists(server) and psutil.Process(server).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < ends_by
        time.sleep(0.01)


def test_no_process_is_forked_beside_a_thread_that_a_module_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What holds a lock in the parent would hold it in the child for ever."""
    (tmp_path / "threaded_at_import.py").write_text(
        "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\n",
        encoding="utf-8",
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    server = fork_server_anew(python_module("volition.fork_server"))

    with pytest.raises(ForkError, match="started a thread: threaded_at_import"):
        server.fork(b"", [], ["threaded_at_import"])

    server.close()
