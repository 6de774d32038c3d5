"""Every hostile program at random, for a long while: what is broken, and what grows.

Round by round something is chosen by chance: a program that attacks one session, or a deed (a
worker is killed, a model is changed, a signal is fitted); at first each has its turn. Meanwhile the
stop of another session, whose outlet is listened to, is pressed by a way that is chosen by chance
too. Between rounds, when all is at rest, it is noted what the gateway, the worker of the session
that is attacked, and what works for both take. That worker is killed by nobody: its memory is that
of all it went through.
"""

from __future__ import annotations

import contextlib
import math
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import psutil

from volition.benchmarks.faults.hostile import attacks, stops
from volition.benchmarks.faults.hostile.attacks import Attack
from volition.benchmarks.faults.hostile.growth import growth
from volition.benchmarks.faults.hostile.stops import FAST, MOST_MS, OutletListener, Press
from volition.benchmarks.faults.injection.scene import Scene
from volition.benchmarks.speed.footprint import open_files
from volition.errors import VolitionError
from volition.streams.lsl.clock import local_clock

#: The stores of intents have filled by then, and each program has had its turn.
_WARM_UP_S = 240.0
_ROUND_S = (2.0, 6.0)
_SETTLES_S = 1.0
_ANSWERS_S = 1.0
#: A session whose worker dies five times in a minute is given up.
_FROM_KILL_TO_KILL_S = 20.0
_MB = 1e6

_ATTACKS: tuple[Attack, ...] = (
    attacks.posts_markers,
    attacks.reads,
    attacks.sends_big_markers,
    attacks.pings,
    attacks.sends_ping_frames,
    attacks.sends_without_end,
    attacks.sends_half_headers,
    attacks.calibrates_on_big_markers,
    attacks.marks_one_moment,
    attacks.searches_for_streams,
    attacks.uploads_networks,
    attacks.sends_large_bodies,
    attacks.changes_the_model,
)
_WAYS: tuple[Press, ...] = (
    stops.by_rest,
    stops.with_worker_suspended,
    stops.with_gateway_suspended,
)


@dataclass(frozen=True, slots=True)
class Taken:
    """What a service takes at a moment of rest.

    Attributes
    ----------
    hours
        Since the soak began.
    gateway_mb, worker_mb
        Memory of the gateway, and of the worker of the session that is attacked.
    helpers_mb
        Memory of each other process of the service that is no worker of a session, by its id.
    files, threads
        What the gateway and all workers have of them, together.
    """

    hours: float
    gateway_mb: float
    worker_mb: float
    helpers_mb: dict[int, float]
    files: int
    threads: int


