"""Latency: from the LSL stamp of the newest sample to the receipt by a WebSocket client.

Each cell of the grid feeds one real outlet to the real service and, in turn and in the same run,
to the floor (`benchmarks.relay`): A B C A B C ..., so that what slows the machine slows all.
A latency is counted from the newest sample that an intent used, without the wait for its chunk to
fill. Lost samples are seen in the intents' own times: decoders count samples, so two decisions lie
exactly one step apart unless a sample was lost or came twice.
"""

from __future__ import annotations

import contextlib
import multiprocessing
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import psutil

from benchmarks.feed import Feed, feeding
from benchmarks.listen import Listener, latencies_ms
from benchmarks.relay import pulled, relaying
from service.client import Client
from service.launch import RunningService, running_service

DecoderName = Literal["fbcca", "kalman"]
Floats = npt.NDArray[np.float64]

#: Channels and rate of each signal in the grid, and the length of its chunks.
SIGNALS = ((8, 250.0), (32, 500.0), (64, 1000.0), (256, 2000.0))
CHUNKS_S = (0.001, 0.010, 0.040)


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of the grid."""

    n_channels: int = 64
    rate_hz: float = 1000.0
    chunk_s: float = 0.010
    decoder: DecoderName = "fbcca"
    busy: bool = False


def measure(
    cell: Cell, *, seconds: float, rounds: int, on_round: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """Measure one cell.

    Parameters
    ----------
    cell
        What to measure.
    seconds
        Of each contender, over all rounds.
    rounds
        How often the contenders take turns.
    """
    share_s = seconds / rounds
    with contextlib.ExitStack() as stack:
        if cell.busy:
            stack.enter_context(_one_busy_core())
        feed = stack.enter_context(feeding(cell.n_channels, cell.rate_hz, cell.chunk_s))
        service = stack.enter_context(running_service())
        client = stack.enter_context(Client(service.url))
        session = client.create_session(_config(feed, cell.decoder))
        url = f"{service.url.replace('http', 'ws')}/v1/sessions/{session.id}/intents"
        client.intents(session.id, wait_s=30)
        bare = stack.enter_context(relaying(feed, filtered=False))
        filtered = stack.enter_context(relaying(feed, filtered=True))
        ours: list[list[dict[str, float]]] = []
        floors: dict[str, list[Floats]] = {"pull": [], "echo": [], "relay": []}
        cpu_s = signal_s = 0.0
        for number in range(rounds):
            on_round(f"round {number + 1} of {rounds}")
            before = _cpu_s(service)
            ours.append(Listener(url, share_s).result())
            cpu_s += _cpu_s(service) - before
            signal_s += share_s
            floors["pull"].append(pulled(feed, share_s) * 1e3)
            floors["echo"].append(latencies_ms(Listener(bare, share_s).result()))
            floors["relay"].append(latencies_ms(Listener(filtered, share_s).result()))
        steps = client.state(session.id).latency_ms
    return _report(cell, ours, floors, steps, cpu_s / signal_s)


def _report(
    cell: Cell,
    ours: list[list[dict[str, float]]],
    floors: dict[str, list[Floats]],
    steps: dict[str, dict[str, float]],
    cpu_share: float,
) -> dict[str, Any]:
    received = [intent for part in ours for intent in part]
    total = latencies_ms(received)
    from_decoded = latencies_ms(received, "t_decoded")
    relay = np.concatenate(floors["relay"])
    ratios = [
        float(np.median(latencies_ms(part)) / np.median(floor))
        for part, floor in zip(ours, floors["relay"], strict=True)
    ]
    return {
        "channels": cell.n_channels,
        "rate_hz": cell.rate_hz,
        "chunk_ms": cell.chunk_s * 1e3,
        "decoder": cell.decoder,
        "busy_core": cell.busy,
        **_spread(total),
        "lost": sum(_lost(part) for part in ours),
        "lost_samples": sum(_lost_samples(part, cell) for part in ours),
        "without_decoding": _spread(total - _decoding_ms(total, from_decoded, steps)),
        "steps_ms": {name: times for name, times in steps.items() if times},
        "decoded_to_client": _spread(from_decoded),
        "floor": {name: _spread(np.concatenate(parts)) for name, parts in floors.items()},
        "ratio_p50": round(float(np.median(total) / np.median(relay)), 3),
        "ratio_p50_by_round": [round(ratio, 3) for ratio in ratios],
        "cpu_share": round(cpu_share, 4),
    }


def _decoding_ms(total: Floats, from_decoded: Floats, steps: dict[str, dict[str, float]]) -> Floats:
    """Give the decision's own compute in each intent: what lies between its pull and its decoding.

    From sample to decoded is the pull, the stages and the decision; the first two are taken at
    their medians, since an intent does not carry them.
    """
    before = steps["lsl"]["p50"] + steps["stages"]["p50"]
    return np.maximum(total - from_decoded - before, 0.0)


def _spread(values_ms: Floats) -> dict[str, float]:
    p50, p90, p99, p999 = np.percentile(values_ms, (50, 90, 99, 99.9))
    return {
        "n": len(values_ms),
        "p50_ms": round(float(p50), 4),
        "p90_ms": round(float(p90), 4),
        "p99_ms": round(float(p99), 4),
        "p999_ms": round(float(p999), 4),
        "max_ms": round(float(values_ms.max()), 4),
    }


def _lost(received: list[dict[str, float]]) -> int:
    numbers = np.array([intent["seq"] for intent in received])
    return int((np.diff(numbers) - 1).sum())


def _lost_samples(received: list[dict[str, float]], cell: Cell) -> int:
    """Count samples that are missing or doubled between decisions that lie a fixed step apart.

    The stamps of a feed follow its real pushes, so a step is judged to the nearest chunk.
    """
    times = np.array([intent["t_sample"] for intent in received])
    steps = np.diff(times) * cell.rate_hz
    expected = np.median(steps)
    chunk = max(1.0, cell.chunk_s * cell.rate_hz)
    return int(np.abs(np.round((steps - expected) / chunk)).sum() * chunk)


def _config(feed: Feed, decoder: DecoderName) -> dict[str, Any]:
    stages = [
        {"kind": "bandpass", "low_hz": 5, "high_hz": 45},
        {"kind": "notch", "freq_hz": 50},
    ]
    return {
        "name": "latency",
        "stream": {"source_id": feed.source_id},
        "stages": stages,
        "decoder": DECODERS[decoder],
    }


DECODERS: dict[DecoderName, dict[str, Any]] = {
    "fbcca": {
        "kind": "fbcca",
        "targets": [{"label": f"{f} Hz", "freq_hz": f} for f in (9, 11, 13, 15)],
        "trigger": "sliding",
        "window_s": 1.0,
        "step_s": 0.05,
    }
}


def _cpu_s(service: RunningService) -> float:
    """Give the CPU seconds of the gateway and all its workers so far."""
    gateway = psutil.Process(service.pid)
    times = [p.cpu_times() for p in (gateway, *gateway.children(recursive=True))]
    return float(sum(t.user + t.system for t in times))


@contextlib.contextmanager
def _one_busy_core() -> Iterator[None]:
    process = multiprocessing.get_context("spawn").Process(target=_spin, daemon=True)
    process.start()
    try:
        yield
    finally:
        process.kill()
        process.join()


def _spin() -> None:
    while True:
        pass
