"""A real service, real headsets."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from volition.service.client import Client
from volition.service.gateway.launch import RunningService, running_service
from volition.streams.simulated.headset import HeadsetOptions, HeadsetProcess, Sine, SyntheticSignal


@pytest.fixture(scope="module")
def service() -> Iterator[RunningService]:
    with running_service() as running:
        yield running


@pytest.fixture
def client(service: RunningService) -> Iterator[Client]:
    with Client(service.url) as connected:
        yield connected
        for session in connected.sessions():
            connected.delete(session.id)


@pytest.fixture(scope="module")
def headset() -> Iterator[str]:
    """The source id of a headset whose wearer looks at 12 Hz; channel 8 counts the samples."""
    source_id = f"headset-{uuid.uuid4().hex}"
    signal = SyntheticSignal(
        8, 250.0, sines=(Sine(12.0, 5.0),), noise_uv=3.0, counter_channel=7, seed=1
    )
    with HeadsetProcess(HeadsetOptions(signal, source_id=source_id, chunk_samples=5)):
        yield source_id


@pytest.fixture
def sliding(headset: str) -> Callable[..., dict[str, Any]]:
    """Make a configuration that decides ten times a second."""

    def make(**changes: Any) -> dict[str, Any]:
        return {
            "stream": {"source_id": headset, "channels": ["1", "2", "3", "4"]},
            "stages": [{"kind": "bandpass", "low_hz": 5, "high_hz": 45}],
            "decoder": {
                "kind": "fbcca",
                "targets": [
                    {"label": "slow", "freq_hz": 9},
                    {"label": "looked at", "freq_hz": 12},
                ],
                "trigger": "sliding",
                "window_s": 1.0,
                "step_s": 0.1,
            },
            "selections": "every",
            **changes,
        }

    return make
