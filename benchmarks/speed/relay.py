"""The floor: what LSL and a socket cost with nothing of ours between them.

``pull``: a bare outlet to a bare inlet, to the return of the pull. ``relay``: a bare inlet, one
band-pass, and a bare WebSocket server in one process, to a client in another; nothing is decoded,
supervised, buffered or numbered.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import websockets.sync.server
from scipy.signal import butter, sosfilt
from websockets.exceptions import ConnectionClosed

from volition.benchmarks.speed.feeder import FedStream
from volition.benchmarks.speed.listeners import WARM_UP_S, Received
from volition.children import spawning
from volition.streams import lsl

_START_S = 30.0


def pull(stream: FedStream, seconds: float) -> Received:
    """Pull for a while; give when the newest sample of each pull was here."""
    pylsl = lsl.load()
    inlet, buffer = _open(stream)
    newest, received = [], []
    start = pylsl.local_clock() + WARM_UP_S
    while (now := pylsl.local_clock()) < start + seconds:
        stamp = _pull_whole_chunk(inlet, buffer, stream)
        if now >= start:
            newest.append(stamp)
            received.append(pylsl.local_clock())
    none = np.zeros(len(newest))
    return Received(np.array(newest), none, np.array(received), none.astype(np.int64))


@contextlib.contextmanager
def relaying(stream: FedStream, *, filtered: bool) -> Iterator[str]:
    """Run the relay in a process of its own; give the address of its socket."""
    with relay_process(stream, filtered=filtered) as (url, _):
        yield url


@contextlib.contextmanager
def relay_process(stream: FedStream, *, filtered: bool) -> Iterator[tuple[str, int]]:
    """Run the relay; give the address of its socket, and the process."""
    ours, theirs = spawning.Pipe()
    process = spawning.Process(target=_relay, args=(stream, filtered, theirs), daemon=True)
    process.start()
    try:
        if not ours.poll(_START_S):
            raise RuntimeError(f"the relay did not start within {_START_S:g} s")
        assert process.pid is not None
        yield f"ws://127.0.0.1:{ours.recv()}", process.pid
    finally:
        process.kill()
        process.join()


def _relay(stream: FedStream, filtered: bool, ready: Any) -> None:
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    inlet, buffer = _open(stream)
    sos = butter(4, (5, 45), "bandpass", fs=stream.rate_hz, output="sos")

    def serve(socket: websockets.sync.server.ServerConnection) -> None:
        state = np.zeros((len(sos), 2, stream.n_channels))
        inlet.flush()  # what came since the listener before
        with contextlib.suppress(ConnectionClosed):
            while True:
                newest = _pull_whole_chunk(inlet, buffer, stream)
                if filtered:
                    _, state = sosfilt(sos, buffer, axis=0, zi=state)
                socket.send(f'{{"t_sample":{newest!r}}}')

    with websockets.sync.server.serve(serve, "127.0.0.1", 0, compression=None) as server:
        ready.send(server.socket.getsockname()[1])
        server.serve_forever()


def _open(stream: FedStream) -> tuple[Any, npt.NDArray[np.float32]]:
    pylsl = lsl.load()
    (info,) = pylsl.resolve_byprop("source_id", stream.source_id, 1, 10.0)
    inlet = pylsl.StreamInlet(info, processing_flags=pylsl.proc_clocksync, recover=False)
    inlet.open_stream(10.0)
    return inlet, np.empty((stream.chunk_samples, stream.n_channels), np.float32)


def _pull_whole_chunk(inlet: Any, buffer: npt.NDArray[np.float32], stream: FedStream) -> float:
    """Pull one chunk as it was pushed; give the stamp of its newest sample."""
    while True:
        _, times = inlet.pull_chunk(5.0, stream.chunk_samples, buffer)
        if times:
            return float(times[-1])
