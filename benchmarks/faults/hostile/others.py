"""The intents of one session while a client does its worst to another.

What is measured is from the decision to the receipt by a socket in a process of its own, fifty
times a second; none may be lost, and neither the gateway nor a worker may grow.
"""

from __future__ import annotations

import contextlib
import functools
import os
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import psutil

from volition.benchmarks.faults.hostile import attacks
from volition.benchmarks.faults.hostile.attacks import Attack, attack
from volition.benchmarks.faults.hostile.stops import FAST
from volition.benchmarks.faults.injection.scene import Scene
from volition.benchmarks.speed.listeners import Listener

MOST_P99_MS, MOST_GROWTH_MB = 10.0, 100.0
_SECONDS = 20.0
_LOOK_S = 0.1
_MB = 1e6


def _row(scene: Scene, _: int, *, do: Attack | None = None) -> dict[str, Any]:
    """Listen to one session while another is attacked; give the figures of a row."""
    heard, attacked = (scene.session(scene.feeder(), decoder=FAST).session for _ in range(2))
    pids = [
        scene.service.pid,
        *(scene.client.session(id_).worker_pid or 0 for id_ in (heard, attacked)),
    ]
    url = f"{scene.service.url.replace('http', 'ws', 1)}/v1/sessions/{heard}/intents"
    with contextlib.ExitStack() as stack:
        grown_mb = stack.enter_context(_growth(pids))
        if do is not None:
            stack.enter_context(attack(do, scene.service.url, attacked))
        received = Listener(url, seconds=_SECONDS).result()
    took_ms = (received.t_received - received.t_decoded) * 1e3
    p99_ms = float(np.percentile(took_ms, 99))
    lost = int((np.diff(received.seq) - 1).sum())
    restarts = sum(scene.client.session(id_).epoch - 1 for id_ in (heard, attacked))
    within = p99_ms <= MOST_P99_MS and grown_mb() <= MOST_GROWTH_MB
    return {
        "ok": within and lost == 0 and restarts == 0,
        "latency_ms": {
            "p50": round(float(np.median(took_ms)), 2),
            "p99": round(p99_ms, 2),
            "max": round(float(took_ms.max()), 2),
            "most": MOST_P99_MS,
        },
        "intents": len(took_ms),
        "lost": lost,
        "grown_mb": round(grown_mb(), 1),
        "restarts": restarts,
        "load": os.getloadavg()[0],
    }


@contextlib.contextmanager
def _growth(pids: list[int]) -> Iterator[Callable[[], float]]:
    """Give what tells by how much these processes have grown together, in MB, at the most."""

    def taken() -> float:
        with contextlib.suppress(psutil.NoSuchProcess):  # one that died is seen by other figures
            return sum(psutil.Process(pid).memory_info().rss for pid in pids) / _MB
        return 0.0

    before, most, ends = taken(), 0.0, threading.Event()

    def watch() -> None:
        nonlocal most
        while not ends.wait(_LOOK_S):
            most = max(most, taken())

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield lambda: most - before
    finally:
        ends.set()
        thread.join()


def _reads(what: str, path: str) -> tuple[str, Attack]:
    return f"a program that reads {what} without a pause", functools.partial(
        attacks.reads_again_and_again, path
    )


def _does(do: Callable[[str, str], None]) -> tuple[str, Attack]:
    return (do.__doc__ or "").rstrip(".").lower(), do


_KINDS: dict[str, tuple[str, Attack]] = {
    "view": _reads("a session's view", "/v1/sessions/{session}"),
    "state": _reads("a session's state", "/v1/sessions/{session}/state"),
    "intents": _reads("a session's intents", "/v1/sessions/{session}/intents?limit=1000"),
    "spectrum": _reads("a session's spectrum", "/v1/sessions/{session}/spectrum?last_s=10"),
    "metrics": _reads("the metrics", "/metrics"),
    "documents": _reads("the documents", "/openapi.json"),
    "models": _reads("the list of models", "/v1/models"),
    **{
        do.__name__: _does(do)
        for do in (
            attacks.searches_for_streams,
            attacks.sends_without_end,
            attacks.sends_half_headers,
            attacks.posts_markers,
            attacks.sends_big_markers,
            attacks.marks_one_moment,
            attacks.calibrates_on_big_markers,
            attacks.pings,
            attacks.sends_ping_frames,
            attacks.uploads_networks,
            attacks.sends_large_bodies,
            attacks.shows_flashes,
        )
    },
}

ROWS: dict[str, tuple[str, Callable[[Scene, int], dict[str, Any]]]] = {
    "others.quiet": ("Intents of a session while nothing else happens", _row),
    **{
        f"others.{name}": (f"Intents of a session beside: {what}", functools.partial(_row, do=do))
        for name, (what, do) in _KINDS.items()
    },
}
"""What is tried, in words, and what measures it."""
