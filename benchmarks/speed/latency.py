"""Latency: from the LSL stamp of the newest sample to the receipt by a WebSocket client.

Each cell of the grid feeds one real outlet to the real service and, in turn and in the same run,
to the floor (`volition.benchmarks.speed.relay`): A B C A B C ..., so that what slows the machine
slows all. A latency is counted from the push of the chunk that held the newest sample an intent
used, so the wait for the chunk to fill is not in it. Lost samples are those that the session had
not counted, between two looks at its state, of those that were pushed meanwhile.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import psutil

from volition.benchmarks.speed.feeder import FedStream, Feeder, completed
from volition.benchmarks.speed.listeners import WARM_UP_S, Listener, Received
from volition.benchmarks.speed.relay import pull, relaying
from volition.children import spawning
from volition.service.client import Client
from volition.service.gateway.launch import RunningService, running_service
from volition.service.wire.state import StateView

DecoderName = Literal["fbcca", "kalman"]
Floats = npt.NDArray[np.float64]

#: Channels and rate of each signal in the grid, and the length of its chunks.
SIGNALS = ((8, 250.0), (32, 500.0), (64, 1000.0), (256, 2000.0))
CHUNKS_S = (0.001, 0.010, 0.040)

_SESSION = "latency"
#: Longest time that the worker in reserve takes to start, in seconds.
_SPARE_S = 4.0


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of the grid."""

    n_channels: int = 64
    rate_hz: float = 1000.0
    chunk_s: float = 0.010
    decoder: DecoderName = "fbcca"
    busy: bool = False
    rehearse: bool = True


