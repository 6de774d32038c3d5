"""A program that waits for each message has the same socket with TLS and without."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

from tests.certificates import for_loopback
from volition.service.client.blocking import connected


def echo(socket: ServerConnection) -> None:
    """Send back what comes, until told to end."""
    for message in socket:
        if message == "end":
            return
        socket.send(message)


@pytest.fixture(params=["plain", "tls"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, object]]:
    """Serve an echo; give its address and what a client trusts."""
    theirs = ours = None
    if request.param == "tls":
        certificate, key = for_loopback(tmp_path)
        theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        theirs.load_cert_chain(certificate, key)
        ours = ssl.create_default_context(cafile=str(certificate))
    with serve(echo, "127.0.0.1", 0, ssl=theirs) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        scheme = "wss" if theirs else "ws"
        yield f"{scheme}://127.0.0.1:{server.socket.getsockname()[1]}", ours
        server.shutdown()
        thread.join()


def test_what_is_sent_comes_back_and_silence_is_told_after_the_time_that_was_given(
    opened: tuple[str, object],
) -> None:
    url, trusted = opened
    with connected(url, {"ssl": trusted, "proxy": None}) as socket:
        socket.send("one")
        assert socket.recv() == "one"
        with pytest.raises(TimeoutError):
            socket.recv(timeout=0.01)
        socket.send("two")
        assert socket.recv(timeout=30) == "two"


def test_the_end_of_the_other_side_is_told(opened: tuple[str, object]) -> None:
    url, trusted = opened
    with connected(url, {"ssl": trusted, "proxy": None}) as socket:
        socket.send("end")
        with pytest.raises(ConnectionClosed):
            socket.recv(timeout=30)