@dataclass
class _Soak:
    """A soak while it runs."""

    scene: Scene
    chance: random.Random
    attacked: str
    taken: list[Taken] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    took_ms: list[float] = field(default_factory=list)
    rounds: Counter[str] = field(default_factory=Counter)
    began: float = field(default_factory=time.monotonic)
    _killed: float = -math.inf

    def round(self, listener: OutletListener) -> None:
        """Have something happen, and press the stop meanwhile."""
        do = self._choose()
        what = "a worker is killed" if do is None else do.__name__
        self.rounds[what] += 1
        with contextlib.ExitStack() as stack:
            if do is None:
                self._kill_worker(listener.session)
            else:
                stack.enter_context(attacks.attack(do, self.scene.service.url, self.attacked))
            time.sleep(self.chance.uniform(*_ROUND_S))
            self._press(listener, what)
        self._rest(what)

    def _choose(self) -> Attack | None:
        """Choose by chance, at first among those that have not had their turn."""
        deeds: tuple[Attack | None, ...] = _ATTACKS
        if time.monotonic() - self._killed > _FROM_KILL_TO_KILL_S:
            deeds = (*deeds, None)
        waiting = [one for one in deeds if one is not None and one.__name__ not in self.rounds]
        return self.chance.choice(waiting or deeds)

    def _kill_worker(self, session: str) -> None:
        self._killed = time.monotonic()
        pid = self.scene.client.session(session).worker_pid
        if pid is not None:
            with contextlib.suppress(psutil.NoSuchProcess):
                psutil.Process(pid).kill()

    def _press(self, listener: OutletListener, beside: str) -> None:
        press = self.chance.choice(_WAYS)
        try:
            listener.wait()
            try:
                pressed = stops.press_and_watch(self.scene, listener, press)
            finally:
                stops.release(self.scene, listener.session)
        except VolitionError as error:
            stands = self.scene.client.session(listener.session).steps[-1].reason
            self.violations.append(
                f"{press.__name__} beside {beside}: {error.message}; the session: {stands}"
            )
            return
        self.took_ms.append(pressed.took_ms)
        if pressed.took_ms > MOST_MS:
            self.violations.append(
                f"{press.__name__} beside {beside} took {pressed.took_ms:.0f} ms"
            )
        if pressed.made_after or pressed.came_after:
            self.violations.append(
                f"{press.__name__} beside {beside}: {pressed.made_after} selections were made "
                f"after it, {pressed.came_after} came"
            )

    def _rest(self, after: str) -> None:
        """Wait until all is quiet; note what is taken."""
        time.sleep(_SETTLES_S)
        began = local_clock()
        self.scene.client.health()
        if local_clock() - began > _ANSWERS_S:
            self.violations.append(f"after {after} the service does not answer in {_ANSWERS_S:g} s")
        taken = self._look()
        if taken is not None:
            self.taken.append(taken)

    def _look(self) -> Taken | None:
        """Look what is taken; None while a worker is being started: what it takes is not known."""
        workers = {one.id: one.worker_pid for one in self.scene.client.sessions()}
        pids = [self.scene.service.pid, *(pid for pid in workers.values() if pid is not None)]
        if len(pids) <= len(workers):
            return None
        try:
            family = [psutil.Process(pid) for pid in pids]
            helpers = [one for one in family[0].children(recursive=True) if one.pid not in pids]
            return Taken(
                hours=(time.monotonic() - self.began) / 3600,
                gateway_mb=_memory_mb(family[0]),
                worker_mb=_memory_mb(psutil.Process(workers[self.attacked])),
                helpers_mb={one.pid: _memory_mb(one) for one in helpers},
                files=sum(map(open_files, family)),
                threads=sum(one.num_threads() for one in family),
            )
        except psutil.NoSuchProcess:
            return None


def _memory_mb(process: psutil.Process) -> float:
    return float(process.memory_info().rss) / _MB


def soak(
    scene: Scene,
    minutes: float,
    *,
    seed: int = 1,
    on_step: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Attack a service for some minutes; give what was broken, and the slopes.

    Parameters
    ----------
    scene
        With the service.
    minutes
        How long. Growth is judged in the latter half, after the first four minutes at least.
    seed
        Seed of what happens when.
    on_step
        Is told what goes on.
    """
    heard = scene.session(scene.feeder(), decoder=FAST, outputs=[{"kind": "lsl"}]).session
    attacked = scene.session(scene.feeder(), decoder=FAST).session
    run = _Soak(scene, random.Random(seed), attacked)  # noqa: S311 - no secret
    began_as = scene.client.session(attacked).epoch
    ends = run.began + minutes * 60.0
    with OutletListener(heard) as listener:
        while time.monotonic() < ends:
            run.round(listener)
            on_step(f"{sum(run.rounds.values())} rounds, {len(run.violations)} violations")
    view = scene.client.session(attacked)
    if view.epoch != began_as or view.state.final:
        steps = [step.reason for step in view.steps]
        run.violations.append(f"the worker of the session that was attacked died: {steps}")
    judged_from_h = max(_WARM_UP_S, minutes * 30.0) / 3600
    found = slopes([one for one in run.taken if one.hours >= judged_from_h])
    return {
        "ok": not run.violations and not any(one.get("grows") for one in found.values()),
        "minutes": minutes,
        "rounds": dict(run.rounds),
        "violations": run.violations,
        "answer_ms": {
            "p50": round(float(np.median(run.took_ms)), 2),
            "max": round(max(run.took_ms), 2),
            "most": MOST_MS,
        },
        "slopes_per_h": found,
        "load": os.getloadavg()[0],
    }


def slopes(taken: Sequence[Taken]) -> dict[str, dict[str, Any]]:
    """Give the slope of each, as `growth` does; of helpers those that were there all the time."""
    lasting = set.intersection(*({*one.helpers_mb} for one in taken)) if taken else set()
    series: dict[str, list[float]] = {
        "gateway_mb": [one.gateway_mb for one in taken],
        "worker_mb": [one.worker_mb for one in taken],
        "helpers_mb": [sum(one.helpers_mb[pid] for pid in lasting) for one in taken],
        "files": [one.files for one in taken],
        "threads": [one.threads for one in taken],
    }
    hours = [one.hours for one in taken]
    return {name: growth(hours, values) for name, values in series.items()}
