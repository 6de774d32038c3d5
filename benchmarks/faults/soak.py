"""Does anything grow, and does it stay as fast? Sessions and clients at work for a long while.

The latency of the last minute is compared with that of the first, both after the warm-up; memory,
open files and threads are those of the gateway and all its workers together.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from volition.benchmarks.speed.feeder import Feeder
from volition.benchmarks.speed.footprint import Footprint
from volition.benchmarks.speed.latency import kalman_settings, latencies_ms
from volition.benchmarks.speed.listeners import WARM_UP_S as CLOCK_SETTLES_S
from volition.benchmarks.speed.listeners import Listener, Received
from volition.service.client import Client
from volition.service.gateway.launch import running_service

_N_CHANNELS, _RATE_HZ, _CHUNK_S = 8, 250.0, 0.02
_STAGES = [{"kind": "bandpass", "low_hz": 5, "high_hz": 45}, {"kind": "notch", "freq_hz": 50}]
#: A cursor that moves with every chunk. The service keeps 10,000 intents of each session, and so
#: many have come within the warm-up; what grows after that should not. (At ten times as many their
#: numbers get another digit, and those that are kept find other places in memory once: 0.5 MB a
#: session, half an hour later, and soon if each sample gave an intent.)
_DECODER = kalman_settings(_N_CHANNELS, _CHUNK_S)
_MINUTE_S, _WARM_UP_S = 60.0, 240.0

Floats = npt.NDArray[np.float64]


def soak(
    minutes: float, *, sessions: int = 2, on_step: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """Run sessions for some minutes after the warm-up.

    Parameters
    ----------
    minutes
        How long is measured.
    sessions
        Of 8 channels at 250 Hz each, 50 intents a second, with one client each.
    on_step
        Is told what goes on.
    """
    seconds = minutes * 60.0
    with contextlib.ExitStack() as stack:
        service = stack.enter_context(running_service())
        client = stack.enter_context(Client(service.url))
        feeders, urls = [], []
        for number in range(sessions):
            feeder = stack.enter_context(Feeder(_N_CHANNELS, _RATE_HZ, _CHUNK_S))
            session = client.create_session(_config(number, feeder.stream.source_id))
            client.intents(session.id, wait_s=30)
            feeders.append(feeder)
            urls.append(f"{service.url.replace('http', 'ws')}/v1/sessions/{session.id}/intents")
        on_step(f"{sessions} sessions run; {_WARM_UP_S + seconds:.0f} s to go")
        with Footprint(service.pid) as footprint:
            listeners = [
                Listener(url, seconds=_WARM_UP_S + seconds - CLOCK_SETTLES_S) for url in urls
            ]
            received = [listener.result() for listener in listeners]
        states = [client.state(f"soak-{number}") for number in range(sessions)]
        latencies = [
            latencies_ms(intents, feeder.finish())
            for intents, feeder in zip(received, feeders, strict=True)
        ]
    return {
        "minutes": minutes,
        "sessions": sessions,
        **footprint.report(_WARM_UP_S),
        **_first_and_last(received, latencies, min(_MINUTE_S, seconds / 2)),
        "intents": sum(len(intents.seq) for intents in received),
        "lost_intents": sum(int((np.diff(intents.seq) - 1).sum()) for intents in received),
        "dropped_samples": sum(state.dropped_samples for state in states),
        "worker_restarts": sum(state.restarts for state in states),
    }


def _config(number: int, source_id: str) -> dict[str, Any]:
    return {
        "name": f"soak-{number}",
        "stream": {"source_id": source_id},
        "stages": _STAGES,
        "decoder": _DECODER,
    }


def _first_and_last(
    received: Sequence[Received], latencies: Sequence[Floats], span_s: float
) -> dict[str, Any]:
    """Compare the 99th percentile of the first span after the warm-up with that of the last."""
    t = np.concatenate([intents.t_received for intents in received])
    start = max(intents.t_received[0] for intents in received) + _WARM_UP_S
    end = min(intents.t_received[-1] for intents in received)
    n_spans = max(2, int((end - start) / span_s))
    spans = np.floor((t - start) / (end - start) * n_spans)
    values = np.concatenate(latencies)
    p99s = [float(np.percentile(values[spans == span], 99)) for span in range(n_spans)]
    return {
        "p99_first_ms": round(p99s[0], 3),
        "p99_last_ms": round(p99s[-1], 3),
        "p99_ratio": round(p99s[-1] / p99s[0], 3),
        # How much a machine does to it that has nothing to do with time.
        "p99_by_span_ms": [round(p99, 3) for p99 in p99s],
    }
