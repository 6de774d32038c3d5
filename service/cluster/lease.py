"""Whether a node may be heard: the connection is the lease.

A node is heard only after it has changed its own record on the connection that it has now, and for
no longer than `HOLD_S` after the last change that was acknowledged. Who takes its place changes
that record first (`fence`), so that of two only one succeeds. `HOLD_S` and `SILENT_S` are longer
than an election of the engine's leader takes, and the second is longer than the first.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import Callable

import structlog

from volition.errors import BusError
from volition.service.cluster.engine import Conflict, Engine
from volition.service.cluster.following import Seen
from volition.service.cluster.records import NodeRecord, Owner

log = structlog.get_logger()

HOLD_S, SILENT_S = 10.0, 12.0
#: A node whose connection ended may take this long to come back.
GRACE_S = 1.0
_RENEW_S = 0.5


class Lease:
    """A node's own record.

    Parameters
    ----------
    engine
        The connection.
    name
        The node's.
    describe
        Gives the record's other fields, as they are now.
    on_lost
        Is told that another has taken this node's place, or that the hold ran out: nothing that
        was started before may be heard any more.
    """

    def __init__(
        self,
        engine: Engine,
        name: str,
        describe: Callable[[NodeRecord], NodeRecord],
        on_lost: Callable[[str], None],
    ) -> None:
        self._engine = engine
        self._describe = describe
        self._on_lost = on_lost
        self.owner = Owner(node=name, life=secrets.token_hex(8))
        self._revision = 0
        self._beat = 0
        self._verified_on = -1  # number of the connection on which the record was changed
        self._until = 0.0
        self._is_up = False
        self._kick = asyncio.Event()
        engine.on_back.append(self._kick.set)

    @property
    def key(self) -> str:
        return f"node.{self.owner.node}"

    @property
    def holds(self) -> bool:
        """Whether this node may be heard now."""
        engine = self._engine
        return (
            engine.is_connected
            and self._verified_on == engine.connections
            and time.monotonic() < self._until
        )

    async def take(self) -> None:
        """Take the node's name.

        Raises
        ------
        BusError
            Another node of this name lives, or the engine does not answer.
        """
        value, revision = await self._engine.read(self.key)
        if value is not None and not NodeRecord.model_validate_json(value).dead:
            await asyncio.sleep(2.5 * _RENEW_S)
            if (await self._engine.read(self.key))[1] != revision:
                raise BusError(f"there is a node {self.owner.node} already; two need two names")
        self._revision = revision
        await self._renew()
        if not self.holds:
            raise BusError(f"the node {self.owner.node} cannot be written to the bus's records")

    async def keep(self) -> None:
        """Renew it, for ever."""
        while True:
            began = time.monotonic()
            self._kick.clear()
            await self._renew()
            if self._is_up and time.monotonic() > self._until:
                self._lose("the hold ran out")
            with contextlib.suppress(TimeoutError):
                wait_s = max(0.05, _RENEW_S - (time.monotonic() - began))
                await asyncio.wait_for(self._kick.wait(), wait_s)

    async def let_go(self) -> None:
        """Say that this node is gone, so that others need not wait to learn it."""
        record = NodeRecord(owner=self.owner, beat=self._beat, dead=True)
        await self._engine.put(self.key, record.model_dump_json().encode(), self._revision)

    async def _renew(self) -> None:
        began, connection = time.monotonic(), self._engine.connections
        self._beat += 1
        record = self._describe(NodeRecord(owner=self.owner, beat=self._beat))
        stored = await self._engine.put(self.key, record.model_dump_json().encode(), self._revision)
        if isinstance(stored, int):
            self._revision, self._until, self._is_up = stored, began + HOLD_S, True
            if self._engine.is_connected and self._engine.connections == connection:
                self._verified_on = connection
        elif isinstance(stored, Conflict):
            await self._look_again()

    async def _look_again(self) -> None:
        """Find out whether an unacknowledged change of ours, or another's, is in the record."""
        with contextlib.suppress(BusError):
            value, revision = await self._engine.read(self.key)
            found = None if value is None else NodeRecord.model_validate_json(value)
            self._revision = revision
            if found is None or found.owner != self.owner or found.dead:
                self._lose("another took this node's place")

    def _lose(self, why: str) -> None:
        log.error("this node was fenced", node=self.owner.node, reason=why)
        self._is_up, self._until, self._verified_on = False, 0.0, -1
        self.owner = Owner(node=self.owner.node, life=secrets.token_hex(8))
        self._on_lost(why)


def is_to_fence(seen: Seen[NodeRecord], gone_at: float | None) -> bool:
    """Whether a node is to be given up: its connection ended, or it has been silent for long."""
    now = time.monotonic()
    if now - seen.at > SILENT_S:
        return True
    return gone_at is not None and seen.at < gone_at and now - gone_at > GRACE_S


async def fence(engine: Engine, seen: Seen[NodeRecord]) -> bool:
    """Keep a node from ever being heard again in this life; give whether this did it."""
    record = seen.record.model_copy(update={"dead": True})
    key = f"node.{seen.record.owner.node}"
    return isinstance(await engine.put(key, record.model_dump_json().encode(), seen.revision), int)
