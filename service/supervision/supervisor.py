"""Sessions and the worker processes that run them.

A `Session` is what the API speaks of: a configuration, a state, a `Hub` and, while it runs, one
worker process. The supervisor spawns the worker, listens to it over the bus, starts another when it
dies (a new generation; ``seq`` goes on), gives up when deaths come too fast, and ends every worker
when the service ends. It runs on the gateway's event loop and never waits for a worker on it.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import secrets
import socket
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from multiprocessing.process import BaseProcess
from typing import Any, NamedTuple

import pydantic_core
import structlog
from pydantic import BaseModel

from volition.children import spawning
from volition.chunk import Event
from volition.decoders.contract.settings import Settings
from volition.errors import ModelError, SessionError
from volition.models.manifest import named_model
from volition.service.sessions.config import SessionConfig
from volition.service.sessions.states import SessionState, check_step
from volition.service.sessions.timing import StepTimes
from volition.service.supervision.hub import Hub
from volition.service.supervision.outline_feed import OutlineFeed
from volition.service.supervision.store import SessionStore, StoredSession
from volition.service.worker.bus import (
    Frame,
    FrameType,
    GatewayEnd,
    IntentCode,
    LocalGatewayEnd,
    local_pair,
)
from volition.service.worker.loop import WorkerOrder, run_worker
from volition.streams.lsl.clock import local_clock
from volition.streams.signal.outline import Source, source_of

log = structlog.get_logger()

_STOP_S = 1.4
#: For a worker that has been silent already, or that waits on liblsl.
_STOP_WAITING_S = 0.25
_KILL_S = 0.5
_REPLY_S = 2.0
#: A worker beats four times a second. So long without a word is said; so long again ends it.
_SILENT_S, _HANG_S = 0.8, 4.0
#: While it connects it waits on liblsl, which resolves for up to 5 s, twice, and opens for 2 s.
_HANG_CONNECTING_S = 20.0
_START_S = 20.0
_WATCH_S = 0.2
_KEEP_TURNS = 5
#: Sessions that have ended and are still shown; the oldest are forgotten.
_MOST_FINAL = 200
#: Decoders that a session can go back to, one by one.
_MOST_EARLIER = 50
#: A worker that died this often within this time is not started again.
_CRASHES, _CRASH_WINDOW_S = 5, 60.0

# One thread each: several workers share the machine, and small products gain nothing from more.
_ONE_THREAD = (
    "OPENBLAS_NUM_THREADS",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a session's state."""

    state: SessionState
    reason: str
    t: float
    utc: float


