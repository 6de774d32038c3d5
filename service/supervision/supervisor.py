"""All sessions of a service and the workers that run them.

The supervisor starts a worker for each session, starts another when it dies (a new generation;
``seq`` goes on), gives up when deaths come too fast, and ends every worker when the service ends.
It runs on the gateway's event loop and never waits for a worker on it.
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
from collections.abc import Iterable
from dataclasses import asdict
from multiprocessing.process import BaseProcess

import structlog

from volition.errors import SessionError
from volition.service.sessions.config import SessionConfig
from volition.service.sessions.states import SessionState
from volition.service.supervision.session import Session
from volition.service.supervision.store import SessionStore
from volition.service.supervision.worker_process import SpareWorker, end_process
from volition.service.worker.bus import LocalGatewayEnd

log = structlog.get_logger()

_STOP_S = 1.4
#: For a worker that has been silent already, or that waits on liblsl.
_STOP_WAITING_S = 0.25
_WATCH_S = 0.2
#: The store is written at every so many looks at the workers.
_STORE_TURNS = 5
#: Sessions that have ended and are still shown; the oldest are forgotten.
_MOST_FINAL = 200


class Supervisor:
    """All sessions of this service.

    Parameters
    ----------
    max_sessions
        More than so many live sessions are refused.
    store
        Where live sessions are stored, to be brought back; nowhere when left out.
    """

    def __init__(self, max_sessions: int = 64, store: SessionStore | None = None) -> None:
        self.sessions: dict[str, Session] = {}
        self._store = store
        self._max_sessions = max_sessions
        self._closing = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._spare = SpareWorker()

    def prepare_spare(self) -> None:
        """Start the worker that the next session will take."""
        if not self._closing:
            self._spare.prepare()

    async def create(self, config: SessionConfig) -> Session:
        """Make a session and start its worker.

        Raises
        ------
        SessionError
            The name is taken, or there are too many sessions.
        """
        live = len(self._live())
        if live >= self._max_sessions:
            raise SessionError(
                f"{live} sessions run, no more than {self._max_sessions} may", limit=live
            )
        id_ = config.name or f"s-{secrets.token_hex(4)}"
        if id_ in self.sessions:
            raise SessionError(f"there is a session {id_} already; delete it first", name=id_)
        final = [s.id for s in self.sessions.values() if s.state.final]
        for forgotten in final[:-_MOST_FINAL]:
            del self.sessions[forgotten]
        session = Session(id_, config)
        for deprecation in config.deprecations:
            log.warning(deprecation, session=id_)
        self.sessions[id_] = session
        await self._start_worker(session)
        return session

    async def restore(self) -> None:
        """Restart the sessions that were live at the last shutdown; numbering continues."""
        for stored in self._store.former if self._store else ():
            session = Session(stored.id, stored.config, generation=stored.epoch, held=stored.held)
            session.earlier_decoders = list(stored.earlier_decoders)
            session.hub.last_seq, session.hub.life = stored.last_seq, stored.life
            self.sessions[stored.id] = session
            await self._start_worker(session)

    def _write_store(self, sessions: Iterable[Session], *, ended_well: bool = False) -> None:
        if self._store is None:
            return
        try:
            self._store.write([session.stored() for session in sessions], ended_well=ended_well)
        except OSError as error:
            log.error("sessions cannot be stored", error=str(error))

    def _live(self) -> list[Session]:
        return [session for session in self.sessions.values() if not session.state.final]

    async def watch(self) -> None:
        """Watch the workers, for ever; one that hangs is killed and replaced."""
        for turn in itertools.count():
            await asyncio.sleep(_WATCH_S)
            if turn % _STORE_TURNS == 0:
                self._write_store(self._live())
            for session in tuple(self.sessions.values()):
                if session.check_for_hang() and session.process is not None:
                    log.error("worker hangs; killing it", session=session.id)
                    session.process.kill()

    def get(self, id_: str) -> Session:
        """Give a session by its id; raises `KeyError`."""
        return self.sessions[id_]

    async def stop(self, session: Session, reason: str = "asked to stop") -> None:
        """Stop a session; return when its worker is gone. Stopping again does nothing."""
        if session.state.final:
            await session.ended.wait()
            return
        if session.link is not None:
            session.link.send({"op": "stop"})
        # One that connects waits on liblsl; its outputs close by themselves when it is gone.
        connects = session.state is SessionState.CONNECTING
        try:
            patience_s = _STOP_WAITING_S if connects or session.silent else _STOP_S
            await asyncio.wait_for(session.ended.wait(), patience_s)
        except TimeoutError:
            if not connects:
                log.warning("worker does not stop; killing it", session=session.id)
            if not session.state.final:
                session.step_to(SessionState.STOPPED, reason)
            if session.process is not None:
                session.process.kill()
            await session.ended.wait()

    async def delete(self, session: Session) -> None:
        """Stop a session and forget it."""
        await self.stop(session)
        self.sessions.pop(session.id, None)

    async def close(self) -> None:
        """Stop all sessions; store those that were live, where sessions are stored."""
        live = self._live()
        self._closing = True
        await asyncio.gather(
            self._spare.end(),
            *(self.stop(s, "the service ends") for s in tuple(self.sessions.values())),
        )
        await asyncio.gather(*self._tasks)
        self._write_store(live, ended_well=True)

    # -- workers ------------------------------------------------------------------------------

    async def _start_worker(self, session: Session) -> None:
        order = session.next_order()
        process, ours = await self._spare.take()
        session.process = process

        def on_lost() -> None:
            task = asyncio.get_running_loop().create_task(self._on_worker_gone(session, process))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        session.link = await LocalGatewayEnd.open(ours, session.on_frame, on_lost)
        session.link.send({"op": "order", "order": asdict(order)})
        if session.held != order.held:
            session.link.send({"op": "hold", "held": session.held})
        if session.feed.sources:
            session.link.send({"op": "feed", "sources": session.feed.sources})
        if session.state.final or self._closing:
            session.link.send({"op": "stop"})
        self.prepare_spare()

    async def _on_worker_gone(self, session: Session, process: BaseProcess) -> None:
        """End the process of a worker that closed its bus, and start another if one is due."""
        session.link = None
        exitcode = await asyncio.to_thread(end_process, process)
        session.process = None
        if not session.state.final:
            if self._closing:
                session.step_to(SessionState.STOPPED, "the service ends")
            else:
                log.error("worker died", session=session.id, exitcode=exitcode)
                give_up = session.note_crash()
                if give_up is None:
                    session.restarts += 1
                    await self._start_worker(session)
                    return
                session.step_to(SessionState.FAILED, give_up)
        session.ended.set()
