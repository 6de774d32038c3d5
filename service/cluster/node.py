"""A node: runs the workers of some sessions of a cluster, on its host.

    worker ──socket pair──> Supervisor ──relay──> queue ──> NATS ──> gateways
                                 ↑ requests of gateways, each answered within its deadline

It takes a session that nobody owns by compare-and-set: the next epoch, and numbers behind all that
an owner before may have given. It sends no intent beyond what its record allows, and none without
the lease; whoever was fenced ends its workers. A worker waits for none of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

import structlog

from volition.errors import BusError, StopError, VolitionError
from volition.service.cluster.answers import answer
from volition.service.cluster.engine import CONFLICT, Engine
from volition.service.cluster.following import Following, Seen
from volition.service.cluster.lease import Lease, fence, is_to_fence
from volition.service.cluster.records import BLOCK, HoldRecord, NodeRecord, SessionRecord
from volition.service.cluster.subjects import (
    ALL_HOLDS,
    Request,
    encode,
    session_in,
    subject_of,
    to_json,
    token,
)
from volition.service.supervision.session import Session
from volition.service.supervision.supervisor import Supervisor
from volition.service.worker.bus import Frame, FrameType

if TYPE_CHECKING:
    from nats.aio.msg import Msg

log = structlog.get_logger()

_LOOK_S = 0.1
#: The next block of numbers is stored when no more than these are left.
_LEFT = BLOCK // 2
#: What waited for the connection longer than this is not sent: it is old.
_OLD_S = 0.25
_MOST_WAITING = 10_000
#: Nodes with many sessions let others go first.
_WAIT_FULL_S = 0.3


class Run:
    """A session that runs here, and its record as this node has stored it."""

    def __init__(self, record: SessionRecord, revision: int) -> None:
        self.record = record
        self.revision = revision
        self.session: Session | None = None
        self.storing = asyncio.Lock()
        self.is_leaving = False  # whether it is being handed over: it has not ended


class Node:
    """One node.

    Parameters
    ----------
    engine
        The connection to the bus.
    name
        The node's name: no other has it.
    labels
        What sessions may ask for: ``{"site": "lab"}``.
    supervisor
        Runs the workers.
    capacity
        Most sessions at once.
    """

    def __init__(
        self,
        engine: Engine,
        name: str,
        supervisor: Supervisor,
        *,
        labels: dict[str, str] | None = None,
        capacity: int = 64,
    ) -> None:
        self._engine = engine
        self._supervisor = supervisor
        self._labels = labels or {}
        self._capacity = capacity
        self.drains = False
        self.lease = Lease(engine, name, self._describe, self._on_lost)
        self._following = Following(engine, self._on_change)
        self.runs: dict[str, Run] = {}
        self._gone: dict[str, float] = {}
        self._free_since: dict[str, float] = {}
        self._waiting: asyncio.Queue[tuple[float, str, bytes]] = asyncio.Queue(_MOST_WAITING)
        self._tasks: set[asyncio.Task[None]] = set()

    def _describe(self, record: NodeRecord) -> NodeRecord:
        return record.model_copy(
            update={
                "labels": self._labels,
                "capacity": self._capacity,
                "sessions": len(self.runs),
                "drains": self.drains,
            }
        )

    async def run(self, on_ready: Callable[[], None]) -> None:
        """Take the name, then run sessions until cancelled.

        Raises
        ------
        BusError
            The name is taken, or the bus does not answer.
        """
        await self.lease.take()
        await self._engine.hear(f"vol.n.{self.lease.owner.node}", self._on_request)
        await self._engine.hear(ALL_HOLDS, self._on_hold)
        await self._engine.hear_disconnects(self._on_disconnect)
        self._supervisor.prepare_spare()
        on_ready()
        async with asyncio.TaskGroup() as group:
            for each in (
                self.lease.keep(),
                self._following.follow(),
                self._look(),
                self._send(),
                self._supervisor.watch(),
            ):
                group.create_task(each)

    async def drain(self) -> None:
        """Hand over every session: its successor begins at the next number."""
        self.drains = True
        for id_ in tuple(self.runs):
            await self._hand_over(id_)

    async def close(self) -> None:
        """Hand over what runs here, and let the name go."""
        if self.lease.holds:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.drain(), 4.0)
        await self.lease.let_go()
        await self._supervisor.close()
        await self._engine.close()

    # -- what is told -------------------------------------------------------------------------

    def _on_change(self, kind: str, name: str) -> None:
        if kind == "hold" and name in self.runs:
            self._hold(name, self._following.holds[name].record)

    def _on_disconnect(self, client: dict[str, Any]) -> None:
        if isinstance(name := client.get("name"), str):
            self._gone[name] = time.monotonic()

    async def _on_hold(self, message: Msg) -> None:
        self._hold(session_in(message.subject), HoldRecord.model_validate_json(message.data))

    def _hold(self, id_: str, hold: HoldRecord) -> None:
        run = self.runs.get(id_)
        if run is not None and run.session is not None:
            run.session.word.merge(hold.pressed, hold.released)
            run.session.look_at_word()

    def _on_lost(self, why: str) -> None:
        for run in self.runs.values():
            if run.session is not None:
                self._begin(self._supervisor.drop(run.session, why))
        self.runs.clear()

    def _begin(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a node's work failed", error=repr(error))

    async def _on_request(self, message: Msg) -> None:
        """Answer beside, so that no request waits for another."""
        self._begin(self._answer(message))

    async def _answer(self, message: Msg) -> None:
        try:
            request = Request.model_validate_json(message.data)
            async with asyncio.timeout(request.within_s):
                run = self.runs.get(request.session)
                session = None if run is None else run.session
                told = await answer(self._supervisor, self._engine, session, request)
            if request.op == "delete" and request.session in self.runs:
                gone = self.runs.pop(request.session)
                await self._engine.remove(f"session.{token(request.session)}", gone.revision)
                await self._supervisor.delete(gone.session) if gone.session else None
        except (ValueError, VolitionError, TimeoutError) as error:
            code = error.code if isinstance(error, VolitionError) else "bus"
            told = to_json({"error": {"code": code, "message": str(error) or "too late"}})
        await self._engine.publish(message.reply, told)

    # -- sessions: taken, kept, given up ------------------------------------------------------

    async def _look(self) -> None:
        """Look after the sessions, for ever."""
        while True:
            await asyncio.sleep(_LOOK_S)
            if not self.lease.holds:
                continue
            for id_, run in tuple(self.runs.items()):
                self._keep(id_, run)
            if not self.drains:
                await self._take_what_is_free()

    async def _take_what_is_free(self) -> None:
        now = time.monotonic()
        for id_, seen in tuple(self._following.sessions.items()):
            if id_ in self.runs or seen.record.end is not None:
                continue
            if len(self.runs) >= self._capacity or not await self._is_free(seen.record):
                self._free_since.pop(id_, None)
                continue
            since = self._free_since.setdefault(id_, now)
            if now - since >= _WAIT_FULL_S * len(self.runs) / self._capacity:
                del self._free_since[id_]
                await self._take(id_, seen)

    async def _is_free(self, record: SessionRecord) -> bool:
        """Whether nobody runs a session; an owner that is gone is fenced first."""
        owner = record.owner
        if owner is None or owner == self.lease.owner:
            return True
        seen = self._following.nodes.get(owner.node)
        if seen is None or seen.record.owner != owner or seen.record.dead:
            return True
        if not is_to_fence(seen, self._gone.get(owner.node)):
            return False
        log.warning("a node is given up", node=owner.node)
        return await fence(self._engine, seen)

    async def _take(self, id_: str, seen: Seen[SessionRecord]) -> None:
        record = seen.record.taken_by(self.lease.owner)
        key = f"session.{token(id_)}"
        stored = await self._engine.put(key, record.model_dump_json().encode(), seen.revision)
        if isinstance(stored, int) and self.lease.holds:
            self.runs[id_] = run = Run(record, stored)
            log.info("a session is taken", session=id_, epoch=record.epoch)
            self._begin(self._start(id_, run))

    async def _start(self, id_: str, run: Run) -> None:
        word = await self._supervisor.word_of(id_)
        word.merge(*await self._stop_of(id_))
        if self.runs.get(id_) is not run:
            return
        before = run.record.model_copy(update={"epoch": run.record.epoch - 1, "stop_order": 0})

        def relay_of(session: Session) -> Callable[[Frame], None]:
            run.session = session
            return lambda frame: self._relay(id_, run, session, frame)

        await self._supervisor.resume(before, word, relay_of)

    async def _stop_of(self, id_: str) -> tuple[Any, Any]:
        """Read how the emergency stop of a session stands; held where nobody can say."""
        for _ in range(20):
            with contextlib.suppress(BusError):
                value, _revision = await self._engine.read(f"hold.{token(id_)}")
                hold = HoldRecord() if value is None else HoldRecord.model_validate_json(value)
                return hold.pressed, hold.released
            await asyncio.sleep(0.5)
        raise StopError(f"session {id_} is not started: nobody can say whether it is held")

    def _keep(self, id_: str, run: Run) -> None:
        """Store what has changed of a session, or that it has ended."""
        session = run.session
        if session is None or run.is_leaving or run.storing.locked():
            return
        now = session.stored()
        kept = {"config", "earlier_decoders"}
        changed = any(getattr(now, name) != getattr(run.record, name) for name in kept)
        is_short = now.last_seq > run.record.until - _LEFT or now.epoch > run.record.epoch
        if changed or is_short or session.state.final:
            self._begin(self._store(id_, run, session))

    async def _store(self, id_: str, run: Run, session: Session) -> None:
        async with run.storing:
            await self._store_now(id_, run, session)

    async def _store_now(self, id_: str, run: Run, session: Session) -> None:
        if run.is_leaving:
            return
        now = session.stored()
        end = f"{session.state}: {session.steps[-1].reason}" if session.state.final else None
        record = run.record.model_copy(
            update={
                "config": now.config,
                "earlier_decoders": now.earlier_decoders,
                "epoch": now.epoch,
                "last_seq": now.last_seq,
                "until": max(run.record.until, now.last_seq + BLOCK),
                "end": end,
            }
        )
        await self._put(id_, run, record)
        if end is not None and run.record.end is not None and self.runs.get(id_) is run:
            del self.runs[id_]

    async def _put(self, id_: str, run: Run, record: SessionRecord) -> bool:
        key = f"session.{token(id_)}"
        stored = await self._engine.put(key, record.model_dump_json().encode(), run.revision)
        if isinstance(stored, int):
            run.record, run.revision = record, stored
            return True
        if stored is CONFLICT:
            with contextlib.suppress(BusError):
                value, revision = await self._engine.read(key)
                found = None if value is None else SessionRecord.model_validate_json(value)
                if found is not None and found.owner == self.lease.owner:
                    run.record, run.revision = found, revision  # ours, acknowledged too late
                elif self.runs.get(id_) is run:
                    del self.runs[id_]
                    if run.session is not None:
                        self._begin(self._supervisor.drop(run.session, "another node runs it"))
        return False

    async def _hand_over(self, id_: str) -> None:
        """Stop a session here, and leave it to another at the very next number."""
        run = self.runs.get(id_)
        if run is None or run.session is None or run.session.state.final:
            return
        session = run.session
        async with run.storing:
            run.is_leaving = True  # nobody else stores it any more
            await self._supervisor.stop(session, "handed over")
            await self._waiting.join()
            await self._put(id_, run, run.record.left_at(session.hub.last_seq))
        self.runs.pop(id_, None)
        await self._supervisor.drop(session, "handed over")

    # -- frames -------------------------------------------------------------------------------

    def _relay(self, id_: str, run: Run, session: Session, frame: Frame) -> None:
        """Have a frame sent, if this node may be heard; the numbers tell what was not."""
        if self.runs.get(id_) is not run or not self.lease.holds:
            return
        record = run.record
        if frame.type is FrameType.INTENT:
            if frame.seq > record.until - _LEFT or frame.epoch > record.epoch:
                self._keep(id_, run)
            if frame.seq > record.until or frame.epoch > record.epoch:
                return
        elif run.is_leaving:
            return
        data = encode(frame, session.generation)
        with contextlib.suppress(asyncio.QueueFull):
            self._waiting.put_nowait((time.monotonic(), subject_of(id_, frame), data))

    async def _send(self) -> None:
        """Send what waits, for ever; what is old is left out."""
        while True:
            at, subject, data = await self._waiting.get()
            if time.monotonic() - at < _OLD_S and self.lease.holds:
                await self._engine.publish(subject, data)
            self._waiting.task_done()
