"""The sessions of a cluster as a gateway shows them: it owns none, and each gateway shows all.

A session here is a view (`volition.service.supervision.session.Session`) that is fed from the bus
instead of a worker's socket, and asks its node where a local one asks its worker. What comes in an
older epoch, or with a number that was shown already, is dropped; what is past its time, or held, is
dropped by the view itself, as everywhere.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import time
from collections.abc import Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import structlog

from volition.errors import BusError, SessionError, StopError
from volition.service.cluster.engine import CONFLICT, Engine
from volition.service.cluster.following import Following
from volition.service.cluster.records import HoldRecord, SessionRecord
from volition.service.cluster.subjects import (
    ALL_BEATS,
    ALL_HOLDS,
    ALL_INTENTS,
    Request,
    decode,
    session_in,
    token,
)
from volition.service.sessions.config import SessionConfig
from volition.service.sessions.states import SessionState
from volition.service.sessions.stop_word import StopWord
from volition.service.supervision.hub import new_life
from volition.service.supervision.session import Session
from volition.service.supervision.stopping import Outcome, StopAnswer
from volition.service.worker.bus import Frame, FrameType, IntentCode
from volition.streams.lsl.clock import local_clock

if TYPE_CHECKING:
    from nats.aio.msg import Msg

log = structlog.get_logger()

_ASK_S, _STOP_S, _PRESS_S = 2.0, 3.0, 1.4
_WATCH_S = 0.2
#: Four beats a second come from a session; one without any for this long is called silent.
_SILENT_S = 0.8
_CLOCK_S = 5.0
_STORED_S = 0.2
_AGAIN_S = 0.1


class NodeLink:
    """`GatewayEnd` of a session that a node runs."""

    def __init__(self, sessions: ClusterSessions, view: View) -> None:
        self._sessions = sessions
        self._view = view

    def send(self, command: dict[str, Any], *, urgent: bool = False) -> bool:
        if not self._sessions.is_connected or self._view.record.owner is None:
            return False
        self._sessions.begin(self._ask(command))
        return True

    async def _ask(self, command: dict[str, Any]) -> None:
        """Ask the node, and take its answer for the worker's reply."""
        session = self._view.session
        try:
            answer = await self._sessions.ask(self._view, "command", _ASK_S, command)
        except (BusError, SessionError) as error:
            log.warning(
                "a node did not do it", session=session.id, op=command["op"], why=str(error)
            )
            answer = {"error": {"code": error.code, "message": error.message}}
        if "id" not in command:
            return
        result = answer if "error" in answer else answer["result"]
        if "error" in answer and command["op"] != "swap":
            return  # the view's own deadline says that there was no answer
        payload = json.dumps({"id": command["id"], "result": result}).encode()
        session.on_frame(Frame(FrameType.REPLY, IntentCode.NONE, 0, local_clock(), payload))

    def close(self) -> None:
        """Do nothing: the bus goes on."""


class View:
    """A session as this gateway shows it, and what it knows of its record."""

    def __init__(self, record: SessionRecord, revision: int) -> None:
        self.record = record
        self.revision = revision
        word = StopWord.in_memory()
        self.session = Session(
            record.id, record.config, generation=record.epoch, word=word, is_view=True
        )
        self.session.hub.life = record.life
        self.session.hub.last_seq = record.last_seq
        #: Intents that came before what was missed was asked for; None once that is known.
        self.early: list[Frame] | None = []


