"""What was answered is what is found: services that are killed at a random moment around a deed.

A stop, a release and a deletion are asked for, and the service, with all its workers, is killed a
moment before or after its answer. A service that is started in its place, with ``--restore``, must
find what was answered; what was not may have happened or not.
"""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from volition.benchmarks.faults.injection.scene import DECODER, Scene
from volition.errors import VolitionError
from volition.service.client import Client
from volition.service.gateway.launch import RunningService, running_service

#: Most answers come within this.
_AROUND_S = 0.03
_NAME = "arm"
_CONFIG = {"name": _NAME, "stream": {"source_id": "nobody"}, "decoder": DECODER}


@dataclass
class Round:
    """One kill: what was asked for, whether it was answered, and what was found."""

    deed: str
    answered: bool = False
    remembered: bool = True
    found: str = ""
    _done: threading.Event = field(default_factory=threading.Event)

    @property
    def is_right(self) -> bool:
        if not self.answered or not self.remembered:
            return True
        return self.found == {"stop": "held", "release": "free", "delete": "gone"}[self.deed]


def kill_around(folder: Path, deed: str, after_s: float) -> Round:
    """Ask for a deed, kill the service ``after_s`` later, and look what the next one finds."""
    told = Round(deed)
    with _service(folder) as (service, client):
        client.create_session(_CONFIG)
        order = client.emergency_stop(_NAME).answer.order if deed == "release" else 0
        deeds: dict[str, Callable[[], Any]] = {
            "stop": lambda: client.emergency_stop(_NAME),
            "release": lambda: client.release(_NAME, order=order),
            "delete": lambda: client.delete(_NAME),
        }
        asking = threading.Thread(target=_ask, args=(deeds[deed], told))
        asking.start()
        time.sleep(after_s)
        _kill(service)
        asking.join()
    with _service(folder) as (_, client):
        views = [view for view in client.sessions() if view.id == _NAME]
        told.found = "gone" if not views else "held" if views[0].held else "free"
        client.delete(_NAME)
    return told


@contextlib.contextmanager
def _service(folder: Path) -> Iterator[tuple[RunningService, Client]]:
    env = {"VOLITION_DATA": str(folder)}
    with (
        (folder / "service.log").open("a") as log,
        running_service("--restore", env=env, stderr=log) as service,
        Client(service.url) as client,
    ):
        yield service, client


def _ask(deed: Callable[[], Any], told: Round) -> None:
    with contextlib.suppress(VolitionError):
        answer = deed()
        told.answered = True
        told.remembered = getattr(getattr(answer, "answer", None), "remembered", True)


def _kill(service: RunningService) -> None:
    gateway = psutil.Process(service.pid)
    family = [gateway, *gateway.children(recursive=True)]
    gateway.kill()
    psutil.wait_procs(family[1:], timeout=10)


def _row(scene: Scene, kills: int) -> dict[str, Any]:
    chance = random.Random(5)  # noqa: S311 - no secret
    rounds = []
    for number in range(kills):
        deed = ("stop", "release", "delete")[number % 3]
        folder = scene.folder / f"kept-{number}"
        folder.mkdir()
        rounds.append(kill_around(folder, deed, chance.uniform(0.0, _AROUND_S)))
    wrong = [f"{one.deed} was answered and {one.found}" for one in rounds if not one.is_right]
    return {
        "ok": not wrong,
        "kills": len(rounds),
        "answered": sum(one.answered for one in rounds),
        "wrong": wrong,
    }


_MOST_KILLS = 50

ROWS: dict[str, tuple[str, Callable[[Scene, int], dict[str, Any]]]] = {
    "kept.kills": (
        "Services killed at random moments around a stop, a release, a deletion",
        lambda scene, presses: _row(scene, min(presses, _MOST_KILLS)),
    ),
}
"""What is tried, in words, and what measures it."""
