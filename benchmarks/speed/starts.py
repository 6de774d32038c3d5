"""What the service costs before anything is decoded: its starts, its memory, its rest.

- ``ready_s``: from the command to the address on standard output
- ``first_sample_s``: from the request for a session until its worker has samples
- ``crash_s``: from a worker's death until its session runs again
- ``memory_mb``: proportional set size of all processes together, in which a page that several share
  counts once: of the service at rest, with one session, and of each further one of 8 channels at
  250 Hz
- ``idle``: share of a core at rest: of the service, and of each session in which nothing is decided
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from volition.benchmarks.speed.feeder import FedStream, Feeder
from volition.benchmarks.speed.latency import cpu_seconds
from volition.errors import VolitionError
from volition.service.client import Client
from volition.service.gateway.launch import RunningService, running_service

#: A spare worker starts within this time.
_SETTLE_S = 4.0
_MOST_WAIT_S = 30.0
_LOOK_S = 0.002


def measure(seconds: float, *, rounds: int = 5, further: int = 8) -> dict[str, Any]:
    """Measure all of it.

    Parameters
    ----------
    seconds
        Length of each rest.
    rounds
        Services that are started; starts are the medians of all.
    further
        Sessions beside the first, over which memory and processor time are shared out.

    Returns
    -------
    dict
        See the module; ``processes`` counts those of the service with one session.
    """
    ready_s, first_sample_s, crash_s = [], [], []
    with Feeder(8, 250.0, 0.04, n_streams=1 + further) as feeder:
        for _ in range(rounds):
            begun = time.perf_counter()
            with running_service() as service, Client(service.url) as client:
                ready_s.append(time.perf_counter() - begun)
                client.ready()
                time.sleep(_SETTLE_S)
                first_sample_s.append(_first_sample_s(client, feeder.streams[0]))
                crash_s.append(_crash_s(client))
        with running_service() as service, Client(service.url) as client:
            found = _rest(service, client, feeder.streams, seconds)
    return {
        "ready_s": round(median(ready_s), 3),
        "first_sample_s": round(median(first_sample_s), 3),
        "crash_s": round(median(crash_s), 3),
        **found,
    }


def _first_sample_s(client: Client, stream: FedStream) -> float:
    begun = time.perf_counter()
    client.create_session(_session(stream, 0))
    _until_running(client, "session-0")
    return time.perf_counter() - begun


def _crash_s(client: Client) -> float:
    """Kill the one worker; give how long until another has samples."""
    pid = client.session("session-0").worker_pid
    assert pid is not None
    begun = time.perf_counter()
    os.kill(pid, signal.SIGKILL)
    while client.session("session-0").worker_pid in (pid, None):
        time.sleep(_LOOK_S)
    _until_running(client, "session-0")
    return time.perf_counter() - begun


def _rest(
    service: RunningService, client: Client, streams: list[FedStream], seconds: float
) -> dict[str, Any]:
    client.ready()
    time.sleep(_SETTLE_S)
    memory = {"at rest": _pss_mb(service)}
    idle = _share(service, seconds)
    shares, n_processes = [], 0
    for number, stream in enumerate(streams):
        client.create_session(_session(stream, number))
        _until_running(client, f"session-{number}")
        if number in (0, len(streams) - 1):
            time.sleep(_SETTLE_S)
            memory[f"{number + 1} sessions"] = _pss_mb(service)
            shares.append(_share(service, seconds))
            n_processes = n_processes or len(_family(service))
    n_further = len(streams) - 1
    first, last = memory["1 sessions"], memory[f"{len(streams)} sessions"]
    return {
        "memory_mb": {name.replace("1 sessions", "1 session"): mb for name, mb in memory.items()}
        | {"a further session": round((last - first) / n_further, 1)},
        "processes": n_processes,
        "idle": {
            "service": round(idle, 4),
            "a session": round(shares[0] - idle, 4),
            "a further session": round((shares[1] - shares[0]) / n_further, 4),
        },
    }


def _session(stream: FedStream, number: int) -> dict[str, Any]:
    return {
        "name": f"session-{number}",
        "stream": {"source_id": stream.source_id},
        "stages": [{"kind": "bandpass", "low_hz": 5, "high_hz": 45}],
        "decoder": {
            "kind": "fbcca",
            "targets": [{"label": str(f), "freq_hz": f} for f in (9, 12, 15)],
            "trigger": "markers",
            "window_s": 1.0,
        },
    }


def _until_running(client: Client, id: str) -> None:
    deadline = time.perf_counter() + _MOST_WAIT_S
    while client.session(id).state != "running":
        if time.perf_counter() > deadline:
            raise VolitionError(f"session {id} did not run within {_MOST_WAIT_S:g} s")
        time.sleep(_LOOK_S)


def _share(service: RunningService, seconds: float) -> float:
    before, begun = cpu_seconds(service), time.perf_counter()
    time.sleep(seconds)
    return (cpu_seconds(service) - before) / (time.perf_counter() - begun)


def _family(service: RunningService) -> list[psutil.Process]:
    gateway = psutil.Process(service.pid)
    return [gateway, *gateway.children(recursive=True)]


def _pss_mb(service: RunningService) -> float:
    """Give the proportional set size of all processes of a service, where the system knows it."""
    total_kb = 0
    for process in _family(service):
        for line in Path(f"/proc/{process.pid}/smaps_rollup").read_text("ascii").splitlines():
            if line.startswith("Pss:"):
                total_kb += int(line.split()[1])
    return round(total_kb / 1024, 1)
