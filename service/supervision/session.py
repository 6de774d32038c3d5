"""One session as the gateway knows it: what the API speaks of.

A configuration, a state, a `Hub` of intents and, while it runs, one worker at the other end of a
bus. A `Session` takes what its worker sends and sends it commands; the supervisor starts and ends
workers. All of it runs on the gateway's event loop, and nothing waits for a worker there.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections import deque
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from typing import Any

import pydantic_core
import structlog
from pydantic import BaseModel

from volition.chunk import Event
from volition.decoders.contract.settings import Settings
from volition.errors import ModelError, SessionError
from volition.models.manifest import named_model
from volition.service.sessions.config import SessionConfig
from volition.service.sessions.states import SessionState, check_step
from volition.service.sessions.timing import StepTimes
from volition.service.supervision.hub import Hub
from volition.service.supervision.outline_feed import OutlineFeed
from volition.service.supervision.store import StoredSession
from volition.service.worker.bus import Frame, FrameType, GatewayEnd, IntentCode
from volition.service.worker.loop import WorkerOrder
from volition.service.worker.outputs.record import recording_state
from volition.streams.lsl.clock import local_clock
from volition.streams.signal.outline import Source, source_of

log = structlog.get_logger()

_REPLY_S = 2.0
#: A worker sends four heartbeats a second. One that sends nothing for `_SILENT_S` is called silent,
#: and one that sends nothing for `_HANG_S` is killed.
_SILENT_S, _HANG_S = 0.8, 4.0
#: While it connects it waits on liblsl, which resolves for up to 5 s, twice, and opens for 2 s.
_HANG_CONNECTING_S = 20.0
_START_S = 20.0
#: Decoders that a session can go back to, one by one.
_MOST_EARLIER = 50
#: A worker that died this often within this time is not started again.
_CRASHES, _CRASH_WINDOW_S = 5, 60.0


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
    counts: dict[str, Any] = field(default_factory=dict)
    #: Rate, labels and units of the signal, by source, once they are known.
    signals: dict[str, Any] = field(default_factory=dict)
    bus_times: StepTimes = field(default_factory=StepTimes)
    link: GatewayEnd | None = None
    process: BaseProcess | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    t_heard: float = 0.0  # monotonic time when the worker last sent anything
    _crashes: deque[float] = field(default_factory=lambda: deque(maxlen=_CRASHES))
    _crash_reason: str = ""
    _is_silent: bool = False
    _worker_warnings: list[str] = field(default_factory=list)
    _worker_knows_hold: bool = True
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
    def warnings(self) -> list[str]:
        """What is wrong, but no reason to end: with the configuration, the stream, an output."""
        return [*self.config.deprecations, *self._worker_warnings]

    @property
    def recording(self) -> dict[str, Any] | None:
        """How the recording stands by the last heartbeat; None where nothing is recorded."""
        return recording_state(self.counts.get("outputs", ()))

    @property
    def silent(self) -> bool:
        """Whether the worker has not been heard of for longer than it should be."""
        return self._is_silent

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

    def next_order(self) -> WorkerOrder:
        """Count another generation of the worker; give what it is to run."""
        self.generation += 1
        self.t_heard = time.monotonic() + _START_S  # its imports may take until then
        self._is_silent = False
        self._worker_knows_hold = True
        config = self.config.model_dump_json()
        return WorkerOrder(
            self.id,
            self.hub.life,
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
        """Have this and later workers decode by other settings or another model.

        Parameters
        ----------
        decoder
            What decodes from the next sample on.
        remember
            Whether `swap_back` returns to what decoded before this, or passes over it.

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

    def stored(self) -> StoredSession:
        """Give what the service needs to bring this session back when it starts again."""
        return StoredSession(
            id=self.id,
            life=self.hub.life,
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
        """Stop all outputs until they are released, even across a restart of the worker.

        From this call on nothing but neutral intents passes: those that the worker sent before it
        knew of the stop are discarded, and clients are told of the gap.
        """
        if held == self.held or self.state.final:
            return
        self.held = held
        log.warning("emergency stop" if held else "emergency stop released", session=self.id)
        self._worker_knows_hold = not held
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
            if not self._worker_knows_hold and self.held:
                # The first intent of a worker that knows of the stop is an idle that says so.
                self._worker_knows_hold = b'"reason":"held"' in frame.payload
            if self._worker_knows_hold or not self.held:
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
            self._worker_warnings = data["warnings"]
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
        if self._is_silent and not self.state.final:
            self._is_silent = False
            self.step_to(state, data["reason"])

    def check_for_hang(self) -> bool:
        """Announce a worker that is silent; give whether it hangs, and is to be killed."""
        if self.link is None or self.state.final:
            return False
        silent_s = time.monotonic() - self.t_heard
        if silent_s > _SILENT_S and not self._is_silent and self.state is SessionState.RUNNING:
            self._is_silent = True
            self.step_to(SessionState.DEGRADED, f"the worker is silent for {silent_s:.1f} s")
        connecting = self.state in (SessionState.CREATED, SessionState.CONNECTING)
        return silent_s >= (_HANG_CONNECTING_S if connecting else _HANG_S)

    def note_crash(self) -> str | None:
        """Count a worker that died; give the reason when no other is to be started."""
        now = time.monotonic()
        self._crashes.append(now)
        reason, self._crash_reason = self._crash_reason or "the worker died", ""
        if len(self._crashes) == _CRASHES and now - self._crashes[0] < _CRASH_WINDOW_S:
            return f"{_CRASHES} crashes within {_CRASH_WINDOW_S:g} s, the last: {reason}"
        self.step_to(SessionState.CONNECTING, f"{reason}; starting another")
        return None
