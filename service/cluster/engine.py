"""A connection to NATS, with what was learnt of its client and its servers.

Nothing that waited while the connection was away is sent when it is back: it would be old. A
connection whose peer acknowledges nothing for two seconds is given up by the kernel, since the
client waits for its end before it takes another server (nats.py issue 671). A record is read for a
decision from the leader of its stream, never from a replica.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

import structlog

from volition.errors import BusError, InstallationError

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg
    from nats.js import JetStreamContext

log = structlog.get_logger()

BUCKET = "VOLITION"
_STREAM, _SUBJECT = f"KV_{BUCKET}", f"$KV.{BUCKET}."
_TCP_USER_TIMEOUT_MS = 2000
_CALL_S = 0.8
#: The subject on which the servers tell of a connection that ended (`volition bus config`).
_DISCONNECTS = "$SYS.ACCOUNT.VOL.DISCONNECT"
_HEARTBEAT_S = 1.0

Handler = Callable[["Msg"], Awaitable[None]]


class Conflict:
    """A record is not at the revision that was named."""


CONFLICT = Conflict()


class Engine:
    """One process's connection; made by `connect`."""

    def __init__(self, client: Client, stream: JetStreamContext) -> None:
        self._client = client
        self._stream = stream
        self.on_back: list[Callable[[], None]] = []

    @classmethod
    async def connect(
        cls,
        urls: Sequence[str],
        *,
        name: str,
        replicas: int = 1,
        ca: str | None = None,
    ) -> Engine:
        """Connect, and make the bucket of records if there is none.

        Raises
        ------
        InstallationError
            The extra ``cluster`` is not installed.
        BusError
            No server can be reached, or none takes this caller; the message says why.
        """
        try:
            from nats.aio.client import Client
        except ImportError:
            raise InstallationError(
                "many hosts need the client of NATS: pip install 'volition[cluster]'"
            ) from None
        client = Client()
        engine: Engine | None = None

        async def back() -> None:
            _give_up_soon(client)
            log.info("the bus is back", server=_place(client))
            for each in () if engine is None else engine.on_back:
                each()

        async def gone() -> None:
            log.warning("the bus is not reachable")

        async def fault(error: Exception) -> None:
            if str(error):
                log.warning("the bus", error=str(error))

        tls = None
        if any(url.startswith("tls://") for url in urls):
            tls = ssl.create_default_context(cafile=ca)
        try:
            await asyncio.wait_for(
                client.connect(
                    list(urls),
                    name=name,
                    tls=tls,
                    dont_randomize=True,
                    error_cb=fault,
                    disconnected_cb=gone,
                    reconnected_cb=back,
                    allow_reconnect=True,
                    max_reconnect_attempts=-1,
                    reconnect_time_wait=0.1,  # type: ignore[arg-type]  # seconds, and whole by its type alone
                    connect_timeout=1,
                    ping_interval=1,
                    max_outstanding_pings=2,
                    pending_size=-1,
                ),
                5.0,
            )
        except (OSError, TimeoutError, ssl.SSLError) as error:
            raise _refused(urls, error) from None
        except Exception as error:
            if type(error).__module__.startswith("nats"):
                raise _refused(urls, error) from None
            raise
        _give_up_soon(client)
        stream = client.jetstream(timeout=_CALL_S)
        engine = cls(client, stream)
        await engine._make_bucket(replicas)
        return engine

    async def _make_bucket(self, replicas: int) -> None:
        from nats.js.api import KeyValueConfig
        from nats.js.errors import BucketNotFoundError

        try:
            try:
                await self._stream.key_value(BUCKET)
            except BucketNotFoundError:
                config = KeyValueConfig(bucket=BUCKET, replicas=replicas, history=1)
                await self._stream.create_key_value(config)
        except Exception as error:
            if type(error).__module__.startswith("nats") or isinstance(error, TimeoutError):
                await self.close()
                raise BusError(
                    f"the servers keep no records: {str(error) or type(error).__name__}; "
                    "JetStream must be on, and most of the servers must be there"
                ) from None
            raise

    @property
    def is_connected(self) -> bool:
        return self._client.is_connected

    @property
    def connections(self) -> int:
        """How many connections there have been: another number is another connection."""
        return int(self._client.stats["reconnects"])

    # -- messages -----------------------------------------------------------------------------

    async def publish(self, subject: str, payload: bytes) -> None:
        """Send to whoever hears it; what the connection does not take now is lost."""
        if self._client.is_connected:
            with contextlib.suppress(*_faults()):
                await self._client.publish(subject, payload)

    async def request(self, subject: str, payload: bytes, within_s: float) -> bytes:
        """Ask for an answer.

        Raises
        ------
        BusError
            Nobody hears it, or nobody answers in time.
        """
        try:
            answer = await self._client.request(subject, payload, timeout=within_s)
        except _faults() as error:
            raise BusError(f"no answer within {within_s:g} s: {type(error).__name__}") from None
        return answer.data

    async def hear(self, subject: str, handler: Handler) -> None:
        """Hand every message of a subject to ``handler``, one after another."""
        await self._client.subscribe(subject, cb=handler, pending_msgs_limit=20_000)

    async def hear_disconnects(self, on_gone: Callable[[dict[str, Any]], None]) -> None:
        """Be told of connections that ended, where the servers' configuration lets them tell."""
        import json

        async def tell(message: Msg) -> None:
            with contextlib.suppress(ValueError, KeyError):
                on_gone(json.loads(message.data)["client"])

        await self.hear(_DISCONNECTS, tell)

    # -- records ------------------------------------------------------------------------------

    async def put(self, key: str, value: bytes, revision: int) -> int | Conflict | None:
        """Change a record that is at ``revision``, 0 for one that is not there.

        Returns
        -------
        int, Conflict or None
            Its new revision; that it was at another; or None where that is not known.
        """
        from nats.js.errors import APIError, KeyWrongLastSequenceError

        headers = {"Nats-Expected-Last-Subject-Sequence": str(revision)}
        try:
            stored = await self._stream.publish(
                _SUBJECT + key, value, stream=_STREAM, timeout=_CALL_S, headers=headers
            )
        except KeyWrongLastSequenceError:
            return CONFLICT
        except APIError as error:
            return CONFLICT if error.err_code == 10071 else None  # the server's "wrong sequence"
        except _faults():
            return None
        return stored.seq

    async def remove(self, key: str, revision: int) -> bool:
        """Remove a record that is at ``revision``; give whether that was done."""
        headers = {"Nats-Expected-Last-Subject-Sequence": str(revision), "KV-Operation": "DEL"}
        try:
            await self._stream.publish(_SUBJECT + key, b"", timeout=_CALL_S, headers=headers)
        except _faults():
            return False
        return True

    async def read(self, key: str) -> tuple[bytes | None, int]:
        """Read a record and its revision from the leader, for a decision.

        Raises
        ------
        BusError
            There is no leader, or none that answers.
        """
        from nats.js.errors import NotFoundError

        try:
            found = await asyncio.wait_for(
                self._stream.get_last_msg(_STREAM, _SUBJECT + key, direct=False), _CALL_S
            )
        except NotFoundError:
            return None, 0
        except _faults() as error:
            raise BusError(f"{key} cannot be read: {type(error).__name__}") from None
        is_removed = "KV-Operation" in (found.headers or {})
        return (None if is_removed else found.data), found.seq or 0

    async def follow(self, on_record: Callable[[str, bytes | None, int], None]) -> None:
        """Tell of every record and every change of one, for ever.

        What was missed while the connection was away, or by a consumer that stalled (nats.py
        issue 510), is told when all of it is read anew, every five seconds: one may be told twice.
        """
        while True:
            with contextlib.suppress(*_faults()):
                records = await self._stream.key_value(BUCKET)
                watcher = await records.watchall()
                try:
                    async with asyncio.timeout(5.0):
                        while True:
                            entry = await watcher.updates(timeout=6.0)  # type: ignore[no-untyped-call]  # the client's own
                            if entry is not None:
                                value = None if entry.operation else entry.value
                                on_record(entry.key, value, entry.revision)
                finally:
                    with contextlib.suppress(*_faults()):
                        await watcher.stop()  # type: ignore[no-untyped-call]  # as above
            if not self._client.is_connected:
                await asyncio.sleep(0.2)

    async def close(self) -> None:
        with contextlib.suppress(*_faults()):
            await asyncio.wait_for(self._client.close(), 2.0)


def _faults() -> tuple[type[Exception], ...]:
    from nats.errors import Error

    return (Error, OSError, TimeoutError)


def _refused(urls: Sequence[str], error: BaseException) -> BusError:
    why = str(error) or type(error).__name__
    return BusError(f"no server of the bus takes this connection ({', '.join(urls)}): {why}")


def _place(client: Client) -> str:
    url = client.connected_url
    return "" if url is None else f"{url.hostname}:{url.port}"


def _give_up_soon(client: Client) -> None:
    """Have the kernel end a connection whose data is not acknowledged any more."""
    transport = client._transport  # noqa: SLF001 - the client gives no other way to its socket
    writer = getattr(transport, "_io_writer", None)
    ours = None if writer is None else writer.get_extra_info("socket")
    if ours is None or sys.platform != "linux":
        return
    with socket.socket(fileno=os.dup(ours.fileno())) as sock, contextlib.suppress(OSError):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _TCP_USER_TIMEOUT_MS)
