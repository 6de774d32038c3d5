"""WebSocket clients in a process of their own that note when each intent arrived."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import websockets.asyncio.client

from volition.children import spawning
from volition.streams.lsl.clock import local_clock

#: Intents that are not counted at the start: caches, first pages, the clock's first estimate.
WARM_UP_S = 1.0
_CONNECT_S = 60.0


@dataclass(frozen=True)
class Received:
    """The intents that came, in order.

    Attributes
    ----------
    t_sample, t_decoded, t_received : ndarray of float64, shape (n,)
        LSL times; ``t_decoded`` is 0 where the sender has none.
    seq : ndarray of int64, shape (n,)
        Their numbers; 0 where the sender has none.
    """

    t_sample: npt.NDArray[np.float64]
    t_decoded: npt.NDArray[np.float64]
    t_received: npt.NDArray[np.float64]
    seq: npt.NDArray[np.int64]


class Listener:
    """Listens to one socket for a while, or to some.

    Parameters
    ----------
    urls
        Addresses of the sockets.
    seconds
        How long, after the warm-up.
    """

    def __init__(self, *urls: str, seconds: float) -> None:
        self._ours, theirs = spawning.Pipe()
        self._process = spawning.Process(target=_main, args=(urls, seconds, theirs), daemon=True)
        self._process.start()
        theirs.close()

    def result(self) -> Received:
        """Wait for the end; give what came by the first socket."""
        return self.results()[0]

    def results(self) -> list[Received]:
        """Wait for the end; give what came by each socket."""
        received: list[Received] = self._ours.recv()
        self._process.join()
        return received


class Crowd:
    """Many sockets in one process that read and forget, while the ``with`` block lasts."""

    def __init__(self, url: str, n_sockets: int) -> None:
        self._ready = spawning.Event()
        self._process = spawning.Process(
            target=_crowd_main, args=(url, n_sockets, self._ready), daemon=True
        )

    def __enter__(self) -> Self:
        self._process.start()
        if not self._ready.wait(_CONNECT_S):
            self._process.kill()
            raise RuntimeError(f"the crowd did not connect within {_CONNECT_S:g} s")
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.kill()
        self._process.join()


def _crowd_main(url: str, n_sockets: int, ready: Any) -> None:
    asyncio.run(_crowd(url, n_sockets, ready))


async def _crowd(url: str, n_sockets: int, ready: Any) -> None:
    async with contextlib.AsyncExitStack() as stack:
        sockets = [
            await stack.enter_async_context(
                websockets.asyncio.client.connect(
                    url, compression=None, proxy=None, open_timeout=_CONNECT_S
                )
            )
            for _ in range(n_sockets)
        ]
        ready.set()
        await asyncio.gather(*(_drain(socket) for socket in sockets))


async def _drain(socket: websockets.asyncio.client.ClientConnection) -> None:
    async for _ in socket:
        pass


def _main(urls: tuple[str, ...], seconds: float, results: Any) -> None:
    listening = _listen_to_all(urls, seconds)
    try:
        from uvloop import run
    except ModuleNotFoundError:  # Windows
        results.send(asyncio.run(listening))
    else:
        results.send(run(listening))


async def _listen_to_all(urls: tuple[str, ...], seconds: float) -> list[Received]:
    return await asyncio.gather(*(_listen(url, seconds) for url in urls))


async def _listen(url: str, seconds: float) -> Received:
    raw: list[tuple[float, str | bytes]] = []
    async with websockets.asyncio.client.connect(
        url, compression=None, proxy=None, max_queue=None
    ) as socket:
        gc.freeze()
        gc.disable()
        start = local_clock() + WARM_UP_S
        now = 0.0
        while now < start + seconds:
            message = await socket.recv()
            now = local_clock()
            if now >= start:
                raw.append((now, message))
    parsed = [(t, json.loads(message)) for t, message in raw]
    intents = [(t, data) for t, data in parsed if "t_sample" in data]
    return Received(
        np.array([data["t_sample"] for _, data in intents]),
        np.array([data.get("t_decoded", 0.0) for _, data in intents]),
        np.array([t for t, _ in intents]),
        np.array([data.get("seq", 0) for _, data in intents], np.int64),
    )
