"""A WebSocket client in a process of its own that notes when each intent arrived."""

from __future__ import annotations

import asyncio
import gc
import json
import multiprocessing
from typing import Any

import numpy as np
import numpy.typing as npt
import websockets.asyncio.client

from streams.clock import local_clock

#: Intents that are not counted at the start: caches, first pages, the clock's first estimate.
WARM_UP_S = 1.0


class Listener:
    """Listens to one socket for a while.

    Parameters
    ----------
    url
        Of the socket.
    seconds
        How long, after the warm-up.
    """

    def __init__(self, url: str, seconds: float) -> None:
        context = multiprocessing.get_context("spawn")
        self._ours, theirs = context.Pipe()
        self._process = context.Process(target=_main, args=(url, seconds, theirs), daemon=True)
        self._process.start()
        theirs.close()

    def result(self) -> list[dict[str, float]]:
        """Wait for the end; give of each intent its own times and ``t_received``."""
        received: list[dict[str, float]] = self._ours.recv()
        self._process.join()
        return received


def latencies_ms(
    received: list[dict[str, float]], since: str = "t_sample"
) -> npt.NDArray[np.float64]:
    """Give milliseconds from a time in each intent to its receipt."""
    return np.array([(r["t_received"] - r[since]) * 1e3 for r in received])


def _main(url: str, seconds: float, results: Any) -> None:
    results.send(asyncio.run(_listen(url, seconds)))


async def _listen(url: str, seconds: float) -> list[dict[str, float]]:
    raw: list[tuple[float, str | bytes]] = []
    async with websockets.asyncio.client.connect(
        url, compression=None, proxy=None, max_queue=None
    ) as socket:
        gc.freeze()
        gc.disable()
        start = local_clock() + WARM_UP_S
        while (now := local_clock()) < start + seconds:
            message = await socket.recv()
            now = local_clock()
            if now >= start:
                raw.append((now, message))
    received = []
    for t_received, message in raw:
        data = json.loads(message)
        if "t_sample" in data:
            kept = {k: v for k, v in data.items() if k in ("t_sample", "t_decoded", "seq")}
            received.append({**kept, "t_received": t_received})
    return received
