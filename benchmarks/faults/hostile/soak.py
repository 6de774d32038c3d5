"""Every hostile program at random, for a long while: what is broken, and what grows.

Round by round something is chosen by chance: a program that attacks one session, or a deed (a
worker is killed, a model is changed, a signal is fitted). Meanwhile the stop of another session,
whose outlet is listened to, is pressed by a way that is chosen by chance too. Between rounds, when
all is at rest, it is noted what the gateway and its workers take.
"""

from __future__ import annotations

import contextlib
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import psutil
from scipy.stats import theilslopes

from volition.benchmarks.faults.hostile import attacks, stops
from volition.benchmarks.faults.hostile.attacks import Attack
from volition.benchmarks.faults.hostile.stops import FAST, MOST_MS, OutletListener, Press
from volition.benchmarks.faults.injection.scene import Scene
from volition.benchmarks.speed.footprint import open_files
from volition.errors import VolitionError
from volition.streams.lsl.clock import local_clock

#: The stores of intents have filled by then.
_WARM_UP_S = 240.0
_ROUND_S = (2.0, 6.0)
_SETTLES_S = 1.0
_ANSWERS_S = 1.0
_LEAST_POINTS = 8
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
    attacks.changes_the_model,
)
_WAYS: tuple[Press, ...] = (
    stops.by_rest,
    stops.with_worker_suspended,
    stops.with_gateway_suspended,
)


class Taken(NamedTuple):
    """What the gateway and its workers take at a moment of rest."""

    hours: float
    rss_mb: float
    files: int
    threads: int


@dataclass
class _Soak:
    """A soak while it runs."""

    scene: Scene
    chance: random.Random
    taken: list[Taken] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    took_ms: list[float] = field(default_factory=list)
    rounds: Counter[str] = field(default_factory=Counter)
    began: float = field(default_factory=time.monotonic)

    def round(self, listener: OutletListener, attacked: str) -> None:
        """Have something happen, and press the stop meanwhile."""
        do = self.chance.choice((*_ATTACKS, None))
        what = "a worker is killed" if do is None else do.__name__
        self.rounds[what] += 1
        with contextlib.ExitStack() as stack:
            if do is None:
                self._kill_worker(attacked)
            else:
                stack.enter_context(attacks.attack(do, self.scene.service.url, attacked))
            time.sleep(self.chance.uniform(*_ROUND_S))
            self._press(listener, what)
        self._rest(what)

    def _kill_worker(self, session: str) -> None:
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
            self.violations.append(f"{press.__name__} beside {beside}: {error.message}")
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
        sessions = [one.worker_pid for one in self.scene.client.sessions()]
        rss, files, threads = 0, 0, 0
        with contextlib.suppress(psutil.NoSuchProcess):
            for pid in (self.scene.service.pid, *sessions):
                if pid is None:
                    return  # a worker is being started: what it takes is not known
                process = psutil.Process(pid)
                rss += process.memory_info().rss
                files += open_files(process)
                threads += process.num_threads()
            hours = (time.monotonic() - self.began) / 3600
            self.taken.append(Taken(hours, rss / _MB, files, threads))


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
        How long, the warm-up of four minutes among them.
    seed
        Seed of what happens when.
    on_step
        Is told what goes on.
    """
    heard = scene.session(scene.feeder(), decoder=FAST, outputs=[{"kind": "lsl"}]).session
    attacked = scene.session(scene.feeder(), decoder=FAST).session
    run = _Soak(scene, random.Random(seed))  # noqa: S311 - no secret
    ends = run.began + minutes * 60.0
    with OutletListener(heard) as listener:
        while time.monotonic() < ends:
            run.round(listener, attacked)
            on_step(f"{sum(run.rounds.values())} rounds, {len(run.violations)} violations")
    state = scene.client.session(attacked)
    if state.state.final:
        run.violations.append(f"the session that was attacked is {state.state}: {state.reason}")
    found = slopes([one for one in run.taken if one.hours * 3600 >= _WARM_UP_S])
    return {
        "ok": not run.violations and not any(one["grows"] for one in found.values()),
        "minutes": minutes,
        "rounds": dict(run.rounds),
        "violations": run.violations,
        "answer_ms": {
            "p50": round(float(np.median(run.took_ms)), 2),
            "max": round(max(run.took_ms), 2),
            "most": MOST_MS,
        },
        "slopes_per_h": found,
    }


def slopes(taken: Sequence[Taken]) -> dict[str, dict[str, Any]]:
    """Give the slope of each, its interval of 95 %, and whether that is above nought."""
    if len(taken) < _LEAST_POINTS:
        return {}
    hours = np.array([one.hours for one in taken])
    found = {}
    for name in ("rss_mb", "files", "threads"):
        values = np.array([getattr(one, name) for one in taken], np.float64)
        slope, _, low, high = (float(x) for x in theilslopes(values, hours, 0.95))
        found[name] = {
            "median": round(float(np.median(values)), 1),
            "slope": round(slope, 3),
            "interval": [round(low, 3), round(high, 3)],
            "grows": low > 0.0,
        }
    return found