def measure(
    cell: Cell,
    *,
    seconds: float,
    rounds: int,
    floor_seconds: float | None = None,
    on_round: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Measure one cell.

    Parameters
    ----------
    cell
        What to measure.
    seconds
        Length of each contender's measurement, over all rounds.
    floor_seconds
        Length of each part of the floor's, where it differs.
    rounds
        How often the contenders take turns.
    """
    share_s = seconds / rounds
    floor_s = (floor_seconds or seconds) / rounds
    ours: list[Received] = []
    looks: list[tuple[StateView, StateView]] = []
    floors: dict[str, list[Received]] = {"pull": [], "echo": [], "relay": []}
    steps: dict[str, dict[str, float]] = {}
    cpu_s = 0.0
    with contextlib.ExitStack() as stack:
        if cell.busy:
            stack.enter_context(_one_busy_core())
        feeder = stack.enter_context(Feeder(cell.n_channels, cell.rate_hz, cell.chunk_s))
        stream = feeder.stream
        service = stack.enter_context(running_service())
        client = stack.enter_context(Client(service.url))
        for number in range(rounds):
            on_round(f"round {number + 1} of {rounds}")
            # Each is there in its own turn alone: one more inlet on the outlet costs all of them.
            with in_session(client, cell, stream) as url:
                before, state = cpu_seconds(service), client.state(_SESSION)
                ours.append(Listener(url, seconds=share_s).result())
                cpu_s += cpu_seconds(service) - before
                looks.append((state, client.state(_SESSION)))
                steps = looks[-1][1].latency_ms
            floors["pull"].append(pull(stream, floor_s))
            for name, filtered in (("echo", False), ("relay", True)):
                with relaying(stream, filtered=filtered) as url:
                    floors[name].append(Listener(url, seconds=floor_s).result())
        pushed = feeder.finish()
    report = {
        **_report(cell, ours, floors, steps, pushed),
        "lost_samples": sum(lost_samples(first, last, stream, pushed) for first, last in looks),
    }
    return {**report, "cpu_share": round(cpu_s / (seconds + rounds * WARM_UP_S), 4)}


@contextlib.contextmanager
def in_session(client: Client, cell: Cell, stream: FedStream) -> Iterator[str]:
    """Run a cell's session; give its socket's address once it decides and the spare is there."""
    client.create_session(_config(stream, cell.decoder, rehearse=cell.rehearse))
    try:
        client.intents(_SESSION, wait_s=30)
        time.sleep(_SPARE_S)
        yield f"{client.url.replace('http', 'ws')}/v1/sessions/{_SESSION}/intents"
    finally:
        client.delete(_SESSION)


def _report(
    cell: Cell,
    ours: list[Received],
    floors: dict[str, list[Received]],
    steps: dict[str, dict[str, float]],
    pushed: Floats,
) -> dict[str, Any]:
    total = np.concatenate([latencies_ms(part, pushed) for part in ours])
    after = np.concatenate([(part.t_received - part.t_decoded) * 1e3 for part in ours])
    # From sample to decoded lie the pull, the stages and the decision; an intent carries only the
    # sum, so the first two are taken at their medians.
    decision = np.maximum(total - after - steps["lsl"]["p50"] - steps["stages"]["p50"], 0.0)
    floor = {name: [latencies_ms(part, pushed) for part in parts] for name, parts in floors.items()}
    by_round = [
        float(np.median(latencies_ms(part, pushed)) / np.median(relay))
        for part, relay in zip(ours, floor["relay"], strict=True)
    ]
    return {
        "channels": cell.n_channels,
        "rate_hz": cell.rate_hz,
        "chunk_ms": cell.chunk_s * 1e3,
        "decoder": cell.decoder,
        "busy_core": cell.busy,
        "rehearse": cell.rehearse,
        **spread(total),
        "lost": sum(int((np.diff(part.seq) - 1).sum()) for part in ours),
        "without_decision": spread(total - decision),
        "steps_ms": {
            **{name: times for name, times in steps.items() if times},
            "after_decoding": spread(after),
        },
        "floor": {name: spread(np.concatenate(parts)) for name, parts in floor.items()},
        "ratio_p50": round(float(np.median(total) / np.median(np.concatenate(floor["relay"]))), 3),
        "ratio_p50_by_round": [round(ratio, 3) for ratio in by_round],
    }


def latencies_ms(received: Received, pushed: Floats) -> Floats:
    """Give milliseconds from the push of each intent's newest sample to its receipt."""
    return (received.t_received - completed(received.t_sample, pushed)) * 1e3


def lost_samples(first: StateView, last: StateView, stream: FedStream, pushed: Floats) -> int:
    """Count the samples pushed between two states that the session did not take in exactly once."""

    def number(state: StateView) -> int:
        if not state.fresh or state.t_newest is None:
            raise RuntimeError(f"the session did not tell its state: {state.state}")
        at = int(np.searchsorted(pushed, state.t_newest - 1e-6))
        early_s = float(pushed[at]) - state.t_newest
        return (at + 1) * stream.chunk_samples - round(early_s * stream.rate_hz)

    return abs(number(last) - number(first) - (last.samples - first.samples))


def spread(values_ms: Floats) -> dict[str, Any]:
    """Give the percentiles that every report has; None where a load let nothing through."""
    if not len(values_ms):
        names = ("p50_ms", "p90_ms", "p99_ms", "p999_ms", "max_ms")
        return {"n": 0, **dict.fromkeys(names)}
    p50, p90, p99, p999 = np.percentile(values_ms, (50, 90, 99, 99.9))
    return {
        "n": len(values_ms),
        "p50_ms": round(float(p50), 4),
        "p90_ms": round(float(p90), 4),
        "p99_ms": round(float(p99), 4),
        "p999_ms": round(float(p999), 4),
        "max_ms": round(float(values_ms.max()), 4),
    }


def _config(stream: FedStream, decoder: DecoderName, *, rehearse: bool) -> dict[str, Any]:
    return {
        "name": _SESSION,
        "stream": {"source_id": stream.source_id},
        "stages": [
            {"kind": "bandpass", "low_hz": 5, "high_hz": 45},
            {"kind": "notch", "freq_hz": 50},
        ],
        "rehearse": rehearse,
        "selections": "every",
        "decoder": _fbcca()
        if decoder == "fbcca"
        else kalman_settings(stream.n_channels, stream.chunk_samples / stream.rate_hz),
    }


def _fbcca() -> dict[str, Any]:
    """Four targets, a window of 1 s, 20 decisions a second."""
    return {
        "kind": "fbcca",
        "targets": [{"label": f"{f} Hz", "freq_hz": f} for f in (9, 11, 13, 15)],
        "trigger": "sliding",
        "window_s": 1.0,
        "step_s": 0.05,
    }


def kalman_settings(n_features: int, step_s: float | None) -> dict[str, Any]:
    """Give a steady-state filter that moves a cursor with each bin; its matrices mean nothing."""
    observation = np.random.default_rng(0).normal(0, 1, (n_features, 2))
    return {
        "kind": "kalman",
        "form": "steady",
        "step_s": step_s,
        "matrices": {
            "transition": [[0.95, 0.0], [0.0, 0.95]],
            "transition_covariance": [[0.1, 0.0], [0.0, 0.1]],
            "observation": observation.tolist(),
            "observation_variance": [100.0] * n_features,
        },
    }


def cpu_seconds(service: RunningService) -> float:
    """Give the CPU seconds of the gateway and all its workers so far."""
    gateway = psutil.Process(service.pid)
    times = [p.cpu_times() for p in (gateway, *gateway.children(recursive=True))]
    return float(sum(t.user + t.system for t in times))


@contextlib.contextmanager
def _one_busy_core() -> Iterator[None]:
    process = spawning.Process(target=_spin, daemon=True)
    process.start()
    try:
        yield
    finally:
        process.kill()
        process.join()


def _spin() -> None:
    while True:
        pass
