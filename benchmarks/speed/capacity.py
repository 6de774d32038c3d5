"""Capacity: how many sessions, how many clients, how broad a signal, how soon, at what rest.

- ``sessions``: sessions of 8 channels at 250 Hz, added until the p99 of any passes the limit
- ``clients``: clients of one session at 50 intents a second, one of which never reads
- ``broadband``: 1024 channels at 30 kHz in chunks of 1 ms (the load that BRAND published), through
  a band-pass and threshold crossings into bins of 20 ms and a discriminative Kalman filter with
  Nadaraya-Watson regression on 5,000 points of 40 principal components (or a Kalman filter)
- ``cold start``: from the command to ready, and from a session made to its first intent
- ``idle``: CPU and memory of a service with one session whose stream brings nothing to decide

Latencies are counted as in `volition.benchmarks.speed.latency`.
"""

from __future__ import annotations

import contextlib
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import numpy as np
import psutil

from volition.benchmarks.speed.feeder import FedStream, Feeder
from volition.benchmarks.speed.latency import cpu_seconds, kalman_settings, latencies_ms, spread
from volition.benchmarks.speed.listeners import Crowd, Listener
from volition.decoders.kinematics.methods.dkf import DkfDecoder, DkfSettings
from volition.service.client import Client
from volition.service.gateway.launch import RunningService, running_service

LIMIT_MS = 10.0
CLIENT_COUNTS = (1, 10, 100, 500)
MAX_SESSIONS = 24
#: Longest time that the spare worker takes to start, in seconds.
_SPARE_S = 4.0
#: Bins that the broadband's decoder has learned from, all of which it asks in each.
_TRAINING_BINS = 5000
SpikeDecoder = Literal["kalman", "dkf"]
Say = Callable[[str], None]


def measure(seconds: float, on_step: Say = lambda _: None) -> dict[str, Any]:
    """Measure all of it; ``seconds`` is how long each load lasts."""
    on_step("cold start and rest")
    start = _start_and_rest(seconds)
    on_step("clients")
    clients = [_clients(n, seconds, on_step) for n in CLIENT_COUNTS]
    on_step("sessions")
    sessions = _sessions(seconds, on_step)
    on_step("broadband")
    return {**start, "clients": clients, **sessions, "broadband": broadband(seconds)}


# -- cold start and rest ------------------------------------------------------------------------


def _start_and_rest(seconds: float) -> dict[str, Any]:
    with Feeder(8, 250.0, 0.04) as feeder:
        begun = time.perf_counter()
        with running_service() as service, Client(service.url) as client:
            cold_start_s = time.perf_counter() - begun
            client.ready()
            time.sleep(_SPARE_S)
            before = time.perf_counter()
            session = client.create_session(_sliding(feeder.stream, "rest", window_s=0.5))
            client.intents(session.id, wait_s=30)
            first_intent_s = time.perf_counter() - before
            steps = client.session(session.id).steps
            first_sample_s = next(s.t for s in steps if s.state == "running") - steps[0].t
            memory = _memory_mb(service, client)
            client.delete(session.id)
            idle = client.create_session(_triggered(feeder.stream))
            _until_running(client, idle.id)
            time.sleep(_SPARE_S)  # another spare worker starts
            cpu_before = cpu_seconds(service)
            time.sleep(seconds)
            idle_share = (cpu_seconds(service) - cpu_before) / seconds
    return {
        "cold_start_s": round(cold_start_s, 3),
        "first_sample_s": round(first_sample_s, 3),
        "first_intent_s": round(first_intent_s, 3),
        "idle_cpu_share": round(idle_share, 4),
        "memory_mb": memory,
    }


def _memory_mb(service: RunningService, client: Client) -> dict[str, float]:
    """Give the memory that each process has for itself; pages shared by all count for none."""
    gateway = psutil.Process(service.pid)
    workers = [
        psutil.Process(session.worker_pid) for session in client.sessions() if session.worker_pid
    ]
    sizes = [round(p.memory_full_info().uss / 2**20, 1) for p in workers]
    return {"gateway": round(gateway.memory_full_info().uss / 2**20, 1), "worker": max(sizes)}


