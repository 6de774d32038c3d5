"""Run the gateway: start the sessions asked for, serve until told to stop."""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import os
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog
import uvicorn

from volition.errors import ConfigError
from volition.service.gateway.app import MAX_FRAME_BYTES, MAX_SESSIONS, create_app
from volition.service.gateway.descriptors import most_connections
from volition.service.gateway.direct import DirectProtocol
from volition.service.gateway.guard import Access
from volition.service.gateway.http import bounded_http
from volition.service.sessions.config import SessionConfig
from volition.service.sessions.stop_folder import StopFolder
from volition.service.supervision.store import SessionStore

log = structlog.get_logger()

#: After SIGTERM; systems wait for ten seconds before they kill.
_END_WITHIN_S = 8.0


class _Server(uvicorn.Server):
    """A server that says when it is ready and starts the sessions given on the command line."""

    def __init__(
        self,
        config: uvicorn.Config,
        sessions: Sequence[SessionConfig],
        on_ready: Callable[[], None],
    ) -> None:
        super().__init__(config)
        self._sessions = sessions
        self._on_ready = on_ready
        #: Ends the process when it does not end by itself.
        self.failsafe = threading.Timer(_END_WITHIN_S, _end_at_once)
        self.failsafe.daemon = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.should_exit:
            return
        app = self.config.app
        await app.state.supervisor.restore()  # type: ignore[union-attr]  # our own app
        for config in self._sessions:
            if config.name in app.state.supervisor.sessions:  # type: ignore[union-attr]  # as above
                continue  # it came back
            await app.state.supervisor.create(config)  # type: ignore[union-attr]  # as above
        app.state.supervisor.prepare_spare()  # type: ignore[union-attr]  # as above
        # What serving made so far stays; later collections have less to look at.
        gc.collect()
        gc.freeze()
        self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.failsafe.start()
        await super().shutdown(sockets)


@dataclass(frozen=True)
class Tls:
    """A certificate (with its chain) and its key, as PEM files."""

    certificate: Path
    key: Path


def run_service(
    sock: socket.socket,
    sessions: Sequence[SessionConfig],
    on_ready: Callable[[], None],
    *,
    access: Access | None = None,
    tls: Tls | None = None,
    max_sessions: int = MAX_SESSIONS,
    kept: SessionStore | None = None,
    stops: StopFolder | None = None,
    root_path: str = "",
    end_with_stdin: bool = False,
) -> None:
    """Serve on a bound socket until SIGINT or SIGTERM, or until standard input is closed.

    Raises
    ------
    ConfigError
        The certificate or its key cannot be used.
    """
    config = uvicorn.Config(
        create_app(access, max_sessions=max_sessions, kept=kept, stops=stops),
        log_config=None,
        access_log=False,
        http=bounded_http(most_connections(max_sessions), DirectProtocol.shares),
        ws=DirectProtocol,
        ws_per_message_deflate=False,
        ws_max_size=MAX_FRAME_BYTES,
        ws_ping_interval=10.0,
        ws_ping_timeout=10.0,
        timeout_graceful_shutdown=1,
        lifespan="on",
        server_header=False,
        proxy_headers=False,  # a caller could say that it is another
        root_path=root_path,
        ssl_certfile=tls.certificate if tls else None,
        ssl_keyfile=tls.key if tls else None,
    )
    try:
        config.load()
    except OSError as error:
        raise ConfigError(f"the TLS certificate or its key cannot be used: {error}") from None
    server = _Server(config, sessions, on_ready)
    if end_with_stdin:
        threading.Thread(target=_end_with_stdin, args=(server,), daemon=True).start()
    try:
        with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
            runner.run(server.serve([sock]))
    finally:
        server.failsafe.cancel()


def _end_at_once() -> None:
    """End this process, whatever a thread of it waits for, and its workers."""
    log.error("the service does not end by itself; ending it")
    for child in multiprocessing.active_children():
        child.kill()
    os._exit(1)


def _end_with_stdin(server: uvicorn.Server) -> None:
    """Wait for the end of standard input, which comes however the process at its other end ends."""
    while os.read(0, 4096):  # not sys.stdin: a thread in its lock would hold up the exit
        pass
    server.should_exit = True