@dataclass(eq=False)
class Session:
    """One session as the gateway knows it."""

    id: str
    config: SessionConfig
    hub: Hub = field(default_factory=Hub)
    steps: deque[Step] = field(default_factory=lambda: deque(maxlen=100))
    generation: int = 0
    restarts: int = 0
    held: bool = False
    stream: dict[str, Any] | None = None
    warnings: list[str] = field(default_factory=list)
    counts: dict[str, Any] = field(default_factory=dict)
    #: Rate, labels and units of the signal, by source, once they are known.
    signals: dict[str, Any] = field(default_factory=dict)
    bus_times: StepTimes = field(default_factory=StepTimes)
    link: GatewayEnd | None = None
    process: BaseProcess | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    t_heard: float = 0.0  # monotonic time of the worker's last word
    _crashes: deque[float] = field(default_factory=lambda: deque(maxlen=_CRASHES))
    _crash_reason: str = ""
    _silent: bool = False
    _hold_heard: bool = True
    #: Settings of the decoders that ran before, the newest last.
    earlier_decoders: list[Settings] = field(default_factory=list)
    _swapping: asyncio.Lock = field(default_factory=asyncio.Lock)
    _histories: dict[int, tuple[list[bytes], asyncio.Future[bytes]]] = field(default_factory=dict)
    _replies: dict[int, asyncio.Future[Any]] = field(default_factory=dict)
    _ids: itertools.count[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.feed = OutlineFeed(self._ask_for_signal)
        self._enter(SessionState.CREATED, "made")

    @property
    def state(self) -> SessionState:
        return self.steps[-1].state

    @property
    def silent(self) -> bool:
        """Whether the worker has not been heard of for longer than it should be."""
        return self._silent

    def step_to(self, state: SessionState, reason: str) -> None:
        """Take an allowed step; saying the same state with another reason is one as well."""
        if state is not self.state:
            check_step(self.id, self.state, state)
        self._enter(state, reason)

    def _enter(self, state: SessionState, reason: str) -> None:
        step = Step(state, reason, local_clock(), time.time())
        self.steps.append(step)
        log.info(
            "session", session=self.id, state=str(state), reason=reason, generation=self.generation
        )
        self.announce()
        if state.final:
            self.hub.close(f"{state}: {reason}")
            self.feed.end(f"{state}: {reason}")

    def begin_life(self) -> WorkerOrder:
        """Count a new life of the worker; give what it is to run."""
        self.generation += 1
        self.t_heard = time.monotonic() + _START_S  # its imports may take until then
        self._silent = False
        self._hold_heard = True
        config = self.config.model_dump_json()
        return WorkerOrder(
            self.id,
            config,
            self.generation,
            self.hub.last_seq + 1,
            self.held,
            self.counts.get("t_newest"),
            self.counts.get("lost_with_workers", 0),
        )

    def models_in_use(self) -> list[str]:
        """Give the models that this session runs, or can go back to, by their references."""
        decoders = [self.config.decoder, *self.earlier_decoders]
        return [name for one in decoders if (name := named_model(one)) is not None]

    async def swap(self, decoder: Settings, *, remember: bool = True) -> dict[str, Any]:
        """Have the worker decode by other settings or another model; its next lives do so too.

        Parameters
        ----------
        decoder
            What decodes from the next sample on.
        remember
            Whether `swap_back` goes to what decoded before this; else to what did before that.

        Returns
        -------
        dict
            ``decoder``, ``model``, ``version``, ``t_sample`` of the last sample before it, and
            ``took_s``.

        Raises
        ------
        SessionError
            The session has ended, or its worker does not answer.
        ModelError
            The model does not fit this session; nothing has changed.
        """
        if self.state.final:
            raise SessionError(f"session {self.id} is {self.state}", state=self.state)
        async with self._swapping:
            answer = await self.ask("swap", decoder=decoder.model_dump(mode="json"))
            if answer is None:
                raise SessionError(f"the worker of session {self.id} does not answer; try again")
            if "error" in answer:
                raise ModelError(answer["error"]["message"], reason=answer["error"]["code"])
            if remember:
                self.earlier_decoders.append(self.config.decoder)
            del self.earlier_decoders[:-_MOST_EARLIER]
            self.config = self.config.model_copy(update={"decoder": decoder})
            self.counts["model"] = answer
            log.info("decoder changed", session=self.id, model=answer["model"])
            self.announce()
        return dict(answer)

    async def swap_back(self) -> dict[str, Any]:
        """Go back to what decoded before the last `swap`."""
        if not self.earlier_decoders:
            raise SessionError(f"session {self.id} has had no other decoder than this")
        before = self.earlier_decoders[-1]
        answer = await self.swap(before)
        del self.earlier_decoders[-2:]
        return answer

    def forget(self, model: str) -> None:
        """Never go back to a model, which is about to be removed."""
        self.earlier_decoders = [one for one in self.earlier_decoders if named_model(one) != model]

    def kept(self) -> StoredSession:
        """Give what another life of the service needs to bring this session back."""
        return StoredSession(
            id=self.id,
            config=self.config,
            epoch=self.generation,
            last_seq=self.hub.last_seq,
            held=self.held,
            earlier_decoders=self.earlier_decoders,
        )

    def announce(self) -> None:
        """Tell every client where the session stands."""
        step = self.steps[-1]
        message = {
            "type": "status",
            "session": self.id,
            "state": step.state,
            "reason": step.reason,
            "held": self.held,
            "decoder": self.config.decoder.kind,
            "model": named_model(self.config.decoder),
            "t": step.t,
            "epoch": self.generation,
        }
        payload = json.dumps(message).encode()
        self.hub.announce(Frame(FrameType.STATUS, IntentCode.NONE, 0, step.t, payload))

    def hold(self, held: bool) -> None:
        """Stop all outputs until they are let go again, whatever happens to the worker between.

        From this call on nothing but neutral intents passes: those that the worker had sent
        before it heard of it are discarded, and clients are told of the gap.
        """
        if held == self.held or self.state.final:
            return
        self.held = held
        log.warning("emergency stop" if held else "emergency stop released", session=self.id)
        self._hold_heard = not held
        if self.link is not None:
            self.link.send({"op": "hold", "held": held})
        self.announce()

    def _ask_for_signal(self, sources: list[Source]) -> None:
        if self.link is not None:
            self.link.send({"op": "feed", "sources": sources})

    async def ask(self, op: str, **fields: Any) -> Any:
        """Ask the worker; None when there is none or it does not answer in time."""
        if self.link is None:
            return None
        id_ = next(self._ids)
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._replies[id_] = future
        self.link.send({"op": op, "id": id_, **fields})
        try:
            return await asyncio.wait_for(future, _REPLY_S)
        except TimeoutError:
            return None
        finally:
            self._replies.pop(id_, None)

    async def history(self, last_s: float | None) -> tuple[dict[str, Any], bytes]:
        """Ask the worker for the signal that it keeps, as its decoder saw it.

        Returns
        -------
        head : dict
            ``spec`` and ``events``.
        rows : bytes
            Float64, each row a time and a sample.

        Raises
        ------
        SessionError
            There is none yet, or the worker does not answer.
        """
        number = next(self._ids)
        pieces: list[bytes] = []
        done: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._histories[number] = (pieces, done)
        try:
            head = await self.ask("history", number=number, last_s=last_s)
            if head is None:
                raise SessionError(f"the worker of session {self.id} does not answer; try again")
            if "error" in head:
                raise SessionError(f"session {self.id}: {head['error']}")
            while not done.done():
                n_before = len(pieces)
                await asyncio.wait([done], timeout=_REPLY_S)
                if not done.done() and len(pieces) == n_before:
                    raise SessionError(f"the worker of session {self.id} sends no more signal")
            return head, done.result()
        finally:
            del self._histories[number]

    def tell(self, message: BaseModel) -> None:
        """Send a message of the socket to every client."""
        payload = pydantic_core.to_json(message, by_alias=True, inf_nan_mode="null")
        self.hub.announce(Frame(FrameType.STATUS, IntentCode.NONE, 0, local_clock(), payload))

    def mark(self, event: Event) -> None:
        """Put an event into the session's signal."""
        if self.link is None or self.state.final:
            raise SessionError(
                f"session {self.id} is {self.state}; markers need a live one", state=self.state
            )
        self.link.send(
            {"op": "marker", "time": event.time, "name": event.name, "data": dict(event.data)}
        )

    # -- what the worker says -----------------------------------------------------------------

    def on_frame(self, frame: Frame) -> None:
        if frame.type is FrameType.INTENT:
            t_read = local_clock()
            if not self._hold_heard and self.held:
                # The worker's first word after it heard of the stop is an idle that says so.
                self._hold_heard = b'"reason":"held"' in frame.payload
            if self._hold_heard or not self.held:
                self.hub.publish(frame)
            self.t_heard = time.monotonic()
            self.bus_times.add(t_read - frame.t_published)
            return
        self.t_heard = time.monotonic()
        if frame.type is FrameType.HISTORY:
            self._on_history(frame)
            return
        if frame.type is FrameType.SIGNAL:
            self.feed.publish(source_of(frame.payload), frame.payload)
            return
        data = json.loads(frame.payload)
        if frame.type is FrameType.HEARTBEAT:
            self._on_heartbeat(data)
        elif frame.type is FrameType.REPLY:
            future = self._replies.get(data["id"])
            if future is not None and not future.done():
                future.set_result(data["result"])
        elif "crash" in data:
            self._crash_reason = data["crash"]
        elif not self.state.final:
            self.stream = data.get("stream", self.stream)
            self.warnings = data["warnings"]
            self.signals = data.get("signals", self.signals)
            self.step_to(SessionState(data["state"]), data["reason"])

    def _on_history(self, frame: Frame) -> None:
        pieces, done = self._histories.get(frame.seq, ([], None))
        if frame.payload:
            pieces.append(frame.payload)
        elif done is not None and not done.done():
            done.set_result(b"".join(pieces))

    def _on_heartbeat(self, data: dict[str, Any]) -> None:
        self.counts = data
        state = SessionState(data["state"])
        if self._silent and not self.state.final:
            self._silent = False
            self.step_to(state, data["reason"])

    def check_pulse(self) -> bool:
        """Say what is to be said of a worker that is silent; False when it is to be killed."""
        if self.link is None or self.state.final:
            return True
        silent_s = time.monotonic() - self.t_heard
        if silent_s > _SILENT_S and not self._silent and self.state is SessionState.RUNNING:
            self._silent = True
            self.step_to(SessionState.DEGRADED, f"the worker is silent for {silent_s:.1f} s")
        connecting = self.state in (SessionState.CREATED, SessionState.CONNECTING)
        return silent_s < (_HANG_CONNECTING_S if connecting else _HANG_S)

    def note_death(self) -> str | None:
        """Account for a worker that died; give the reason when it must not be started again."""
        now = time.monotonic()
        self._crashes.append(now)
        reason, self._crash_reason = self._crash_reason or "the worker died", ""
        if len(self._crashes) == _CRASHES and now - self._crashes[0] < _CRASH_WINDOW_S:
            return f"{_CRASHES} crashes within {_CRASH_WINDOW_S:g} s, the last: {reason}"
        self.step_to(SessionState.CONNECTING, f"{reason}; starting another")
        return None


class Supervisor:
    """All sessions of this service.

    Parameters
    ----------
    max_sessions
        More than so many live sessions are refused.
    kept
        Where live sessions are kept, to be brought back; nowhere when left out.
    """

    def __init__(self, max_sessions: int = 64, kept: SessionStore | None = None) -> None:
        self.sessions: dict[str, Session] = {}
        self._kept = kept
        self._max_sessions = max_sessions
        self._closing = False
        self._tasks: set[asyncio.Task[None]] = set()
        # A worker that has imported all it needs and waits: a session starts, and starts again
        # after a crash, without the second that the imports take.
        self._spare: asyncio.Task[_Spawned] | None = None

    def prepare_spare(self) -> None:
        """Start the worker that the next session will take."""
        if self._spare is None and not self._closing:
            self._spare = asyncio.create_task(asyncio.to_thread(_spawn))

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
        self.sessions[id_] = session
        await self._start_worker(session)
        return session

    async def restore(self) -> None:
        """Bring back the sessions that were kept."""
        for kept in self._kept.former if self._kept else ():
            session = Session(kept.id, kept.config, generation=kept.epoch, held=kept.held)
            session.earlier_decoders = list(kept.earlier_decoders)
            session.hub.last_seq = kept.last_seq
            self.sessions[kept.id] = session
            await self._start_worker(session)

    def _keep(self, sessions: Iterable[Session], *, ended_well: bool = False) -> None:
        if self._kept is None:
            return
        try:
            self._kept.write([session.kept() for session in sessions], ended_well=ended_well)
        except OSError as error:
            log.error("sessions cannot be kept", error=str(error))

    def _live(self) -> list[Session]:
        return [session for session in self.sessions.values() if not session.state.final]

    async def watch(self) -> None:
        """Look after the workers' pulses, for ever; one that hangs is killed and replaced."""
        for turn in itertools.count():
            await asyncio.sleep(_WATCH_S)
            if turn % _KEEP_TURNS == 0:
                self._keep(self._live())
            for session in tuple(self.sessions.values()):
                if not session.check_pulse() and session.process is not None:
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
        # One that connects waits on liblsl and has nothing to close: a recording closes itself.
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
        """Stop all sessions; those that live are kept, where sessions are."""
        live = self._live()
        self._closing = True
        await asyncio.gather(
            self._end_spare(),
            *(self.stop(s, "the service ends") for s in tuple(self.sessions.values())),
        )
        await asyncio.gather(*self._tasks)
        self._keep(live, ended_well=True)

    async def _end_spare(self) -> None:
        if self._spare is not None:
            spawned = await self._spare
            spawned.process.kill()  # it has nothing to close
            spawned.sock.close()
            await asyncio.to_thread(_end, spawned.process)

    # -- workers ------------------------------------------------------------------------------

    async def _start_worker(self, session: Session) -> None:
        order = session.begin_life()
        process, ours = await self._take_worker()
        session.process = process

        def on_lost() -> None:
            task = asyncio.get_running_loop().create_task(self._bury(session, process))
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

    async def _take_worker(self) -> _Spawned:
        """Give the spare, if it lives, or a new one."""
        spare, self._spare = self._spare, None
        if spare is not None:
            spawned = await spare
            if spawned.process.is_alive():
                return spawned
            spawned.sock.close()
        return await asyncio.to_thread(_spawn)

    async def _bury(self, session: Session, process: BaseProcess) -> None:
        """See a worker off whose end of the bus is closed, and start another if one is due."""
        session.link = None
        exitcode = await asyncio.to_thread(_end, process)
        session.process = None
        if not session.state.final:
            if self._closing:
                session.step_to(SessionState.STOPPED, "the service ends")
            else:
                log.error("worker died", session=session.id, exitcode=exitcode)
                give_up = session.note_death()
                if give_up is None:
                    session.restarts += 1
                    await self._start_worker(session)
                    return
                session.step_to(SessionState.FAILED, give_up)
        session.ended.set()


class _Spawned(NamedTuple):
    """A worker that waits for its order, and the gateway's end of its bus."""

    process: BaseProcess
    sock: socket.socket


def _spawn() -> _Spawned:
    for name in _ONE_THREAD:
        os.environ.setdefault(name, "1")
    ours, theirs = local_pair()
    process = spawning.Process(
        target=run_worker, args=(theirs,), name="volition-worker", daemon=True
    )
    process.start()
    theirs.close()
    return _Spawned(process, ours)


def _end(process: BaseProcess) -> int | None:
    """Wait for a process whose bus is closed, not for long; give its exit code."""
    process.join(_KILL_S)
    if process.exitcode is None:
        process.kill()
        process.join()
    exitcode = process.exitcode
    process.close()
    return exitcode
