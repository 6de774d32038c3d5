"""Streams that another process sends."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from volition.streams.lsl.discovery import StreamDescription, find_streams

SENDER = Path(__file__).with_name("sender.py")


class Sender:
    """A process that makes outlets on command; every command waits for its answer."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(SENDER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def tell(self, do: str, key: str, **arguments: Any) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"do": do, "key": key, **arguments}) + "\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    def make(self, **arguments: Any) -> StreamDescription:
        """Make a stream under a source id of its own and find it."""
        source_id = arguments.setdefault("source_id", f"sender-{uuid.uuid4()}")
        arguments.setdefault("name", "sent")
        self.tell("make", source_id, **arguments)
        (found,) = find_streams(source_id=source_id, wait_s=10.0, minimum=1)
        return found

    def push(self, stream: StreamDescription, samples: list[list[Any]], times: list[float]) -> None:
        self.tell("push", stream.source_id, samples=samples, times=times)

    def count(self, stream: StreamDescription, n: int, *, chunk: int = 10, first: int = 0) -> float:
        answer = self.tell(
            "count",
            stream.source_id,
            first=first,
            n=n,
            chunk=chunk,
            n_channels=stream.n_channels,
            rate_hz=stream.rate_hz,
        )
        return float(answer["start"])

    def stop(self) -> None:
        if self.process.stdin is not None:
            self.process.stdin.close()
        self.process.wait(10)
        if self.process.stdout is not None:
            self.process.stdout.close()


@pytest.fixture(scope="session")
def shared_sender() -> Iterator[Sender]:
    """One process for all tests that do not end it."""
    sender = Sender()
    yield sender
    sender.stop()


@pytest.fixture
def sender() -> Iterator[Sender]:
    """A process that the test may end."""
    sender = Sender()
    yield sender
    sender.stop()
