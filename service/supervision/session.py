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
from typing import Any, Literal

import pydantic_core
import structlog
from pydantic import BaseModel

from volition.chunk import Event
from volition.decoders.contract.settings import Settings
from volition.errors import BusyError, ModelError, SessionError
from volition.models.manifest import named_model
from volition.service.sessions.config import SessionConfig
from volition.service.sessions.states import SessionState, check_step
from volition.service.sessions.stop_word import Deed, StopWord
from volition.service.sessions.timing import StepTimes
from volition.service.supervision.hub import Hub, may_move
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
#: An intent that waited so long for the gateway may be past its time.
_LATE_S = 0.25
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


@dataclass(eq=False, slots=True)
class Change:
    """A change of what decodes: one that was asked for, made, or not."""

    number: int
    decoder: Settings
    remember: bool
    back: bool
    state: Literal["pending", "made", "not made"] = "pending"
    reason: str = ""

    @property
    def id(self) -> str:
        return f"change-{self.number}"


@dataclass
class StopCounts:
    """How often the emergency stop was pressed and released, and workers killed for it."""

    pressed: int = 0
    released: int = 0
    killed: int = 0


@dataclass(eq=False)
class Session:
    """One session as the gateway knows it."""

    id: str
    config: SessionConfig
    hub: Hub = field(default_factory=Hub)
    steps: deque[Step] = field(default_factory=lambda: deque(maxlen=100))
    generation: int = 0
    restarts: int = 0
    word: StopWord = field(default_factory=StopWord.in_memory)
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
    #: How often the emergency stop was pressed and released, and workers killed for it.
    stop_counts: StopCounts = field(default_factory=StopCounts)
    _told: tuple[int, int, bool] = (0, 0, False)
    _remembered: tuple[int, int] = (0, 0)
    _killed_for_stop: bool = False
    #: Settings of the decoders that ran before, the newest last.
    earlier_decoders: list[Settings] = field(default_factory=list)
    #: The last changes of what decodes, the newest last.
    changes: deque[Change] = field(default_factory=lambda: deque(maxlen=20))
    _histories: dict[int, tuple[list[bytes], asyncio.Future[bytes]]] = field(default_factory=dict)
    _replies: dict[int, asyncio.Future[Any]] = field(default_factory=dict)
    _ids: itertools.count[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self._remembered = self._orders
        self.feed = OutlineFeed(self._ask_for_signal)
        self._told = (*self._orders, self.stop_is_confirmed)
        self._enter(SessionState.CREATED, "made")

    @property
    def state(self) -> SessionState:
        return self.steps[-1].state

    @property
    def held(self) -> bool:
        """Whether the emergency stop holds all outputs."""
        return self.word.held

    @property
    def warnings(self) -> list[str]:
        """What is wrong, but no reason to end: with the configuration, the stream, an output."""
        crowded = self.counts.get("crowded_events", 0)
        told = [f"{crowded} markers were not met: too many in a second"] if crowded else []
        slow = self.counts.get("slow_decisions", {"n": 0})
        if slow["n"]:
            told.append(
                f"{slow['n']} decisions took longer than there is from one to the next, the "
                f"longest {slow['slowest_s']:.2f} s"
            )
        if behind := self.hub.behind():
            longest_s = max(one.behind_s for one in behind)
            told.append(
                f"{len(behind)} of {len(self.hub.subscriptions)} clients do not keep up: the "
                f"slowest has read nothing for {longest_s:.1f} s"
            )
        if not self.stop_is_remembered:
            told.append(
                "the emergency stop, or its release, is not on the disk yet: it would survive all "
                "but a power cut, and the disk is asked again"
            )
        return [*self.config.deprecations, *self._worker_warnings, *told]

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
            self._give_up_changes()
            self.hub.close(f"{state}: {reason}")
            self.feed.end(f"{state}: {reason}")

    def next_order(self) -> WorkerOrder:
        """Count another generation of the worker; give what it is to run."""
        self.generation += 1
        self._give_up_changes()
        self.t_heard = time.monotonic() + _START_S  # its imports may take until then
        self._is_silent = False
        config = self.config.model_dump_json()
        return WorkerOrder(
            self.id,
            self.hub.life,
            config,
            self.generation,
            self.hub.last_seq + 1,
            str(self.word.path),
            self.counts.get("t_newest"),
            self.counts.get("lost_with_workers", 0),
            None if self.stream is None else self.stream["uid"],
        )

    def models_in_use(self) -> list[str]:
        """Give the models that this session runs, or can go back to, by their references."""
        decoders = [self.config.decoder, *self.earlier_decoders]
        return [name for one in decoders if (name := named_model(one)) is not None]

    async def swap(
        self, decoder: Settings, *, remember: bool = True, back: bool = False
    ) -> dict[str, Any]:
        """Have this and later workers decode by other settings or another model.

        Parameters
        ----------
        decoder
            What decodes from the next sample on.
        remember
            Whether `swap_back` returns to what decoded before this, or passes over it.
        back
            Whether this is a return.

        Returns
        -------
        dict
            ``change``, ``decoder``, ``model``, ``version``, ``t_sample`` of the last sample before
            it, and ``took_s``.

        Raises
        ------
        SessionError
            The session has ended, or its worker does not answer in time; whether the change was
            made all the same is told in `changes` as soon as it is known.
        ModelError
            The model does not fit this session; nothing has changed.
        """
        if self.state.final or self.link is None:
            raise SessionError(f"session {self.id} is {self.state}", state=self.state)
        change = Change(next(self._ids), decoder, remember=remember, back=back)
        self.changes.append(change)
        self._replies[change.number] = reply = asyncio.get_running_loop().create_future()
        # An answer is taken whenever it comes: the worker has then done what it says.
        reply.add_done_callback(lambda done: self._settle(change, done))
        order = {"op": "swap", "id": change.number, "decoder": decoder.model_dump(mode="json")}
        if not self.link.send(order):
            reply.cancel()
        try:
            answer = await asyncio.wait_for(asyncio.shield(reply), _REPLY_S)
        except TimeoutError:
            raise SessionError(
                f"the worker of session {self.id} has not answered yet: whether the change "
                f"{change.id} is made is told with the session's model once it is known",
                change=change.id,
            ) from None
        except asyncio.CancelledError:
            if not reply.cancelled():
                raise  # who asked has left
            raise SessionError(
                f"the change {change.id} was not made: {change.reason}", change=change.id
            ) from None
        if "error" in answer:
            raise ModelError(answer["error"]["message"], reason=answer["error"]["code"])
        return {**answer, "change": change.id}

    def _settle(self, change: Change, reply: asyncio.Future[Any]) -> None:
        """Take note of whether a change was made, and be what the worker is now."""
        self._replies.pop(change.number, None)
        if reply.cancelled():
            change.state, change.reason = "not made", "the worker ended before it answered"
            return
        answer = reply.result()
        if "error" in answer:
            change.state, change.reason = "not made", answer["error"]["message"]
            return
        change.state = "made"
        if change.back:
            del self.earlier_decoders[-1:]
        elif change.remember:
            self.earlier_decoders.append(self.config.decoder)
        del self.earlier_decoders[:-_MOST_EARLIER]
        self.config = self.config.model_copy(update={"decoder": change.decoder})
        self.counts["model"] = answer
        log.info("decoder changed", session=self.id, model=answer["model"], change=change.id)
        self.announce()

    def _give_up_changes(self) -> None:
        """Note that what a worker that is gone did not answer was not made."""
        for change in self.changes:
            reply = self._replies.get(change.number)
            if change.state == "pending" and reply is not None:
                reply.cancel()

    async def swap_back(self) -> dict[str, Any]:
        """Go back to what decoded before the last `swap`."""
        if not self.earlier_decoders:
            raise SessionError(f"session {self.id} has had no other decoder than this")
        return await self.swap(self.earlier_decoders[-1], back=True)

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
            stop_order=self.word.order,
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
            "confirmed": self.stop_is_confirmed,
            "decoder": self.config.decoder.kind,
            "model": named_model(self.config.decoder),
            "t": step.t,
            "epoch": self.generation,
        }
        payload = json.dumps(message).encode()
        self.hub.announce(Frame(FrameType.STATUS, IntentCode.NONE, 0, step.t, payload))

    # -- the emergency stop -------------------------------------------------------------------

    def press_stop(self, by: str, where: str) -> int:
        """Hold all outputs until they are released; give the number of the order.

        From this call on nothing but neutral intents passes here: those that the worker sent before
        it knew of the stop are discarded, and clients are told of the gap.
        """
        order = self.word.press(by, where)
        self.look_at_word()
        return order

    def release_stop(self, order: int, by: str, where: str) -> None:
        """Let outputs go on, unless the stop was pressed again after ``order``."""
        self.word.release(order, by, where)
        self.look_at_word()

    def look_at_word(self) -> None:
        """Tell everybody of a press or a release, whoever did it and in whichever process."""
        word, told = self.word, self._told
        if told == (now := (*self._orders, self.stop_is_confirmed)):
            return
        self._told = now
        if now[0] != told[0]:
            self.stop_counts.pressed += 1
            log.warning("emergency stop", session=self.id, **_deed_fields(word.press_deed))
        if now[1] != told[1]:
            self.stop_counts.released += 1
            fields = _deed_fields(word.release_deed)
            log.warning("emergency stop released", session=self.id, **fields)
        if word.held:
            self.hub.withdraw()
        self.announce()

    @property
    def stop_is_confirmed(self) -> bool:
        """Whether all outputs are held, and the worker is known to obey.

        Any press of the stop that holds will do: pressing again loosens nothing that is confirmed.
        """
        return self.word.held and self.obeys(self.word.released + 1)

    @property
    def stop_is_remembered(self) -> bool:
        """Whether the disk has the newest press and the newest release."""
        return self._remembered == self._orders

    def remember_stop(self) -> None:
        """Write the word through to the disk, in a thread that may wait for it."""
        written = self._orders
        self.word.remember()
        self._remembered = written

    @property
    def _orders(self) -> tuple[int, int]:
        return self.word.order, self.word.released

    def withholds(self, frame: Frame) -> bool:
        """Whether a frame may not go out now, because of the emergency stop."""
        return self.word.held and may_move(frame)

    def obeys(self, order: int) -> bool:
        """Whether nothing but neutral intents comes from a worker of this session any more.

        To be asked a moment after the stop was pressed: a worker that rests, or has yet to begin,
        reads the word before it sends anything.
        """
        word, process = self.word, self.process
        if word.at_rest or word.obeyed >= order or word.reader != self.generation:
            return True
        return process is None or not process.is_alive()

    def kill_for_stop(self) -> None:
        """Kill a worker that does not obey; the next one starts held."""
        if self.process is None:
            return
        self.stop_counts.killed += 1
        self._killed_for_stop = True
        log.error("worker does not obey the emergency stop; killing it", session=self.id)
        self.process.kill()

    def _ask_for_signal(self, sources: list[Source]) -> None:
        if self.link is not None:
            self.link.send({"op": "feed", "sources": sources}, urgent=True)

    async def ask(self, op: str, **fields: Any) -> Any:
        """Ask the worker; None when there is none or it does not answer in time.

        Raises
        ------
        BusyError
            The worker has too much to read already, and was not asked.
        """
        if self.link is None:
            return None
        id_ = next(self._ids)
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._replies[id_] = future
        try:
            self._command(self.link, {"op": op, "id": id_, **fields})
            return await asyncio.wait_for(future, _REPLY_S)
        except TimeoutError:
            return None
        finally:
            self._replies.pop(id_, None)

    def _command(self, link: GatewayEnd, command: dict[str, Any]) -> None:
        """Send a command, or say that it was not delivered."""
        if not link.send(command):
            raise BusyError(
                f"the worker of session {self.id} does not take commands as fast as they come; "
                f"this one ({command['op']}) was not delivered",
                session=self.id,
            )

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

    def mark(self, *events: Event) -> None:
        """Put events into the session's signal, all at once."""
        if self.link is None or self.state.final:
            raise SessionError(
                f"session {self.id} is {self.state}; markers need a live one", state=self.state
            )
        told = [{"time": one.time, "name": one.name, "data": dict(one.data)} for one in events]
        self._command(self.link, {"op": "markers", "markers": told})

    # -- what the worker says -----------------------------------------------------------------

    def on_frame(self, frame: Frame) -> None:
        if frame.type is FrameType.INTENT:
            t_read = local_clock()
            if frame.is_held:
                self.look_at_word()
            if self.withholds(frame) or _is_past(frame, t_read):
                self.hub.lose(frame)
            else:
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
            state, reason = SessionState(data["state"]), data["reason"]
            # A worker says it again when nothing but its warnings has changed.
            if (state, reason) != (self.state, self.steps[-1].reason):
                self.step_to(state, reason)

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

    def excuse(self, for_s: float) -> None:
        """Count nothing against the worker for a time in which nobody listened."""
        self.t_heard += for_s

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

    def _died_of_stop(self) -> bool:
        """Whether the worker was killed by whoever pressed the stop, here or beside the service."""
        word = self.word
        has_not_obeyed = word.reader == self.generation and word.obeyed < word.order
        return self._killed_for_stop or (word.held and has_not_obeyed and not word.at_rest)

    def note_crash(self) -> str | None:
        """Count a worker that died; give the reason when no other is to be started."""
        if self._died_of_stop():
            self._killed_for_stop = False
            reason = "the worker was killed: it did not obey the emergency stop"
            self.step_to(SessionState.CONNECTING, f"{reason}; starting another")
            return None
        now = time.monotonic()
        self._crashes.append(now)
        reason, self._crash_reason = self._crash_reason or "the worker died", ""
        if len(self._crashes) == _CRASHES and now - self._crashes[0] < _CRASH_WINDOW_S:
            return f"{_CRASHES} crashes within {_CRASH_WINDOW_S:g} s, the last: {reason}"
        self.step_to(SessionState.CONNECTING, f"{reason}; starting another")
        return None


def _is_past(frame: Frame, now: float) -> bool:
    """Whether an intent waited here until nobody may act on it any more."""
    if now - frame.t_published < _LATE_S or not may_move(frame):
        return False
    intent = json.loads(frame.payload)
    return bool(now > intent["t_sample"] + intent["expires_s"])


def _deed_fields(deed: Deed | None) -> dict[str, Any]:
    return {} if deed is None else {"by": deed.by, "where": deed.where, "order": deed.order}