class ClusterSessions:
    """All sessions of a cluster, for one gateway.

    Parameters
    ----------
    urls
        Servers of the bus.
    replicas
        Servers that keep each record, when this gateway is the first to need them.
    ca
        Certificate of who signed the servers', PEM.
    """

    def __init__(self, urls: Sequence[str], *, replicas: int = 1, ca: str | None = None) -> None:
        self._urls, self._replicas, self._ca = urls, replicas, ca
        self._name = f"gw-{secrets.token_hex(4)}"
        self._engine: Engine | None = None
        self._following: Following | None = None
        self._views: dict[str, View] = {}
        self._shown: dict[str, Session] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._watching: list[asyncio.Task[None]] = []

    @property
    def sessions(self) -> Mapping[str, Session]:
        return self._shown

    @property
    def is_connected(self) -> bool:
        return self._engine is not None and self._engine.is_connected

    @property
    def _bus(self) -> Engine:
        if self._engine is None or not self._engine.is_connected:
            raise BusError("the bus is not reachable from this gateway")
        return self._engine

    def get(self, id_: str) -> Session:
        return self._shown[id_]

    async def restore(self) -> None:
        """Connect, and show what there is."""
        engine = await Engine.connect(
            self._urls, name=self._name, replicas=self._replicas, ca=self._ca
        )
        self._engine = engine
        self._following = Following(engine, self._on_change)
        await engine.hear(ALL_INTENTS, self._on_intents)
        await engine.hear(ALL_BEATS, self._on_beat)
        await engine.hear(ALL_HOLDS, self._on_hold)
        await engine.hear(f"vol.g.{self._name}.*", self._on_piece)
        self._watching = [
            asyncio.create_task(self._following.follow()),
            asyncio.create_task(self._map_clocks()),
        ]

    def prepare_spare(self) -> None:
        """Do nothing: nodes have their own."""

    def begin(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Do something beside."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def close(self) -> None:
        """Leave the bus; the sessions go on."""
        for task in (*self._watching, *self._tasks):
            task.cancel()
        for view in self._views.values():
            view.session.hub.close("this gateway ends; the session goes on at another")
        if self._engine is not None:
            await self._engine.close()

    # -- what is asked ------------------------------------------------------------------------

    async def create(self, config: SessionConfig) -> Session:
        id_ = config.name or f"s-{secrets.token_hex(4)}"
        record = SessionRecord(
            id=id_, life=new_life(), config=config, epoch=0, last_seq=0, held=False
        )
        key = f"session.{token(id_)}"
        # A name that was deleted has a revision of its own.
        value, revision = await self._bus.read(key)
        data = record.model_dump_json().encode()
        stored = CONFLICT if value is not None else await self._bus.put(key, data, revision)
        if stored is CONFLICT:
            raise SessionError(f"there is a session {id_} already; delete it first", name=id_)
        if not isinstance(stored, int):
            raise BusError(f"the bus has not said whether it keeps session {id_}; look again")
        return self._show(record, stored).session

    async def stop(self, session: Session, reason: str = "asked to stop") -> None:
        view = self._views[session.id]
        if session.state.final:
            return
        if view.record.owner is None:
            end = f"{SessionState.STOPPED}: {reason}"
            record = view.record.model_copy(update={"end": end})
            key = f"session.{token(session.id)}"
            stored = await self._bus.put(key, record.model_dump_json().encode(), view.revision)
            if not isinstance(stored, int):
                raise SessionError(f"session {session.id} changes hands; ask again")
            session.step_to(SessionState.STOPPED, reason)
            return
        told = await self.ask(view, "stop", _STOP_S, {"reason": reason})
        _raise(told)
        if not session.state.final:
            session.step_to(SessionState(told["state"]), told["reason"])

    async def delete(self, session: Session) -> None:
        view = self._views[session.id]
        if view.record.owner is not None and not session.state.final:
            await self.stop(session)
        for _ in range(20):  # its node stores that it has ended meanwhile
            if await self._bus.remove(f"session.{token(session.id)}", view.revision):
                break
            await asyncio.sleep(_AGAIN_S)
        self._forget(session.id)

    async def press(self, session: Session, by: str, where: str) -> StopAnswer:
        began = time.monotonic()
        order = session.press_stop(by, where)  # nothing but neutral intents passes here from now on
        hold = HoldRecord(pressed=session.word.press_deed)
        if self._engine is None:
            raise StopError(_UNHEARD.format(session.id), session=session.id, order=order)
        stored = self.begin(self._store_hold(session.id, hold))
        await self._engine.publish(f"vol.hold.{token(session.id)}", hold.model_dump_json().encode())
        view = self._views[session.id]
        if view.record.owner is None:
            outcome: Outcome = "no_worker"
        else:
            try:
                told = await self.ask(view, "press", _PRESS_S, hold.model_dump())
            except (BusError, SessionError):
                told = {"error": {}}
            if "error" in told:
                raise StopError(_UNHEARD.format(session.id), session=session.id, order=order)
            outcome = told["outcome"]
            session.word.obey(order)
        await asyncio.wait([stored], timeout=_STORED_S)
        session.look_at_word()
        return StopAnswer(order, outcome, time.monotonic() - began, stored.done())

    async def release(self, session: Session, order: int, by: str, where: str) -> bool:
        deed_before = session.word.press_deed
        word = StopWord.in_memory()
        word.merge(deed_before, None)
        word.release(order, by, where)
        hold = HoldRecord(pressed=deed_before, released=word.release_deed)
        stored = self.begin(self._store_hold(session.id, hold))
        await asyncio.wait([stored], timeout=_ASK_S)
        if not stored.done():
            stored.cancel()
            raise BusError("the stop is not released: the bus does not store that it is")
        session.release_stop(order, by, where)
        await self._bus.publish(f"vol.hold.{token(session.id)}", hold.model_dump_json().encode())
        return True

    async def _store_hold(self, id_: str, hold: HoldRecord) -> None:
        """Store a press or a release, however long it takes."""
        key = f"hold.{token(id_)}"
        while True:
            with contextlib.suppress(BusError):
                value, revision = await self._bus.read(key)
                before = HoldRecord() if value is None else HoldRecord.model_validate_json(value)
                merged = before.merged(hold)
                data = merged.model_dump_json().encode()
                if merged == before or isinstance(await self._bus.put(key, data, revision), int):
                    return
            await asyncio.sleep(_AGAIN_S)

    async def ask(
        self, view: View, op: str, within_s: float, body: dict[str, Any]
    ) -> dict[str, Any]:
        """Ask the node that runs a session.

        Raises
        ------
        BusError
            The bus is not reachable, or the node does not answer in time.
        SessionError
            No node runs the session now.
        """
        owner, session = view.record.owner, view.session
        if owner is None:
            raise SessionError(f"session {session.id} waits for a node", state=session.state)
        request = Request(
            op=op, session=session.id, epoch=view.record.epoch, within_s=within_s, body=body
        )
        answer = await self._request(owner.node, request)
        told: dict[str, Any] = json.loads(answer)
        return told

    async def _request(self, node: str, request: Request) -> bytes:
        data = request.model_copy(update={"gateway": self._name}).model_dump_json().encode()
        return await self._bus.request(f"vol.n.{node}", data, request.within_s)

    # -- what is told -------------------------------------------------------------------------

    def _on_change(self, kind: str, name: str) -> None:
        following = self._following
        if following is None or kind == "node":
            return
        if kind == "hold":
            self._hold(name, following.holds[name].record if name in following.holds else None)
        elif name not in following.sessions:
            self._forget(name)
        else:
            seen = following.sessions[name]
            self._show(seen.record, seen.revision)

    def _show(self, record: SessionRecord, revision: int) -> View:
        """Show a session as its record says."""
        view = self._views.get(record.id)
        if view is None or view.record.life != record.life:
            self._forget(record.id)
            view = self._views[record.id] = View(record, revision)
            self._shown[record.id] = view.session
            view.session.link = NodeLink(self, view)
            if self._following is not None and (hold := self._following.holds.get(record.id)):
                self._hold(record.id, hold.record)
            self.begin(self._fill(view))
        elif revision > view.revision:
            self._change(view, record, revision)
        session = view.session
        if record.end is not None and not session.state.final:
            state, _, reason = record.end.partition(": ")
            session.step_to(SessionState(state), reason)
        return view

    def _change(self, view: View, record: SessionRecord, revision: int) -> None:
        session, before = view.session, view.record
        view.record, view.revision = record, revision
        session.config = record.config
        session.earlier_decoders = list(record.earlier_decoders)
        if record.owner != before.owner:
            node = record.owner.node if record.owner else None
            why = f"node {node} takes it over" if node else "waits for a node"
            session.clock_offset_s = 0.0
            self._enter_epoch(session, record.epoch)
            session.step_to(SessionState.CONNECTING, why)

    def _enter_epoch(self, session: Session, epoch: int) -> None:
        if epoch > session.generation:
            session.generation = epoch
            if session.feed.sources and session.link is not None:
                session.link.send({"op": "feed", "sources": session.feed.sources}, urgent=True)

    def _forget(self, id_: str) -> None:
        view = self._views.pop(id_, None)
        self._shown.pop(id_, None)
        if view is not None and not view.session.state.final:
            view.session.step_to(SessionState.STOPPED, "deleted")

    async def _fill(self, view: View) -> None:
        """Ask the owner for what was sent before this gateway heard of it; go on from there."""
        frames: list[Frame] = []
        owner = view.record.owner
        if owner is not None and view.record.end is None:
            with contextlib.suppress(BusError):
                request = Request(op="page", session=view.session.id, within_s=_ASK_S)
                answer = await self._request(owner.node, request)
                frames = [] if answer.startswith(b"{") else decode(answer)
        early, view.early = view.early or [], None
        session = view.session
        if frames:
            session.hub.last_seq = frames[0].seq - 1
        for frame in frames:
            session.hub.publish(frame)
        for frame in early:
            self._take(view, frame)

    async def _on_intents(self, message: Msg) -> None:
        view = self._views.get(session_in(message.subject))
        for frame in decode(message.data) if view is not None else ():
            if view is None:
                continue
            if view.early is not None:
                view.early.append(frame)
            else:
                self._take(view, frame)

    def _take(self, view: View, frame: Frame) -> None:
        """Show an intent that is of the newest epoch and was not shown before."""
        session = view.session
        if frame.epoch < session.generation or frame.seq <= session.hub.last_seq:
            return
        self._enter_epoch(session, frame.epoch)
        session.on_frame(frame)

    async def _on_beat(self, message: Msg) -> None:
        view = self._views.get(session_in(message.subject))
        if view is None:
            return
        for frame in decode(message.data):
            if frame.epoch >= view.session.generation:
                self._enter_epoch(view.session, frame.epoch)
                view.session.on_frame(frame)

    async def _on_piece(self, message: Msg) -> None:
        view = self._views.get(session_in(message.subject))
        for frame in decode(message.data) if view is not None else ():
            if view is not None:
                view.session.on_frame(frame)

    async def _on_hold(self, message: Msg) -> None:
        self._hold(session_in(message.subject), HoldRecord.model_validate_json(message.data))

    def _hold(self, id_: str, hold: HoldRecord | None) -> None:
        view = self._views.get(id_)
        if view is not None and hold is not None:
            view.session.word.merge(hold.pressed, hold.released)
            view.session.look_at_word()

    async def watch(self) -> None:
        """Say which sessions are not heard of, for ever."""
        while True:
            await asyncio.sleep(_WATCH_S)
            for view in tuple(self._views.values()):
                session = view.session
                silent_s = time.monotonic() - session.t_heard
                if session.state is SessionState.RUNNING and silent_s > _SILENT_S:
                    owner = view.record.owner
                    why = f"node {owner.node if owner else 'none'} is silent"
                    if not self.is_connected:
                        why = "the bus is not reachable from this gateway"
                    session.lose_sight(why)

    async def _map_clocks(self) -> None:
        """Learn what the owners' clocks show, for ever: by the quickest of some round trips."""
        while True:
            following = self._following
            for name in tuple(following.nodes) if following is not None else ():
                with contextlib.suppress(BusError):
                    offset_s = await self._offset_of(name)
                    for view in self._views.values():
                        if view.record.owner is not None and view.record.owner.node == name:
                            view.session.clock_offset_s = offset_s
            await asyncio.sleep(_CLOCK_S if self._views else 0.5)

    async def _offset_of(self, node: str) -> float:
        found: list[tuple[float, float]] = []
        for _ in range(4):
            sent = local_clock()
            told = json.loads(await self._request(node, Request(op="clock", within_s=0.5)))[
                "lsl_time"
            ]
            back = local_clock()
            found.append((back - sent, told - (sent + back) / 2))
        return min(found)[1]


_UNHEARD = (
    "the emergency stop of session {} is set at this gateway, and nothing but neutral intents "
    "leaves here; its node does not answer, so use the stop of the device itself"
)


def _raise(told: dict[str, Any]) -> None:
    if "error" in told:
        raise SessionError(told["error"]["message"])
