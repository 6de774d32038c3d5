"""What a service meets on its host: few open files, and a file of its state that is damaged."""

from __future__ import annotations

import contextlib
import functools
import json
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil

from volition.benchmarks.faults.hostile import attacks
from volition.benchmarks.faults.hostile.stops import FAST
from volition.benchmarks.faults.injection.scene import DECODER, Scene, require, wait_until
from volition.service.client import Client
from volition.service.gateway.launch import running_service
from volition.service.sessions.state_file import StateFile

_N_SOCKETS = 2000
_FILES = 1024
_ENDS_S, _BACK_S = 10.0, 10.0
_STORED = "sessions.json"


def _many_sockets(scene: Scene, _: int, *, hard: str) -> dict[str, Any]:
    """Open more sockets than there may be files, kill a worker, and end the service."""
    limiter = shutil.which("prlimit")
    if limiter is None:
        return {"ok": True, "note": "not tried: open files cannot be limited on this system"}
    service = scene.own_service(started_by=(limiter, f"--nofile={_FILES}:{hard}"))
    heard, other = (scene.session(scene.feeder(), decoder=FAST).session for _ in range(2))
    attacks.raise_limit_of_files()
    with contextlib.ExitStack() as stack:
        answers = Counter(
            _answer(stack, service.url, (heard, other)[number % 2]) for number in range(_N_SOCKETS)
        )
        told = sum(n for status, n in answers.items() if status in ("101", "503"))
        client = scene.client
        epoch, pid = (view := client.session(heard)).epoch, view.worker_pid
        require(pid is not None, "the session has no worker")
        psutil.Process(pid).kill()
        killed = time.monotonic()
        wait_until(
            lambda: (now := client.session(heard)).epoch > epoch and now.state == "running",
            lambda: f"its worker does not come back: {client.session(heard).reason}",
            timeout_s=_BACK_S,
        )
        back_s = time.monotonic() - killed
        gateway = psutil.Process(service.pid)
        gateway.terminate()
        ended = time.monotonic()
        gateway.wait(2 * _ENDS_S)
        ends_s = time.monotonic() - ended
    return {
        "ok": told == _N_SOCKETS and ends_s <= _ENDS_S,
        "answers": dict(answers),
        "worker_back_s": round(back_s, 2),
        "ends_s": round(ends_s, 2),
    }


def _answer(stack: contextlib.ExitStack, url: str, session: str) -> str:
    """Open a socket that is kept open; give the status of the answer."""
    one = stack.enter_context(attacks.upgraded(url, session))
    one.settimeout(5.0)
    try:
        head = one.recv(64)
    except OSError as error:
        return type(error).__name__
    return head[9:12].decode("latin-1")


def _damaged_state(scene: Scene, _presses: int) -> dict[str, Any]:
    """Damage the file of the stored sessions in every way; look what the next service starts."""
    found: dict[str, Any] = {}
    for name, (damage, _) in _DAMAGES.items():
        folder = scene.folder / name
        folder.mkdir()
        env = {"VOLITION_DATA": str(folder)}
        with _service(env, folder) as client:
            for session in ("arm", "leg"):
                config = {"name": session, "stream": {"source_id": "nobody"}, "decoder": DECODER}
                client.create_session(config)
            client.emergency_stop("arm")
        (path,) = folder.rglob(_STORED)
        damage(path)
        with _service(env, folder) as client:
            found[name] = {view.id: view.held for view in client.sessions()}
    return {
        "ok": all(found[name] == right for name, (_, right) in _DAMAGES.items()),
        "found": found,
    }


@contextlib.contextmanager
def _service(env: dict[str, str], folder: Path) -> Iterator[Client]:
    with (
        (folder / "service.log").open("a") as log,
        running_service("--restore", env=env, stderr=log) as service,
        Client(service.url) as client,
    ):
        yield client


def _of_another_version(path: Path) -> None:
    _rewrite(path, lambda session: session.update(brain="new"))


def _decoder_gone(path: Path) -> None:
    _rewrite(path, lambda session: session["config"]["decoder"].update(kind="gone"))


def _rewrite(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change what is stored of the first session, and write it as the service does."""
    stored = json.loads(path.read_bytes())
    change(stored["sessions"][0])
    content = {key: stored[key] for key in stored if key not in ("version", "sha256")}
    StateFile(path).write(content)


def _cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def _emptied(path: Path) -> None:
    path.write_bytes(b"")


_BOTH, _SECOND = {"arm": True, "leg": False}, {"leg": False}
#: How it is damaged, and which sessions are to be found, held or not.
_DAMAGES: dict[str, tuple[Callable[[Path], None], dict[str, bool]]] = {
    "cut off": (_cut_off, _BOTH),
    "emptied": (_emptied, _BOTH),
    "of another version": (_of_another_version, _BOTH),
    "a decoder that is gone": (_decoder_gone, _SECOND),
}

ROWS: dict[str, tuple[str, Callable[[Scene, int], dict[str, Any]]]] = {
    "files.sockets": (
        f"{_N_SOCKETS} sockets where {_FILES} files may be open, until more are asked for",
        functools.partial(_many_sockets, hard=""),
    ),
    "files.sockets_hard": (
        f"{_N_SOCKETS} sockets where {_FILES} files may be open, and no more",
        functools.partial(_many_sockets, hard=str(_FILES)),
    ),
    "files.state": ("A file of stored sessions that is damaged", _damaged_state),
}
"""What is tried, in words, and what measures it."""
