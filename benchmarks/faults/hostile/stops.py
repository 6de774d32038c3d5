"""The emergency stop under each attack: how soon it is answered, and what leaves after the answer.

A session decides fifty times a second; its intents are listened to on its LSL outlet. Each press
waits until selections leave again after the release of the one before.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import random
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import psutil

from volition.benchmarks.faults.hostile import attacks
from volition.benchmarks.faults.hostile.attacks import Attack, attack
from volition.benchmarks.faults.injection.recording import fill, small_disk
from volition.benchmarks.faults.injection.scene import DECODER, Scene, require, wait_until
from volition.errors import VolitionError
from volition.service.client import Client
from volition.streams.lsl.clock import local_clock
from volition.streams.lsl.discovery import find_one
from volition.streams.lsl.inlet import MarkerInlet

QUIET_MS, MOST_MS = 20.0, 250.0
#: What was pushed before an answer may still be on its way through liblsl and a busy machine.
_ON_ITS_WAY_S = 0.1
_WATCHED_S = 0.25
_RETURN_S = 30.0
#: Decides fifty times a second.
FAST = {**DECODER, "step_s": 0.02}


@dataclass
class OutletListener:
    """Keeps the selections that a session's LSL outlet sends.

    For each output, the LSL times when it came and when it was decoded (or its stamp, if later).
    """

    session: str
    selections: list[tuple[float, float]] = field(default_factory=list)
    _ends: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._ends.set()
        self._thread.join()

    def _listen(self) -> None:
        """Listen to one outlet after another: a worker's ends with it."""
        while not self._ends.is_set():
            with contextlib.suppress(VolitionError):
                found = find_one(source_id=f"volition-{self.session}", wait_s=1.0)
                with MarkerInlet(found) as inlet:
                    inlet.open(5.0)
                    while not self._ends.wait(0.002):
                        for event in inlet.pull():
                            intent = json.loads(event.name)
                            if intent["kind"] == "selection":
                                made = max(intent["t_decoded"], event.time)
                                self.selections.append((local_clock(), made))

    def made_after(self, t: float) -> int:
        """Give how many selections were made after an LSL time, by their own times."""
        return sum(made > t for _, made in self.selections)

    def came_after(self, t: float) -> int:
        """Count those that came after an LSL time, too late to have been on their way then."""
        return sum(came > t + _ON_ITS_WAY_S for came, _ in self.selections)

    def wait(self) -> None:
        """Wait until selections leave."""
        self.selections.clear()
        began = local_clock()
        wait_until(
            lambda: self.made_after(began), lambda: "no selections leave again", timeout_s=_RETURN_S
        )


Press = Callable[[Scene, str], float]
"""Press the stop of a session; give the LSL time of the answer."""


def by_rest(scene: Scene, session: str, *, warm: bool = True, remembered: bool = False) -> float:
    """Press it by REST."""
    with Client(scene.service.url) as client:  # a program that begins now, as a person would
        if warm:
            client.health()
        began = local_clock()
        answer = client.emergency_stop(session).answer
        took_s = local_clock() - began
    require(answer.remembered or not remembered, "the disk has not taken it")
    return took_s


def with_worker_suspended(scene: Scene, session: str) -> float:
    """Press it by REST while the worker is suspended."""
    pid = scene.client.session(session).worker_pid
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(pid).suspend()
    return by_rest(scene, session)


def with_gateway_suspended(scene: Scene, session: str) -> float:
    """Press it by all ways while the gateway is suspended."""
    gateway = psutil.Process(scene.service.pid)
    gateway.suspend()
    try:
        began = local_clock()
        if not scene.client.estop(session).confirmed:
            return float("inf")
        return local_clock() - began
    finally:
        gateway.resume()


