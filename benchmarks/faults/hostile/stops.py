"""The emergency stop under each attack: how soon it is answered, and what leaves after the answer.

A session decides fifty times a second; its intents are listened to on its LSL outlet. Each press
waits until selections leave again after the release of the one before.
"""

from __future__ import annotations

import contextlib
import functools
import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import psutil

from volition.benchmarks.faults.hostile import attacks
from volition.benchmarks.faults.hostile.attacks import Attack, attack
from volition.benchmarks.faults.injection.scene import DECODER, Scene, wait_until
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
_DECODER = {**DECODER, "step_s": 0.02}


@dataclass
class OutletListener:
    """Keeps the selections that a session's LSL outlet sends.

    Of each the LSL times when it came and when it was decoded, or its stamp if that is later.
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

    def after(self, t: float) -> int:
        """Give how many selections left after an LSL time, by receipt or by their own times."""
        return sum(came > t + _ON_ITS_WAY_S or made > t for came, made in self.selections)

    def wait(self) -> None:
        """Wait until selections leave."""
        began = local_clock()
        wait_until(
            lambda: self.after(began), lambda: "no selections leave again", timeout_s=_RETURN_S
        )


Press = Callable[[Scene, str], float]
"""Press the stop of a session; give the LSL time of the answer."""


def _by_rest(scene: Scene, session: str) -> float:
    with Client(scene.service.url) as client:  # a program that begins now, as a person would
        client.health()
        began = local_clock()
        client.emergency_stop(session)
        return local_clock() - began


def _with_worker_suspended(scene: Scene, session: str) -> float:
    pid = scene.client.session(session).worker_pid
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(pid).suspend()
    return _by_rest(scene, session)


def _with_gateway_suspended(scene: Scene, session: str) -> float:
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
    press: Press = _by_rest,
    most_ms: float = MOST_MS,
) -> dict[str, Any]:
    """Press again and again; give the figures of a row."""
    witness = scene.session(scene.feeder(), decoder=_DECODER, outputs=[{"kind": "lsl"}])
    session = witness.session
    chance = random.Random(7)  # noqa: S311 - no secret
    took_ms: list[float] = []
    after = 0
    with OutletListener(session) as listener, _attacked(do, scene, session):
        for _ in range(presses):
            listener.wait()
            time.sleep(chance.uniform(0.0, 0.1))
            took_ms.append(press(scene, session) * 1e3)
            answered = local_clock()
            time.sleep(_WATCHED_S)
            after += listener.after(answered)
            _release(scene, session)
    return {
        "ok": max(took_ms) <= most_ms and after == 0,
        "presses": presses,
        "answer_ms": {
            "p50": round(float(np.median(took_ms)), 2),
            "max": round(max(took_ms), 2),
            "most": most_ms,
        },
        "outputs_after": after,
    }


def _release(scene: Scene, session: str) -> None:
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
            attacks.sends_half_headers,
            attacks.changes_the_model,
        )
    },
    "stop.worker_suspended": (
        "The stop of a worker that is suspended",
        functools.partial(_row, press=_with_worker_suspended),
    ),
    "stop.gateway_suspended": (
        "The stop, by the word, of a gateway that is suspended",
        functools.partial(_row, press=_with_gateway_suspended),
    ),
}
"""What is tried, in words, and what measures it: given a scene and how often to press."""
