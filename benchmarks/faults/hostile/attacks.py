"""What a program on the same host can do to a service: each attack is a function that never ends.

Each runs in a process of its own (`attack`), so that it takes no time from whoever measures.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import httpx
from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

from volition.benchmarks.faults.injection.scene import DECODER
from volition.children import spawning

Attack = Callable[[str, str], None]
"""Is given the service's address and a session."""

_N_THREADS, _N_SOCKETS, _N_HALF_SENT = 4, 20, 200
_MARKER_CHARS = 50_000
_AT_WORK_S = 1.0
_SLOW_TARGETS = [{"label": f"t{n}", "freq_hz": 9 + n * 0.1} for n in range(60)]


@contextlib.contextmanager
def attack(do: Attack, url: str, session: str) -> Iterator[None]:
    """Attack a service while the block lasts."""
    process = spawning.Process(target=do, args=(url, session), daemon=True)
    process.start()
    time.sleep(_AT_WORK_S)
    try:
        yield
    finally:
        process.kill()
        process.join()


def posts_markers(url: str, session: str) -> None:
    """A program that posts markers without a pause."""
    _in_threads(url, lambda http: http.post(f"/v1/sessions/{session}/markers", json={"name": "x"}))


def reads(url: str, session: str) -> None:
    """A program that reads state, intents, metrics and documents without a pause."""
    paths = (f"/v1/sessions/{session}/state", f"/v1/sessions/{session}/intents", "/metrics")
    turn = itertools.cycle((*paths, "/openapi.json"))
    _in_threads(url, lambda http: http.get(next(turn)))


def sends_big_markers(url: str, session: str) -> None:
    """A socket that sends big markers without a pause."""
    text = json.dumps({"type": "marker", "name": "x", "data": {"d": "y" * _MARKER_CHARS}})
    _by_sockets(url, session, text, 1)


def pings(url: str, session: str) -> None:
    """Twenty sockets that send pings and do not read."""
    _by_sockets(url, session, '{"type":"ping","t_client":1.0}', _N_SOCKETS)


def sends_half_headers(url: str, _: str) -> None:
    """Two hundred connections that send half a header."""
    where = urlsplit(url)
    with contextlib.ExitStack() as stack:
        for _number in range(_N_HALF_SENT):
            one = stack.enter_context(
                socket.create_connection((where.hostname or "", where.port or 0), 5)
            )
            one.sendall(b"GET /v1/sessions HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Half: ")
        threading.Event().wait()


def changes_the_model(url: str, session: str) -> None:
    """A program that changes the model again and again, each change a slow one."""
    slow = {**DECODER, "targets": _SLOW_TARGETS, "window_s": 2.0, "step_s": 0.02}
    turn = itertools.cycle((slow, {**DECODER, "step_s": 0.02}))

    def change(http: httpx.Client) -> None:
        http.put(f"/v1/sessions/{session}/model", json={"decoder": next(turn)})
        time.sleep(0.1)

    _in_threads(url, change, 1)


def _in_threads(url: str, do: Callable[[httpx.Client], object], n: int = _N_THREADS) -> None:
    def run() -> None:
        with httpx.Client(base_url=url, trust_env=False, timeout=30.0) as http:
            while True:
                with contextlib.suppress(httpx.HTTPError):
                    do(http)

    _for_ever(run, n)


def _by_sockets(url: str, session: str, text: str, n: int) -> None:
    address = f"{url.replace('http', 'ws', 1)}/v1/sessions/{session}/intents"

    def run() -> None:
        while True:
            with (
                contextlib.suppress(OSError, WebSocketException),
                connect(address, compression=None, proxy=None, max_queue=1) as one,
            ):
                _send_for_ever(one, text)

    _for_ever(run, n)


def _send_for_ever(one: ClientConnection, text: str) -> None:
    while True:
        one.send(text)


def _for_ever(run: Callable[[], None], n: int) -> None:
    threads = [threading.Thread(target=run, daemon=True) for _ in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