# -- clients ------------------------------------------------------------------------------------


def _clients(count: int, seconds: float, on_step: Say) -> dict[str, Any]:
    """Measure ``count`` clients of one session, one of them dead when there are several.

    One or two measure, each in a process of its own; the others read in one that they share.
    """
    on_step(f"{count} clients")
    n_measuring = 1 if count < 100 else 2
    n_dead = 1 if count > 1 else 0
    with contextlib.ExitStack() as stack:
        feeder = stack.enter_context(Feeder(8, 250.0, 0.02))
        service = stack.enter_context(running_service())
        client = stack.enter_context(Client(service.url))
        session = client.create_session(_kalman(feeder.stream, step_s=0.02))
        client.intents(session.id, wait_s=30)
        url = _socket_url(service, session.id)
        for _ in range(n_dead):
            stack.enter_context(_dead_client(url))
        n_others = count - n_dead - n_measuring
        if n_others:
            stack.enter_context(Crowd(url, n_others))
        measuring = [Listener(url, seconds=seconds) for _ in range(n_measuring)]
        received = [listener.result() for listener in measuring]
        pushed = feeder.finish()
    latencies = np.concatenate([latencies_ms(part, pushed) for part in received])
    lost = sum(int((np.diff(part.seq) - 1).sum()) for part in received)
    return {"clients": count, "dead": n_dead, **spread(latencies), "lost": lost}


