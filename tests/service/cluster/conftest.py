"""A server of the bus, nodes and gateways, each a process of its own on this host."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from volition.children import python_module
from volition.service.cluster.server_config import Place, new_passwords, server_config
from volition.service.gateway.launch import RunningService, running_service
from volition.streams.simulated.headset import HeadsetOptions, HeadsetProcess, Sine, SyntheticSignal

NODES = ("a", "b")
_READY_S = 20.0


class Bus(NamedTuple):
    """A server that runs, and who may use it."""

    port: int
    passwords: dict[str, str]

    def url(self, user: str) -> str:
        return f"nats://{user}:{self.passwords[user]}@127.0.0.1:{self.port}"


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def server_path() -> str:
    beside = Path(sys.executable).with_name("nats-server")
    found = str(beside) if beside.exists() else shutil.which("nats-server")
    if found is None:
        pytest.skip("no nats-server: the test environment of the locks has one")
    return found


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[Bus]:
    made = Bus(free_port(), new_passwords(NODES))
    file = tmp_path / "server.conf"
    place = Place("one", "127.0.0.1", made.port, tmp_path / "store")
    file.write_text(server_config(place, made.passwords), "utf-8")
    with (tmp_path / "server.log").open("wb") as log:
        process = subprocess.Popen([server_path(), "-c", str(file)], stdout=log, stderr=log)
    try:
        _await_port(made.port)
        yield made
    finally:
        process.kill()
        process.wait()


def _await_port(port: int) -> None:
    end = time.monotonic() + _READY_S
    while time.monotonic() < end:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 0.5).close()
            return
        time.sleep(0.02)
    pytest.fail("the server of the bus does not listen")


StartNode = Callable[[str], "subprocess.Popen[str]"]


@pytest.fixture
def start_node(bus: Bus) -> Iterator[StartNode]:
    """Start a node, and wait until it is ready."""
    running: list[subprocess.Popen[str]] = []

    def start(name: str) -> subprocess.Popen[str]:
        command = python_module("volition.service.cli", "node")
        options = ["--bus", bus.url(name), "--name", name, "--json", "--log-level", "warning"]
        process = subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True)
        running.append(process)
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["node"] == name
        return process

    yield start
    for process in running:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


@pytest.fixture
def start_gateway(bus: Bus) -> Iterator[Callable[[], RunningService]]:
    with contextlib.ExitStack() as opened:
        yield lambda: opened.enter_context(running_service("--bus", bus.url("gateway")))


@pytest.fixture(scope="module")
def headset() -> Iterator[str]:
    source_id = f"headset-{uuid.uuid4().hex}"
    signal = SyntheticSignal(4, 250.0, sines=(Sine(12.0, 5.0),), noise_uv=3.0, seed=1)
    with HeadsetProcess(HeadsetOptions(signal, source_id=source_id, chunk_samples=5)):
        yield source_id


@pytest.fixture
def config(headset: str) -> dict[str, Any]:
    """A session that decides ten times a second."""
    return {
        "name": "kept",
        "stream": {"source_id": headset},
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
    }
