"""Subscribers in processes of their own that stamp what a contender sends when it is received.

A message says when its newest sample was and how many samples it holds; when it came is noted
before anything is parsed. Messages of the first seconds are read and forgotten: contenders still
settle (Volition starts the worker that it keeps in reserve), and that they start is not measured.
"""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import websockets.asyncio.server
import websockets.sync.client

from volition.children import spawning
from volition.streams import lsl
from volition.streams.lsl.clock import local_clock

#: Longest time from a contender's start to its first message, in seconds.
START_S = 30.0
#: Between the first message and those that are measured.
SETTLE_S = 5.0
_LOOK_S = 0.2
_PULL_SAMPLES = 4096


@dataclass(frozen=True)
class Messages:
    """What came, in order.

    Attributes
    ----------
    t_sample : ndarray of float64, shape (n,)
        When the newest sample of each message was, by the contender's word.
    t_received : ndarray of float64, shape (n,)
        LSL time of receipt.
    n_samples : ndarray of int64, shape (n,)
        Samples of each message; 0 where it does not say.
    """

    t_sample: npt.NDArray[np.float64]
    t_received: npt.NDArray[np.float64]
    n_samples: npt.NDArray[np.int64]


class Subscriber:
    """One that receives for a while; ``address`` is where, for one that is connected to.

    Parameters
    ----------
    receive
        Takes what follows, the pipe and the seconds; sends its address (or None), then that the
        first message is here, that it measures, and the messages.
    where
        What it listens to.
    seconds
        How long messages are measured.
    """

    def __init__(self, receive: Callable[..., None], where: Any, seconds: float) -> None:
        self._ours, theirs = spawning.Pipe()
        self._process = spawning.Process(target=receive, args=(where, theirs, seconds), daemon=True)
        self._process.start()
        theirs.close()
        self.address: Any = self._next(START_S)
        self._seconds = seconds

    def wait_for_first(self, alive: Callable[[], bool]) -> None:
        """Wait until the first message came.

        Raises
        ------
        TimeoutError
            None comes within `START_S`, or whoever sends is not ``alive`` any more.
        """
        end = time.monotonic() + START_S
        while not self._ours.poll(_LOOK_S):
            if not alive() or time.monotonic() > end:
                self.close()
                raise TimeoutError("nothing was sent")
        self._next(0.0)

    def wait_until_settled(self) -> None:
        """Wait until messages are measured."""
        self._next(SETTLE_S + START_S)

    def result(self) -> Messages:
        """Wait for the end; give what came."""
        messages: Messages = self._next(self._seconds + START_S)
        self._process.join()
        return messages

    def close(self) -> None:
        """End it, whatever it does."""
        self._process.kill()
        self._process.join()

    def _next(self, timeout_s: float) -> Any:
        if not self._ours.poll(timeout_s):
            self.close()
            raise TimeoutError(f"the subscriber heard nothing for {timeout_s:g} s")
        try:
            return self._ours.recv()
        except EOFError:
            raise TimeoutError("the subscriber ended: nobody sends") from None


# -- WebSocket ----------------------------------------------------------------------------------


class _Progress:
    """Tells the parent where a subscriber is: first message, measuring, done."""

    def __init__(self, pipe: Any, seconds: float) -> None:
        self._pipe, self._seconds = pipe, seconds
        self.since = self._end = math.inf
        self._measures = False

    def over(self, now: float) -> bool:
        """Note that a message came; say whether it was the last one."""
        if now > self._end:
            return True
        if math.isinf(self._end):
            self.since, self._end = now + SETTLE_S, now + SETTLE_S + self._seconds
            self._pipe.send(True)
        elif now >= self.since and not self._measures:
            self._measures = True
            self._pipe.send(True)
        return False


def from_websocket(url: str, pipe: Any, seconds: float) -> None:
    """Connect to ``url`` and receive."""
    pipe.send(None)
    raw: list[tuple[float, str | bytes]] = []
    progress = _Progress(pipe, seconds)
    with websockets.sync.client.connect(url, compression=None, proxy=None) as socket:
        while True:
            message = socket.recv()
            now = local_clock()
            raw.append((now, message))
            if progress.over(now):
                break
    pipe.send(_parsed(raw, progress.since))


def at_websocket(_: None, pipe: Any, seconds: float) -> None:
    """Be connected to, and receive; the address is a port."""
    asyncio.run(_serve(pipe, seconds))


async def _serve(pipe: Any, seconds: float) -> None:
    raw: list[tuple[float, str | bytes]] = []
    progress = _Progress(pipe, seconds)
    done = asyncio.Event()

    async def receive(socket: websockets.asyncio.server.ServerConnection) -> None:
        async for message in socket:
            now = local_clock()
            raw.append((now, message))
            if progress.over(now):
                done.set()
                return

    async with websockets.asyncio.server.serve(receive, "127.0.0.1", 0, compression=None) as server:
        pipe.send(next(iter(server.sockets)).getsockname()[1])
        await done.wait()
        pipe.send(_parsed(raw, progress.since))


def _parsed(raw: list[tuple[float, str | bytes]], since: float) -> Messages:
    parsed = [(t, json.loads(text)) for t, text in raw if t >= since]
    kept = [(t, data) for t, data in parsed if "t_sample" in data]
    return Messages(
        np.array([data["t_sample"] for _, data in kept], np.float64),
        np.array([t for t, _ in kept], np.float64),
        np.array([data.get("n", 0) for _, data in kept], np.int64),
    )


# -- LSL ----------------------------------------------------------------------------------------


def from_lsl(where: tuple[str, str], pipe: Any, seconds: float) -> None:
    """Receive the stream whose property (the first of ``where``) has a value (the second)."""
    pipe.send(None)
    pylsl = lsl.load()
    (info,) = pylsl.resolve_byprop(*where, 1, START_S)
    inlet = pylsl.StreamInlet(info, recover=False)
    inlet.open_stream(10.0)
    rows: list[tuple[float, float, int]] = []
    progress = _Progress(pipe, seconds)
    while True:
        _, first = inlet.pull_sample(5.0)
        if first is None:
            raise TimeoutError(f"the stream of {where} is silent")
        now = local_clock()
        _, more = inlet.pull_chunk(0.0, _PULL_SAMPLES)
        rows.append((more[-1] if more else first, now, 1 + len(more)))
        if progress.over(now):
            break
    kept = np.array([row for row in rows if row[1] >= progress.since])
    times = kept[:, 0]
    if abs(times[-1] - kept[-1, 1]) > 3600:  # it stamps by the time of day
        times = times - (time.time() - local_clock())
    pipe.send(Messages(times, kept[:, 1], kept[:, 2].astype(np.int64)))
