"""Clients that do not behave: they never read, vanish, come in crowds, send what makes no sense.

Each row has a second client, which must go on getting every intent, none of them late.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import secrets
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import psutil
import websockets.asyncio.client
from websockets.exceptions import ConnectionClosed

from volition.benchmarks.faults.injection.feeder import Feeder
from volition.benchmarks.faults.injection.scene import DECODER, Scene, require, wait_until
from volition.benchmarks.faults.injection.witness import Witness
from volition.benchmarks.speed.footprint import open_files
from volition.decoders.contract.intent import IntentBase
from volition.streams.lsl.clock import local_clock

#: The service pings every 10 s and waits 10 s for the answer.
_GIVEN_UP_S = 25.0
_LATE_S = 0.3
_CROWD, _AT_ONCE = 500, 20
_CLOSE, _PING, _PONG, _TEXT = 0x8, 0x9, 0xA, 0x1
_TOO_BIG = 1009


def never_reads(scene: Scene) -> None:
    """Client that never reads."""
    # Many intents and a small window fill the connection long before the next ping.
    decoder = {**DECODER, "step_s": 0.02}
    feeder, witness = _two(scene, decoder=decoder)
    with _handshake(scene, witness, window=4096):
        began = local_clock()
        _told(scene, witness, began)
        _until_alone(scene, witness)
        scene.note(f"closed after {local_clock() - began:.0f} s")
    _other_is_well(scene, feeder, witness)


def is_busy_for_a_while(scene: Scene) -> None:
    """Client whose program reads nothing for two seconds, and then goes on."""
    feeder, witness = _two(scene)
    with _handshake(scene, witness) as raw:
        began = local_clock()
        _told(scene, witness, began)
        time.sleep(max(0.0, began + 2.0 - local_clock()))
        ended = local_clock()
        with _answering(raw):
            wait_until(
                lambda: scene.state(witness)["clients_behind"] == 0,
                lambda: "it reads again, and is still said not to",
                timeout_s=5.0,
            )
            scene.took_until(local_clock(), ended)
    _until_alone(scene, witness, timeout_s=5.0)
    _other_is_well(scene, feeder, witness)


def is_half_open(scene: Scene) -> None:
    """Client that is gone without a word: its host takes data, nobody answers a ping."""
    feeder, witness = _two(scene)
    with _handshake(scene, witness) as raw, _drained(raw):
        began = local_clock()
        _told(scene, witness, began)
        _until_alone(scene, witness)
        scene.note(f"closed after {local_clock() - began:.0f} s")
    _other_is_well(scene, feeder, witness)


def comes_in_crowds(scene: Scene) -> None:
    """500 clients that connect and disconnect, half of them without a goodbye."""
    feeder, witness = _two(scene, clients=1)
    gateway = psutil.Process(scene.service.pid)
    before = open_files(gateway)
    began = local_clock()
    asyncio.run(_crowd(_url(scene, witness)))
    scene.note(f"{_CROWD} clients within {local_clock() - began:.1f} s")
    _until_alone(scene, witness, timeout_s=5.0)
    _other_is_well(scene, feeder, witness)
    scene.note(f"{open_files(gateway) - before:+d} open files, with other rows at work")


def sends_too_much(scene: Scene) -> None:
    """Oversized frames."""
    feeder, witness = _two(scene)
    with _handshake(scene, witness) as raw:
        raw.sendall(_frame(_TEXT, b"x" * 100_000))
        code = _close_code(raw)
        require(code == _TOO_BIG, f"it was closed with {code}, not {_TOO_BIG}")
    with _handshake(scene, witness) as raw:
        # A length of 2^62, of which nothing follows.
        raw.sendall(bytes([0x80 | _TEXT, 0xFF]) + struct.pack(">Q", 1 << 62) + b"mask")
        code = _close_code(raw)
        require(code == _TOO_BIG, f"it was closed with {code}, not {_TOO_BIG}")
    _until_alone(scene, witness, timeout_s=5.0)
    _other_is_well(scene, feeder, witness)


def sends_nonsense(scene: Scene) -> None:
    """Malformed frames and messages."""
    feeder, witness = _two(scene)
    broken = {
        "unmasked": bytes([0x80 | _TEXT, 2]) + b"{}",
        "reserved bits": bytes([0xF0 | _TEXT, 0x80]) + b"mask",
        "unknown opcode": _frame(0x5, b"{}"),
        "no UTF-8": _frame(_TEXT, b"\xff\xfe\xfd"),
        "no WebSocket": b"GET / HTTP/1.1\r\n\r\n",
    }
    for what, data in broken.items():
        with _handshake(scene, witness) as raw:
            raw.sendall(data)
            code = _close_code(raw)
            require(code in (1002, 1007), f"{what}: it was closed with {code}")
    with _handshake(scene, witness) as raw:
        for text in (b"", b"{", b"[]", b'{"type":"wish"}', b"null", b'{"type":"marker","t":1e999}'):
            raw.sendall(_frame(_TEXT, text))
            answer = _answer_of_type(raw, "refused")
            require(bool(answer["detail"]), f"{text!r} was refused without a reason")
    _until_alone(scene, witness, timeout_s=5.0)
    _other_is_well(scene, feeder, witness)


def _two(scene: Scene, clients: int = 1, **changes: object) -> tuple[Feeder, Witness]:
    feeder = scene.feeder()
    witness = scene.session(feeder, **changes)
    found = scene.state(witness)["clients"]
    require(found == clients, f"{found} clients are counted, not {clients}")
    return feeder, witness


def _told(scene: Scene, witness: Witness, since: float) -> None:
    """Wait until the service says that a client does not keep up."""
    wait_until(
        lambda: scene.state(witness)["clients_behind"] == 1,
        lambda: "a client that does not read is not told of",
        timeout_s=5.0,
    )
    scene.saw_at(local_clock(), since)


def _until_alone(scene: Scene, witness: Witness, timeout_s: float = _GIVEN_UP_S) -> None:
    wait_until(
        lambda: scene.state(witness)["clients"] == 1,
        lambda: f"{scene.state(witness)['clients']} clients are still counted",
        timeout_s=timeout_s,
    )


def _other_is_well(scene: Scene, feeder: Feeder, witness: Witness) -> None:
    place = witness.mark()
    witness.wait_for_order(after=place, timeout_s=5.0)
    intents = witness.intents()
    late = [r for r in intents[5:] if r.t - _stamp(r.message) > _LATE_S]
    share = len(late) / max(1, len(intents))
    require(share < 0.02, f"{len(late)} of {len(intents)} intents came late to the other client")
    require(witness.gaps() == 0, f"the other client lacks {witness.gaps()} intents")
    scene.judge(witness, feeder)


def _stamp(message: object) -> float:
    assert isinstance(message, IntentBase)
    return message.t_sample


def _url(scene: Scene, witness: Witness) -> str:
    base = scene.service.url.replace("http", "ws", 1)
    return f"{base}/v1/sessions/{witness.session}/intents"


async def _crowd(url: str) -> None:
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(number: int) -> None:
        async with gate:
            connection = await websockets.asyncio.client.connect(url, proxy=None, compression=None)
            await connection.recv()
            if number % 2:
                connection.transport.abort()
            else:
                with contextlib.suppress(ConnectionClosed):
                    await connection.close()

    await asyncio.gather(*(one(number) for number in range(_CROWD)))


# -- a WebSocket by hand ------------------------------------------------------------------------


@contextlib.contextmanager
def _handshake(
    scene: Scene, witness: Witness, window: int | None = None
) -> Iterator[socket.socket]:
    """Open a socket by hand, so that nothing is read or answered unless we do."""
    parts = urlsplit(_url(scene, witness))
    with socket.socket() as raw:
        if window is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        raw.settimeout(10.0)
        raw.connect((parts.hostname, parts.port))
        key = base64.b64encode(os.urandom(16)).decode()
        lines = (
            f"GET {parts.path} HTTP/1.1",
            f"Host: {parts.netloc}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {key}",
            "Sec-WebSocket-Version: 13",
        )
        raw.sendall("\r\n".join((*lines, "", "")).encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += raw.recv(1)
        require(b" 101 " in head.splitlines()[0], f"the socket did not open: {head[:40]!r}")
        yield raw


@contextlib.contextmanager
def _drained(raw: socket.socket) -> Iterator[None]:
    """Take what comes, as a kernel does for a program that is frozen."""

    def drain() -> None:
        with contextlib.suppress(OSError):
            while raw.recv(65536):
                pass

    thread = threading.Thread(target=drain, daemon=True)
    raw.settimeout(_GIVEN_UP_S)
    thread.start()
    yield
    thread.join()


@contextlib.contextmanager
def _answering(raw: socket.socket) -> Iterator[None]:
    """Take what comes and answer pings, as a program does that reads."""

    def answer() -> None:
        with contextlib.suppress(OSError):
            for opcode, payload in _frames(raw):
                if opcode == _PING:
                    raw.sendall(_frame(_PONG, payload))

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            raw.shutdown(socket.SHUT_RDWR)
        thread.join()


def _frame(opcode: int, payload: bytes) -> bytes:
    mask = secrets.token_bytes(4)
    masked = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
    n = len(payload)
    if n < 126:
        length = bytes([0x80 | n])
    elif n < 1 << 16:
        length = bytes([0x80 | 126]) + struct.pack(">H", n)
    else:
        length = bytes([0x80 | 127]) + struct.pack(">Q", n)
    return bytes([0x80 | opcode]) + length + mask + masked


def _frames(raw: socket.socket) -> Iterator[tuple[int, bytes]]:
    """Give opcode and payload of each frame that the service sends."""
    file = raw.makefile("rb")
    while head := file.read(2):
        n = head[1] & 0x7F
        if n == 126:
            (n,) = struct.unpack(">H", file.read(2))
        elif n == 127:
            (n,) = struct.unpack(">Q", file.read(8))
        yield head[0] & 0x0F, file.read(n)


def _close_code(raw: socket.socket) -> int | None:
    """Wait for the service to close; give the code, None when it only hangs up."""
    with contextlib.suppress(ConnectionError):
        for opcode, payload in _frames(raw):
            if opcode == _CLOSE:
                return int.from_bytes(payload[:2], "big")
    return None


def _answer_of_type(raw: socket.socket, type_: str) -> dict[str, str]:
    for opcode, payload in _frames(raw):
        if opcode == _TEXT:
            message: dict[str, str] = json.loads(payload)
            if message["type"] == type_:
                return message
    require(False, f"no answer of type {type_}")
    raise AssertionError  # require has raised


FAULTS: tuple[Callable[[Scene], None], ...] = (
    never_reads,
    is_busy_for_a_while,
    is_half_open,
    comes_in_crowds,
    sends_too_much,
    sends_nonsense,
)