@contextlib.contextmanager
def _dead_client(url: str) -> Iterator[None]:
    """Open a WebSocket by hand and never read from it."""
    address = urlsplit(url)
    assert address.hostname is not None
    with socket.create_connection((address.hostname, address.port)) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(
            f"GET {address.path} HTTP/1.1\r\nHost: {address.netloc}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        yield


# -- sessions -----------------------------------------------------------------------------------


def _sessions(seconds: float, on_step: Say) -> dict[str, Any]:
    """Add sessions, each with a stream of its own, until the limit is passed."""
    rows: list[dict[str, Any]] = []
    count = 4
    while count <= MAX_SESSIONS:
        on_step(f"{count} sessions")
        row = _so_many_sessions(count, seconds)
        rows.append(row)
        if row["p99_ms"] > LIMIT_MS or row["lost"]:
            break
        count += 4
    good = [row["sessions"] for row in rows if row["p99_ms"] <= LIMIT_MS and not row["lost"]]
    return {"sessions_at_10ms": max(good, default=0), "sessions": rows}


def _so_many_sessions(count: int, seconds: float) -> dict[str, Any]:
    with contextlib.ExitStack() as stack:
        feeder = stack.enter_context(Feeder(8, 250.0, 0.04, n_streams=count))
        service = stack.enter_context(running_service())
        client = stack.enter_context(Client(service.url))
        ids = []
        for number, stream in enumerate(feeder.streams):
            config = _kalman(stream, step_s=0.04, name=f"session-{number}")
            ids.append(client.create_session(config).id)
        for name in ids:
            client.intents(name, wait_s=60)
        before, begun = cpu_seconds(service), time.perf_counter()
        received = Listener(
            *(_socket_url(service, name) for name in ids), seconds=seconds
        ).results()
        share = (cpu_seconds(service) - before) / (time.perf_counter() - begun)
        pushed = feeder.finish_all()
    latencies = [latencies_ms(*pair) for pair in zip(received, pushed, strict=True)]
    worst = max(latencies, key=lambda ms: np.percentile(ms, 99))
    lost = sum(int((np.diff(part.seq) - 1).sum()) for part in received)
    return {"sessions": count, **spread(worst), "lost": lost, "cpu_share": round(share, 3)}


# -- broadband ----------------------------------------------------------------------------------


def broadband(
    seconds: float, n_channels: int = 1024, decoder: SpikeDecoder = "dkf"
) -> dict[str, Any]:
    """Measure broadband to movement, from the end of a bin to a client.

    Parameters
    ----------
    seconds
        How long.
    n_channels
        At 30 kHz, in chunks of a millisecond.
    decoder
        ``dkf`` or ``kalman``.

    Returns
    -------
    dict
        Latencies in milliseconds (``p50_ms`` …), ``lost`` intents, ``dropped_samples``,
        ``missing_samples`` (as the stamps tell), ``cpu_share`` of a core that the service took,
        gateway and worker together, and the worker's own times by step (``steps_ms``).
    """
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if decoder == "dkf":
            settings = _dkf_settings(n_channels, folder)
        else:
            settings = kalman_settings(n_channels, None)
        feeder = stack.enter_context(Feeder(n_channels, 30_000.0, 0.001))
        service = stack.enter_context(running_service())
        client = stack.enter_context(Client(service.url))
        session = client.create_session(_spikes(feeder.stream, settings))
        client.intents(session.id, wait_s=60)
        before, begun = cpu_seconds(service), time.perf_counter()
        received = Listener(_socket_url(service, session.id), seconds=seconds).result()
        share = (cpu_seconds(service) - before) / (time.perf_counter() - begun)
        state = client.state(session.id)
        pushed = feeder.finish()
    continuity = state.continuity
    return {
        "channels": n_channels,
        "decoder": decoder,
        **spread(latencies_ms(received, pushed)),
        "intents": len(received.seq),
        "lost": int((np.diff(received.seq) - 1).sum()),
        "dropped_samples": state.dropped_samples,
        "missing_samples": None if continuity is None else continuity.missing,
        "cpu_share": round(share, 3),
        "steps_ms": state.latency_ms,
    }


def _dkf_settings(n_channels: int, folder: Path) -> dict[str, Any]:
    """Fit a filter to counts of the size that noise crosses at; what it says means nothing."""
    random = np.random.default_rng(0)
    velocities = np.zeros((_TRAINING_BINS, 2))
    for number in range(1, _TRAINING_BINS):
        velocities[number] = 0.95 * velocities[number - 1] + 0.3 * random.standard_normal(2)
    tuning = random.normal(0, 0.3, (2, n_channels))
    counts = random.poisson(0.13 * np.exp(velocities @ tuning)).astype(np.float64)
    given = {
        "kind": "dkf",
        "features": {"n_components": min(40, n_channels)},
        "regression": {"kind": "nadaraya-watson"},
    }
    model = DkfDecoder.fit(DkfSettings.model_validate(given), counts, velocities)
    return {**given, "model": str(model.save(folder / "broadband"))}


# -- configurations -----------------------------------------------------------------------------


def _sliding(stream: FedStream, name: str, window_s: float) -> dict[str, Any]:
    return {
        "name": name,
        "stream": {"source_id": stream.source_id},
        "decoder": {
            "kind": "fbcca",
            "targets": [{"label": str(f), "freq_hz": f} for f in (9, 12, 15)],
            "trigger": "sliding",
            "window_s": window_s,
        },
    }


def _triggered(stream: FedStream) -> dict[str, Any]:
    config = _sliding(stream, "idle", window_s=1.0)
    config["decoder"]["trigger"] = "markers"
    return {**config, "stages": [{"kind": "bandpass", "low_hz": 5, "high_hz": 45}]}


def _kalman(stream: FedStream, step_s: float, name: str = "cursor") -> dict[str, Any]:
    return {
        "name": name,
        "stream": {"source_id": stream.source_id},
        "stages": [{"kind": "bandpass", "low_hz": 5, "high_hz": 45}],
        "decoder": kalman_settings(stream.n_channels, step_s),
    }


def _spikes(stream: FedStream, decoder: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": "broadband",
        "stream": {"source_id": stream.source_id},
        "stages": [
            {"kind": "bandpass", "low_hz": 300, "high_hz": 6000, "order": 2},
            {"kind": "threshold_crossings", "bin_s": 0.02},
        ],
        "decoder": decoder,
    }


def _socket_url(service: RunningService, id: str) -> str:
    return f"{service.url.replace('http', 'ws')}/v1/sessions/{id}/intents"


def _until_running(client: Client, id: str) -> None:
    with client.subscribe(id) as messages:
        for message in messages:
            if getattr(message, "state", None) == "running":
                return
