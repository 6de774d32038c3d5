"""What a program on the same host can do to a service: each attack is a function that never ends.

Each runs in a process of its own (`attack`), so that it takes no time from whoever measures.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

from volition.benchmarks.faults.hostile import networks
from volition.benchmarks.faults.injection.scene import DECODER
from volition.children import spawning

Attack = Callable[[str, str], None]
"""Is given the service's address and a session."""

_N_THREADS, _N_SOCKETS, _N_HALF_SENT = 4, 20, 200
_MARKER_CHARS = 50_000
_AT_WORK_S = 1.0
#: Enough to take every connection where 1,024 files may be open.
_N_CONNECTIONS, _N_LISTENING = 1000, 500
_PING_FRAME = bytes((0x89, 0x80, 0, 0, 0, 0))
_HEAD = b"HTTP/1.1\r\nHost: 127.0.0.1\r\n"
#: How each of the requests that have no end begins, and what it goes on with.
_ENDLESS = (
    (b"GET /healthz " + _HEAD, b"x: y\r\n" * 2000),
    (b"GET /", b"u" * 30_000),
    (b"POST /v1/sessions " + _HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nq\r\n" * 2000),
    (b"POST /v1/sessions " + _HEAD + b"Content-Length: 99999999\r\n\r\n", b"b" * 30_000),
    (b"", (b"GET /healthz " + _HEAD + b"\r\n") * 300),
)
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


def sends_ping_frames(url: str, session: str) -> None:
    """Four sockets that send the protocol's own pings and do not read."""

    def run() -> None:
        while True:
            with contextlib.suppress(OSError), upgraded(url, session) as one:
                while True:
                    one.sendall(_PING_FRAME * 500)

    _for_ever(run, _N_THREADS)


def sends_without_end(url: str, _: str) -> None:
    """Requests whose head, body, chunks or number have no end, again and again."""
    turn = itertools.cycle(_ENDLESS)

    def run() -> None:
        while True:
            start, piece = next(turn)
            with contextlib.suppress(OSError), _connected(url) as one:
                one.sendall(start)
                while True:
                    one.sendall(piece)

    _for_ever(run, _N_THREADS)


def takes_every_connection(url: str, session: str) -> None:
    """A thousand connections, half of them sockets, which are opened again when they are closed."""
    raise_limit_of_files()
    opened: list[socket.socket | None] = [None] * _N_CONNECTIONS
    while True:
        for place, one in enumerate(opened):
            if one is None or _is_closed(one):
                with contextlib.suppress(OSError):
                    is_socket = place < _N_LISTENING
                    opened[place] = upgraded(url, session) if is_socket else _connected(url)
        time.sleep(0.02)


def sends_half_headers(url: str, _: str) -> None:
    """Two hundred connections that send half a header."""
    with contextlib.ExitStack() as stack:
        for _number in range(_N_HALF_SENT):
            one = stack.enter_context(_connected(url))
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


def calibrates_on_big_markers(url: str, session: str) -> None:
    """A program that sends big, deep and broken markers, and calibrates on them again and again."""
    deep: Any = {"target": "looked at"}
    for _ in range(400):
        deep = [deep]
    marks = itertools.cycle(
        (
            {"name": "trial_start", "data": {"d": "y" * _MARKER_CHARS}},
            {"name": "trial_start", "data": {"target": "looked at", "deep": deep}},
            {"name": "trial_\ud800", "data": {"event": "\udfff"}},
            {"name": '{"event": "trial_start"}', "data": {"freq_hz": 12.0}},
        )
    )
    body = {"name": "m", "source": "session", "decoder": {**DECODER, "kind": "etrca"}}

    def do(http: httpx.Client) -> None:
        for _ in range(40):
            http.post(f"/v1/sessions/{session}/markers", content=json.dumps(next(marks)))
        http.post(f"/v1/sessions/{session}/calibrations", json=body)

    _in_threads(url, do, 1)


def uploads_networks(url: str, _: str) -> None:
    """A program that uploads networks that divide by nought, grow without bound, or never end."""
    turn = itertools.cycle(networks.uploads())
    _in_threads(url, lambda http: http.post("/v1/models", json=next(turn)), 1)


def sends_large_bodies(url: str, session: str) -> None:
    """A program that sends bodies of many small values, to every route that takes one."""
    values = [1] * 300_000
    few = [{"label": f"t{n}", "freq_hz": "no number"} for n in range(1000)]
    of_session = f"/v1/sessions/{session}"
    guided = {"name": "m", "source": "guided", "guided": {"targets": few, "trial_s": 1e-9}}
    requests: tuple[tuple[str, str, Any], ...] = (
        ("POST", "/v1/sessions", {"decoder": {"kind": "fbcca", "targets": values}}),
        ("POST", "/v1/sessions", {"decoder": {"kind": "fbcca", "targets": few}}),
        ("POST", f"{of_session}/markers", {"name": "x", "data": {"a": values}}),
        ("PUT", f"{of_session}/model", {"decoder": {"kind": "cca", "targets": few}}),
        ("POST", f"{of_session}/calibrations", guided),
    )
    turn = itertools.cycle([(how, where, json.dumps(body)) for how, where, body in requests])

    def send(http: httpx.Client) -> None:
        method, path, body = next(turn)
        http.request(method, path, content=body, headers={"Content-Type": "application/json"})

    _in_threads(url, send)


def shows_flashes(url: str, _: str) -> None:
    """A program that shows a simulated person thousands of flashes to come."""
    with httpx.Client(base_url=url, trust_env=False, timeout=30.0) as http:
        id_ = http.post("/v1/simulations", json={"kind": "flashes"}).json()["id"]
    flashes = [{"t": 1e9 + n, "items": [1, 2, 3]} for n in range(900)]
    code = {"bits": "01" * 2000, "t": 1e9, "step_hz": 240.0, "lasts_s": 60.0}
    body = json.dumps({"attended": 3, "flashes": flashes, "code": code})
    path, kind = f"/v1/simulations/{id_}/flashes", {"Content-Type": "application/json"}
    _in_threads(url, lambda http: http.put(path, content=body, headers=kind))


def reads_again_and_again(path: str, url: str, session: str) -> None:
    """A program that reads one thing without a pause."""
    _in_threads(url, lambda http: http.get(path.format(session=session)))


def searches_for_streams(url: str, _: str) -> None:
    """Five searches for streams at a time, of 30 s each."""
    _in_threads(url, lambda http: http.get("/v1/streams", params={"wait": 30}), 5)


def marks_one_moment(url: str, session: str) -> None:
    """A program that sends markers without a pause, all for one moment."""

    def mark(http: httpx.Client) -> None:
        now = http.get("/healthz").json()["lsl_time"]
        for _ in range(200):
            body = {"name": "trial_start", "t": now + 0.3}
            http.post(f"/v1/sessions/{session}/markers", json=body)

    _in_threads(url, mark)


def _connected(url: str) -> socket.socket:
    where = urlsplit(url)
    return socket.create_connection((where.hostname or "", where.port or 0), 5)


def upgraded(url: str, session: str) -> socket.socket:
    """Open a socket that listens to clicks, which do not come; nothing is read from it."""
    one = _connected(url)
    one.sendall(
        f"GET /v1/sessions/{session}/intents?kinds=click ".encode()
        + _HEAD
        + b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
    )
    return one


def _is_closed(one: socket.socket) -> bool:
    """Read what has come; give whether the other end has closed."""
    one.setblocking(False)
    try:
        return not one.recv(1 << 16)
    except BlockingIOError:
        return False
    except OSError:
        return True


def raise_limit_of_files() -> None:
    """Allow this process as many open files as it may have."""
    if sys.platform != "win32":
        import resource

        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


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
