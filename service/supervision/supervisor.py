"""All sessions of a service and the workers that run them.

The supervisor starts a worker for each session, starts another when it dies (a new generation;
``seq`` goes on), gives up when deaths come too fast, and ends every worker when the service ends.
It runs on the gateway's event loop and never waits for a worker on it.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
import secrets
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

import structlog

from volition.errors import SessionError, StopError
from volition.service.sessions.config import SessionConfig
from volition.service.sessions.states import SessionState
from volition.service.sessions.stop_folder import StopFolder
from volition.service.sessions.stop_word import StopWord
from volition.service.supervision.session import Session
from volition.service.supervision.stopping import StopAnswer, Stopping
from volition.service.supervision.store import SessionStore, StoredSession
from volition.service.supervision.worker_process import SpareWorker, WorkerProcess, end_process
from volition.service.worker.bus import Frame, LocalGatewayEnd

log = structlog.get_logger()

T = TypeVar("T")

_STOP_S = 1.4
#: For a worker that has been silent already, or that waits on liblsl.
_STOP_WAITING_S = 0.25
_WATCH_S = 0.2
#: Later than this, a look was not merely late: what the workers sent meanwhile was not seen.
_STOOD_STILL_S = 0.3
#: From one attempt to start a worker to the next, where the system has no room for one.
_START_AGAIN_S = 1.0
#: The store is written at every fifth look at the workers.
_STORE_TURNS = 5
#: Sessions that have ended and are still shown; the oldest are forgotten.
_MOST_FINAL = 200


class Supervisor:
    """All sessions of this service.

    Parameters
    ----------
    max_sessions
        Limit of live sessions; more are refused.
    store
        Where live sessions are stored, to be brought back; nowhere when left out.
    stops
        Where the stop words of the sessions are; in a folder that ends with this service when left
        out.
    """

    def __init__(
        self,
        max_sessions: int = 64,
        store: SessionStore | None = None,
        stops: StopFolder | None = None,
    ) -> None:
        self.sessions: dict[str, Session] = {}
        self.stopping = Stopping()
        self._making: set[str] = set()
        self._stops = stops or StopFolder.temporary()
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="volition-store")
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
        StopError
            The disk does not take what stops it.
        """
        live = len(self._live()) + len(self._making)
        if live >= self._max_sessions:
            raise SessionError(
                f"{live} sessions run, no more than {self._max_sessions} may", limit=live
            )
        id_ = config.name or f"s-{secrets.token_hex(4)}"
        if id_ in self.sessions or id_ in self._making:
            raise SessionError(f"there is a session {id_} already; delete it first", name=id_)
        final = [s.id for s in self.sessions.values() if s.state.final]
        for forgotten in final[:-_MOST_FINAL]:
            del self.sessions[forgotten]
        self._making.add(id_)
        try:
            session = Session(id_, config, word=await self._on_disk(self._stops.word, id_))
        except OSError as error:
            raise StopError(
                f"no session is started that cannot be stopped: its stop word cannot be written: "
                f"{error}"
            ) from error
        finally:
            self._making.discard(id_)
        for deprecation in config.deprecations:
            log.warning(deprecation, session=id_)
        self.sessions[id_] = session
        try:
            await self._start_worker(session, await self._spare.take())
        except OSError as error:
            del self.sessions[id_]
            raise SessionError(f"no worker can be started: {error.strerror or error}") from None
        await self._remember()
        return session

    async def restore(self) -> None:
        """Restart the sessions that were live at the last shutdown; numbering continues."""
        for stored in self._store.former if self._store else ():
            await self.resume(stored, self._stops.word(stored.id))

    async def resume(
        self,
        stored: StoredSession,
        word: StopWord,
        relay_of: Callable[[Session], Callable[[Frame], None]] | None = None,
    ) -> Session:
        """Start a session where another left it: behind its last number, in its next epoch."""
        if stored.held and stored.stop_order is None:  # by a version that had no word
            word.press("the service", "restored")
        session = Session(stored.id, stored.config, generation=stored.epoch, word=word)
        session.earlier_decoders = list(stored.earlier_decoders)
        session.hub.last_seq, session.hub.life = stored.last_seq, stored.life
        session.relay = None if relay_of is None else relay_of(session)
        self.sessions[stored.id] = session
        await self._start_when_possible(session)
        return session

    async def word_of(self, id_: str) -> StopWord:
        """Give the stop word of a session that is to start."""
        return await self._on_disk(self._stops.word, id_)

    async def drop(self, session: Session, reason: str) -> None:
        """End a session at once: its worker is killed, since what it says may not be heard."""
        session.relay = None
        if not session.state.final:
            session.step_to(SessionState.STOPPED, reason)
        if session.process is not None:
            session.process.kill()
        if session.link is not None:
            await session.ended.wait()
        if self.sessions.get(session.id) is session:
            del self.sessions[session.id]

    async def _remember(self, *, of: Iterable[Session] | None = None, ended: bool = False) -> None:
        """Store the live sessions, or these; an answer that follows is true after a kill too."""
        if self._store is None:
            return
        stored = [session.stored() for session in (self._live() if of is None else of)]
        try:
            await self._on_disk(functools.partial(self._store.write, stored, ended_well=ended))
        except OSError as error:
            log.error("sessions cannot be stored", error=str(error))

    async def _on_disk(self, do: Callable[..., T], *arguments: Any) -> T:
        """Do one thing after another that waits for the disk, beside the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._disk, do, *arguments)

    def _live(self) -> list[Session]:
        return [session for session in self.sessions.values() if not session.state.final]

    async def watch(self) -> None:
        """Watch the workers, for ever; one that hangs is killed and replaced.

        When this process itself stood still, nobody is judged for what it did not hear meanwhile.
        """
        storing: asyncio.Task[None] | None = None
        looked = time.monotonic()
        for turn in itertools.count():
            await asyncio.sleep(_WATCH_S)
            before, looked = looked, time.monotonic()
            stood_still_s = looked - before - _WATCH_S
            stood_still = stood_still_s > _STOOD_STILL_S
            if stood_still:
                log.warning("the service stood still", for_s=round(stood_still_s, 2))
            if turn % _STORE_TURNS == 0 and (storing is None or storing.done()):
                storing = asyncio.create_task(self._remember())
            for session in tuple(self.sessions.values()):
                if stood_still:
                    session.excuse(stood_still_s)
                session.look_at_word()
                self.stopping.remember(session)  # whoever pressed it
                if session.ended.is_set():
                    self.stopping.let_go(session)
                if session.check_for_hang() and session.process is not None:
                    log.error("worker hangs; killing it", session=session.id)
                    session.process.kill()

    def get(self, id_: str) -> Session:
        """Give a session by its id; raises `KeyError`."""
        return self.sessions[id_]

    async def press(self, session: Session, by: str, where: str) -> StopAnswer:
        """Press the emergency stop of a session (`volition.service.supervision.stopping`)."""
        return await self.stopping.press(session, by, where)

    async def release(self, session: Session, order: int, by: str, where: str) -> bool:
        """Release the emergency stop of a session."""
        return await self.stopping.release(session, order, by, where)

    async def stop(self, session: Session, reason: str = "asked to stop") -> None:
        """Stop a session; return when its worker is gone. Stopping again does nothing."""
        if session.state.final:
            await session.ended.wait()
            return
        if session.link is not None:
            session.link.send({"op": "stop"}, urgent=True)
        # One that begins has nothing to close; one that connects waits on liblsl, and its outputs
        # close by themselves when it is gone.
        connects = session.state in (SessionState.CREATED, SessionState.CONNECTING)
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
        if not self._closing:
            await self._remember()

    async def delete(self, session: Session) -> None:
        """Stop a session and forget it."""
        await self.stop(session)
        await self.stopping.forget(session)
        # The name is free when nothing of the former session is to be removed any more.
        await self._on_disk(self._stops.forget, session.id)
        if self.sessions.get(session.id) is session:
            del self.sessions[session.id]

    async def close(self) -> None:
        """Stop all sessions; store those that were live, where sessions are stored."""
        live = self._live()
        self._closing = True
        await asyncio.gather(
            self._spare.end(),
            *(self.stop(s, "the service ends") for s in tuple(self.sessions.values())),
        )
        await asyncio.gather(*self._tasks)
        await self._remember(of=live, ended=True)
        self._disk.shutdown()
        self.stopping.close()
        self._stops.close()

    # -- workers ------------------------------------------------------------------------------

    async def _start_when_possible(self, session: Session) -> bool:
        """Start a worker as soon as the system has room for one; false when the session ended."""
        while not (session.state.final or self._closing):
            try:
                worker = await self._spare.take()
            except OSError as error:
                why = f"no worker can be started ({error.strerror or error}); trying again"
                if session.steps[-1].reason != why:
                    session.step_to(SessionState.CONNECTING, why)
                await asyncio.sleep(_START_AGAIN_S)
            else:
                await self._start_worker(session, worker)
                return True
        return False

    async def _start_worker(self, session: Session, worker: WorkerProcess) -> None:
        order = session.next_order()
        process, ours = worker
        session.process = process

        def on_lost() -> None:
            task = asyncio.get_running_loop().create_task(self._on_worker_gone(session, process))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        session.link = await LocalGatewayEnd.open(ours, session.on_frame, on_lost)
        session.link.send({"op": "order", "order": asdict(order)})
        if session.feed.sources:
            session.link.send({"op": "feed", "sources": session.feed.sources})
        if session.state.final or self._closing:
            session.link.send({"op": "stop"}, urgent=True)
        self.prepare_spare()

    async def _on_worker_gone(self, session: Session, process: BaseProcess) -> None:
        """End the process of a worker that closed its bus, and start another if one is due."""
        session.link = None
        exitcode = await asyncio.to_thread(end_process, process)
        session.process = None
        process.close()  # now that nobody can ask it any more
        if not session.state.final:
            if self._closing:
                session.step_to(SessionState.STOPPED, "the service ends")
            else:
                log.error("worker died", session=session.id, exitcode=exitcode)
                give_up = session.note_crash()
                if give_up is None:
                    session.restarts += 1
                    if await self._start_when_possible(session):
                        return
                elif not session.state.final:
                    session.step_to(SessionState.FAILED, give_up)
        session.ended.set()
