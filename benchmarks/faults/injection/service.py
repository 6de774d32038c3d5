"""The service itself: started where it cannot run, and told to end in every state."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable
from uuid import uuid4

import psutil

from volition.benchmarks.faults.injection.feeder import Feeder
from volition.benchmarks.faults.injection.scene import Scene, require, wait_until
from volition.benchmarks.faults.injection.witness import Witness
from volition.children import python_module
from volition.service.wire.messages import Status
from volition.streams.lsl.clock import local_clock

_ENDS_S = 2.0
_CONFIG_EXIT = 3
_NO_LSL = "raise RuntimeError('LSL binary library file was not found')"


def has_no_liblsl(scene: Scene) -> None:
    """The library liblsl missing."""
    (scene.folder / "pylsl.py").write_text(_NO_LSL)
    path = os.pathsep.join((str(scene.folder), os.environ.get("PYTHONPATH", "")))
    scene.own_service(env={"PYTHONPATH": path})
    ready = scene.client.ready()
    require(not ready.ready and "liblsl" in " ".join(ready.reasons), "it says that it is ready")
    witness = scene.open("any")
    asked = local_clock()
    failed = witness.wait_for_state("failed")
    reason = getattr(failed.message, "reason", "")
    require("nstall" in reason, f"the reason does not say what to do: {reason}")
    scene.note(f"{reason} (told {failed.t - asked:.1f} s after the session was asked for)")


def port_is_taken(scene: Scene) -> None:
    """Port taken."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        command = python_module("volition.service.cli", "serve", "--port", port)
        found = subprocess.run(
            (*command, "--tokens", os.devnull),
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    require(found.returncode == _CONFIG_EXIT, f"exit code {found.returncode}: {found.stderr}")
    require("Traceback" not in found.stderr, "it ends with a traceback")
    require(port in found.stderr, f"the port is not named: {found.stderr}")
    scene.note(found.stderr.strip().splitlines()[-1])


def ends_while_idle(scene: Scene) -> None:
    """SIGTERM without a session."""
    scene.own_service()
    _ends(scene)


def ends_while_connecting(scene: Scene) -> None:
    """SIGTERM while a session is connecting."""
    scene.own_service()
    scene.open(f"nobody-{uuid4().hex}").wait_for_state("connecting")
    _ends(scene)


def ends_while_running(scene: Scene) -> None:
    """SIGTERM while a session runs, and records."""
    scene.own_service(env={"VOLITION_DATA": str(scene.folder)})
    _running(scene, record=True)
    _ends(scene)
    files = list((scene.folder / "recordings").glob("*.xdf"))
    require(len(files) == 1 and files[0].stat().st_size > 0, "there is no recording")


def ends_while_degraded(scene: Scene) -> None:
    """SIGTERM while a session is degraded: its stream is silent."""
    scene.own_service()
    feeder, witness = _running(scene)
    feeder.tell("pause")
    witness.wait_for_state("degraded")
    _ends(scene)


def ends_while_the_worker_hangs(scene: Scene) -> None:
    """SIGTERM while a worker hangs."""
    scene.own_service()
    _, witness = _running(scene)
    scene.worker(witness).suspend()
    witness.wait_for_state("degraded")
    _ends(scene)


def ends_while_the_worker_restarts(scene: Scene) -> None:
    """SIGTERM while a dead worker is being replaced."""
    scene.own_service()
    _, witness = _running(scene)
    place = witness.mark()
    scene.worker(witness).kill()
    witness.wait_for_state("connecting", after=place)
    _ends(scene)


def ends_while_held(scene: Scene) -> None:
    """SIGTERM during an emergency stop."""
    scene.own_service()
    _, witness = _running(scene)
    scene.client.emergency_stop(witness.session)
    witness.wait(lambda m: isinstance(m, Status) and m.held, "a status that says held")
    _ends(scene)


def ends_while_stopped(scene: Scene) -> None:
    """SIGTERM with a session that was stopped."""
    scene.own_service()
    _, witness = _running(scene)
    scene.client.stop(witness.session)
    _ends(scene)


def ends_while_failed(scene: Scene) -> None:
    """SIGTERM with a session that failed."""
    scene.own_service()
    feeder = scene.feeder()
    witness = scene.open(feeder.stream.source_id, stream={"channels": ["no such channel"]})
    witness.wait_for_state("failed")
    _ends(scene)


def _running(scene: Scene, *, record: bool = False) -> tuple[Feeder, Witness]:
    feeder = scene.feeder()
    return feeder, scene.session(feeder, outputs=[{"kind": "record"}] if record else [])


def _ends(scene: Scene) -> None:
    """Tell the service to end; hold it to its time, and to leaving nothing behind."""
    gateway = psutil.Process(scene.service.pid)
    family = [gateway, *gateway.children(recursive=True)]
    told = local_clock()
    gateway.terminate()
    wait_until(
        lambda: not any(_alive(process) for process in family),
        lambda: f"still there: {[' '.join(p.cmdline()) for p in family if _alive(p)]}",
        timeout_s=10.0,
    )
    took_s = local_clock() - told
    require(took_s <= _ENDS_S, f"it took {took_s:.1f} s")
    scene.note(f"{len(family)} processes gone after {took_s:.2f} s")


def _alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


FAULTS: tuple[Callable[[Scene], None], ...] = (
    has_no_liblsl,
    port_is_taken,
    ends_while_idle,
    ends_while_connecting,
    ends_while_running,
    ends_while_degraded,
    ends_while_the_worker_hangs,
    ends_while_the_worker_restarts,
    ends_while_held,
    ends_while_stopped,
    ends_while_failed,
)