def _row(
    scene: Scene,
    presses: int,
    *,
    do: Attack | None = None,
    press: Press = by_rest,
    most_ms: float = MOST_MS,
) -> dict[str, Any]:
    """Press again and again; give the figures of a row."""
    witness = scene.session(scene.feeder(), decoder=FAST, outputs=[{"kind": "lsl"}])
    session = witness.session
    chance = random.Random(7)  # noqa: S311 - no secret
    pressed: list[Pressed] = []
    with OutletListener(session) as listener, _attacked(do, scene, session):
        for _ in range(presses):
            listener.wait()
            time.sleep(chance.uniform(0.0, 0.1))
            pressed.append(press_and_watch(scene, listener, press))
            release(scene, session)
    took_ms = [one.took_ms for one in pressed]
    made, came = sum(one.made_after for one in pressed), sum(one.came_after for one in pressed)
    return {
        "ok": max(took_ms) <= most_ms and made == 0 and came == 0,
        "presses": presses,
        "answer_ms": {
            "p50": round(float(np.median(took_ms)), 2),
            "p99": round(float(np.percentile(took_ms, 99)), 2),
            "max": round(max(took_ms), 2),
            "most": most_ms,
        },
        "outputs_made_after": made,
        "outputs_come_after": came,
        "load": os.getloadavg()[0],
    }


class Pressed(NamedTuple):
    """One press: how long its answer took, and the selections made, or come, after that."""

    took_ms: float
    made_after: int
    came_after: int


def press_and_watch(scene: Scene, listener: OutletListener, press: Press) -> Pressed:
    """Press the stop of the session that is listened to; look what leaves it after the answer."""
    took_s = press(scene, listener.session)
    answered = local_clock()
    time.sleep(_WATCHED_S)
    return Pressed(took_s * 1e3, listener.made_after(answered), listener.came_after(answered))


def _with_a_full_disk(scene: Scene, presses: int) -> dict[str, Any]:
    disk = small_disk(scene)
    if disk is None:
        return {"ok": True, "note": "not tried: no disk can be made on this system"}
    scene.own_service("--restore", env={"VOLITION_DATA": str(disk)})
    return _row(scene, presses, do=None, press=functools.partial(_on_a_full_disk, disk))


def _on_a_full_disk(disk: Path, scene: Scene, session: str) -> float:
    fill(disk / "filler")
    try:
        return by_rest(scene, session, remembered=True)
    finally:
        (disk / "filler").unlink()


def _with_few_files(scene: Scene, presses: int) -> dict[str, Any]:
    limiter = shutil.which("prlimit")
    if limiter is None:
        return {"ok": True, "note": "not tried: open files cannot be limited on this system"}
    scene.own_service(started_by=(limiter, "--nofile=1024:1024"))
    return _row(
        scene,
        presses,
        do=attacks.takes_every_connection,
        press=functools.partial(by_rest, warm=False),
    )


def release(scene: Scene, session: str) -> None:
    """Release, however often a flood of others has it refused."""

    def released() -> bool:
        try:
            order = scene.client.session(session).stop.order
            return not scene.client.release(session, order=order).held
        except VolitionError:
            return False

    wait_until(released, lambda: "it cannot be released", timeout_s=_RETURN_S)


@contextlib.contextmanager
def _attacked(do: Attack | None, scene: Scene, session: str) -> Iterator[None]:
    if do is None:
        yield
        return
    with attack(do, scene.service.url, session):
        yield


ROWS: dict[str, tuple[str, Callable[[Scene, int], dict[str, Any]]]] = {
    "stop.quiet": (
        "The stop while nothing else happens",
        functools.partial(_row, most_ms=QUIET_MS),
    ),
    **{
        f"stop.{do.__name__}": (
            f"The stop beside: {(do.__doc__ or '').rstrip('.')}",
            functools.partial(_row, do=do),
        )
        for do in (
            attacks.posts_markers,
            attacks.reads,
            attacks.sends_big_markers,
            attacks.pings,
            attacks.sends_ping_frames,
            attacks.sends_without_end,
            attacks.calibrates_on_big_markers,
            attacks.uploads_networks,
            attacks.sends_large_bodies,
            attacks.shows_flashes,
            attacks.sends_half_headers,
            attacks.changes_the_model,
        )
    },
    "stop.worker_suspended": (
        "The stop of a worker that is suspended",
        functools.partial(_row, press=with_worker_suspended),
    ),
    "stop.no_descriptors": (
        "The stop while every connection is taken, where 1,024 files may be open",
        _with_few_files,
    ),
    "stop.full_disk": ("The stop while the disk is full", _with_a_full_disk),
    "stop.gateway_suspended": (
        "The stop, by the word, of a gateway that is suspended",
        functools.partial(_row, press=with_gateway_suspended),
    ),
}
"""What is tried, in words, and what measures it: given a scene and how often to press."""
