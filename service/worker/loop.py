"""A session's worker: the loop in which one stream becomes intents.

    connect ──> pump: pull ──> clean ──> decode ──> encode ──> publish ──┐
       ^          ^─────────────────────────────────────────────────────┘
       └── the stream was lost

One thread and one loop. Between two chunks it looks, without waiting, for markers and for commands;
when there are no samples it wakes every `_POLL_S` to do so. Encoding happens once, here. Nothing in
the loop waits for the gateway (`volition.service.worker.bus`) or for an output
(`volition.service.worker.output_channels`), and no web library is ever imported. Whatever is sent
is held against the stop word (`volition.service.sessions.stop_word`) just before, in one place.

The worker watches the stream itself, says what it sees, and has a new inlet made when it was lost
(`volition.service.worker.connector`). One that came back as another signal, and may be followed,
gets a pipeline of its own: nothing is decided on a mixture of both. Should the process
(`volition.service.worker.process`) die all the same, the supervisor starts another.
"""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pydantic_core

from volition.chunk import Chunk, Event, SignalSpec
from volition.decoders.artifacts.electrodes import find_positions
from volition.decoders.contract.intent import Intent, to_json
from volition.decoders.contract.settings import Settings
from volition.errors import (
    ConfigError,
    DecodeError,
    LslMissingError,
    ModelError,
    SpecError,
    StreamError,
    VolitionError,
)
from volition.models.manifest import named_model
from volition.service.sessions.config import SessionConfig, parse_config
from volition.service.sessions.engine import Engine
from volition.service.sessions.gate import Gate
from volition.service.sessions.outputs import OutputContext
from volition.service.sessions.rehearsal import Rehearsal
from volition.service.sessions.states import SessionState
from volition.service.sessions.stop_word import StopWord
from volition.service.worker.backlog import BacklogWatch
from volition.service.worker.bus import HELD, INTENT_CODES, FrameType, WorkerEnd, pack
from volition.service.worker.connector import Connection, Connector, GaveUpError, describe
from volition.service.worker.counts import Counts, step_of
from volition.service.worker.evidence import BlockWatch, implausible, warnings_of
from volition.service.worker.garbage import GarbageCollector
from volition.service.worker.history_sender import HistorySender
from volition.service.worker.marker_feed import MarkerFeed
from volition.service.worker.outline_feed import OutlineSender
from volition.service.worker.output_channels import OutputChannels
from volition.streams.lsl.clock import local_clock
from volition.streams.lsl.inlet import SignalInlet
from volition.streams.signal.quality import SignalQuality
from volition.streams.signal.triggers import without_codes

#: An emergency stop is obeyed within this time where there are no samples.
_POLL_S = 0.01
_HEARTBEAT_S = 0.25
#: When no sample has come for this long since a chunk, its intents have reached their clients.
_QUIET_S = 0.002
_QUALITY_S = 1.0
#: The gateway kills a worker that needs more than a second to end.
_CLOSE_OUTPUTS_S = 0.6
#: An inlet that is silent for this long is closed, and its stream is looked for anew.
_GIVE_UP_S = 6.0
#: Another worker would find the same.
_FINAL_ERRORS = (
    ConfigError,
    DecodeError,
    GaveUpError,
    LslMissingError,
    ModelError,
    SpecError,
)


@dataclass(frozen=True, slots=True)
class WorkerOrder:
    """What a worker is to run.

    Attributes
    ----------
    session, life, config_json
        Name, life and configuration of the session.
    generation
        Which worker of the session this is, from 1.
    next_seq
        Number of the first intent.
    stop_word
        File of the session's stop word.
    t_newest
        Time stamp of the newest sample that the generations before told of.
    lost_with_workers
        Samples lost between those generations.
    stream_uid
        The stream that the generation before listened to.
    """

    session: str
    life: str
    config_json: str
    generation: int
    next_seq: int
    stop_word: str
    t_newest: float | None = None
    lost_with_workers: int = 0
    stream_uid: str | None = None


class Worker:
    """The loop and what it works with.

    Parameters
    ----------
    link
        The worker's end of the bus.
    order
        What to run.
    commands
        Commands that came together with the order.
    """

    def __init__(self, link: WorkerEnd, order: WorkerOrder, commands: list[dict[str, Any]]) -> None:
        self._link = link
        self._order = order
        self._early_commands = commands
        self._config = SessionConfig.model_validate_json(order.config_json)
        self._connector = Connector(
            self._config,
            turn=self._serve_while_connecting,
            say=lambda why: self._announce(SessionState.CONNECTING, why),
            why_not_follow=self._why_not_follow,
            known_uid=order.stream_uid,
        )
        self._state = SessionState.CREATED
        self._reason = self._announced_reason = ""
        self._word = StopWord.open(Path(order.stop_word))
        self._order_told = self._word.order
        self._gate = Gate(closed=self._word.held)
        # First, or a stop that holds would count as not obeyed for a moment.
        self._word.obey(self._order_told)
        self._word.read_as(order.generation, os.getpid())
        self._is_ending = False
        # Made when the signal is known.
        self._inlet: SignalInlet | None = None
        self._engine: Engine | None = None
        self._rehearsal: Rehearsal | None = None
        self._refused: tuple[SignalSpec, Settings, str] | None = None
        self._quality: SignalQuality | None = None
        self._outputs = OutputChannels()
        self._outline = OutlineSender()
        self._outline_waits = False
        self._history = HistorySender()
        self._backlog = BacklogWatch(self._config.stream.max_lag_s)
        self._garbage = GarbageCollector()
        self._counts = Counts(order.t_newest, order.lost_with_workers)
        self._counts.step_s = step_of(self._config.decoder)
        self._markers = MarkerFeed(self._config.markers)
        self._blocked = BlockWatch()
        self._remark = ""
        self._warned: set[str] = set()
        self._pending_events: list[Event] = []
        self._t_last_sample = 0.0
        self._t_last_chunk = math.nan
        self._t_heartbeat = 0.0
        self._t_quality = 0.0
        self._commands: dict[str, Callable[[dict[str, Any]], Any]] = {
            "stop": self._do_stop,
            "markers": self._do_markers,
            "state": self._do_state,
            "feed": self._do_feed,
            "swap": self._do_swap,
            "history": self._do_history,
        }

    def run(self) -> None:
        """Connect and pump until stopped; what cannot be mended ends in ``failed``."""
        try:
            while not self._is_ending:
                connection = self._connect()
                if connection is None:
                    break
                lost = self._pump(connection)
                connection.close()
                if lost:
                    self._counts.reconnects += 1
                    if (self._state, self._reason) == (SessionState.CONNECTING, lost):
                        self._connector.rest()
                    else:
                        self._announce(SessionState.CONNECTING, lost)
        except _FINAL_ERRORS as error:
            self._announce(SessionState.FAILED, error.message)
            return
        except MemoryError:
            self._announce(SessionState.FAILED, "it needs more memory than a session may have")
            return
        self._announce(SessionState.STOPPED, "asked to stop")

    def end(self) -> None:
        """Have the loop end at its next turn."""
        self._is_ending = True

    def close(self) -> None:
        """Close the outputs; what they do not finish in time they finish without the worker."""
        self._markers.close()
        self._outputs.events(self._pending_events)
        self._outputs.close(_CLOSE_OUTPUTS_S)

    def report_crash(self, error: Exception) -> None:
        """Tell the gateway why this process is about to end."""
        reason = f"worker crashed: {type(error).__name__}: {error}"
        self._publish_json(FrameType.STATUS, {"crash": reason, "t": local_clock()})

    # -- connecting ---------------------------------------------------------------------------

    def _connect(self) -> Connection | None:
        """Find and open the streams; None when told to stop meanwhile."""
        if self._state is SessionState.CREATED:
            self._announce(SessionState.CONNECTING, "looking for the stream")
        with self._resting():
            connection = self._connector.connect()
            if connection is None:
                return None
            self._inlet = connection.signal
            self._markers.use(connection.markers)
            if self._engine is None:
                self._prepare(connection.signal)
            elif self._engine.signal_spec != connection.signal.spec:
                self._follow(self._engine, connection.signal)
                self._garbage.give_back()
        self._t_last_sample = local_clock()
        return connection

    def _serve_while_connecting(self) -> bool:
        """Serve the gateway while there is nothing else to do; false when it is time to end."""
        self._serve_gateway()
        return not self._is_ending

    def _prepare(self, inlet: SignalInlet) -> None:
        """Make all that needs to know the signal."""
        engine = self._make_pipeline(inlet.spec, self._order.next_seq)
        self._outputs.open(self._config.outputs, self._output_context(engine, inlet))
        self._begin_held(engine)
        self._garbage.take_over()

    def _follow(self, former: Engine, inlet: SignalInlet) -> None:
        """Make all that needs to know the signal anew, for the one that the stream came back as.

        Numbers of intents go on; all that was known of the former signal is forgotten.
        """
        engine = self._make_pipeline(inlet.spec, former.next_seq)
        note = {"had": describe(former.signal_spec), "now": describe(inlet.spec)}
        t = local_clock()
        self._outputs.status({"followed": note}, t)
        self._outputs.follow(self._output_context(engine, inlet))
        self._outputs.status({"followed": note}, t)
        self._begin_held(engine)

    def _why_not_follow(self, spec: SignalSpec) -> str:
        """Say why the session cannot work on a signal of ``spec``; nothing where it can.

        What was refused is not tried again before something else decodes: its model may be large.
        """
        decoder = self._config.decoder
        if self._refused is not None and self._refused[:2] == (spec, decoder):
            return self._refused[2]
        try:
            Engine(self._config, spec, clock=local_clock)
        except VolitionError as error:
            self._refused = (spec, decoder, error.message)
            return error.message
        return ""

    def _make_pipeline(self, spec: SignalSpec, next_seq: int) -> Engine:
        """Make what works on a signal of ``spec``, in place of what worked on another."""
        engine = self._engine = Engine(
            self._config,
            spec,
            session=self._order.session,
            life=self._order.life,
            generation=self._order.generation,
            next_seq=next_seq,
            clock=local_clock,
        )
        if self._config.rehearse:
            second = self._config.model_copy(update={"history_s": 0.0})
            self._rehearsal = Rehearsal(
                Engine(second, spec, clock=local_clock), _rehearse_sending, local_clock
            )
        self._outline.prepare({"cleaned": engine.decoder_spec, "raw": spec})
        engine.on_cleaned = self._outline.on_cleaned
        signal = without_codes(spec)
        self._quality = SignalQuality(signal, positions=find_positions(signal.labels))
        self._blocked = BlockWatch()
        self._t_last_chunk = math.nan
        return engine

    def _begin_held(self, engine: Engine) -> None:
        """Have a new pipeline decide nothing where the emergency stop holds."""
        if self._gate.closed:
            engine.hold(True, None)
            self._tell_outputs_of_hold(engine, None)

    def _output_context(self, engine: Engine, inlet: SignalInlet) -> OutputContext:
        stream = inlet.description
        keys = ("name", "type", "source_id", "host", "created_at")
        return OutputContext(
            self._order.session,
            self._order.generation,
            inlet.spec,
            stream={key: getattr(stream, key) for key in keys},
            replay_header=lambda: {
                "next_seq": engine.next_seq,
                "config": self._config.model_dump_json(),
            },
            is_held=lambda: self._word.held,
        )

    # -- the loop -----------------------------------------------------------------------------

    def _pump(self, connection: Connection) -> str:
        """Run chunk by chunk; return why the stream counts as lost, or nothing when stopped."""
        inlet = connection.signal
        while not self._is_ending:
            try:
                chunk = self._pull(inlet)
            except StreamError as error:
                return error.message
            self._pending_events += self._markers.pull()
            now = local_clock()
            if len(chunk):
                self._t_last_sample = now
                if self._may_run(now):
                    self._announce(SessionState.RUNNING, self._arrival(chunk, inlet.spec.rate_hz))
                self._run_chunk(chunk, now)
                self._relieve(inlet, now)
            elif lost := self._watch_silence(now - self._t_last_sample):
                return lost
            self._serve_gateway(now)
        return ""

    def _may_run(self, now: float) -> bool:
        """Whether samples that come make a session run that did not."""
        return (
            self._state is not SessionState.RUNNING
            and not self._backlog.is_behind
            and not self._blocked.reason(now)
        )

    def _pull(self, inlet: SignalInlet) -> Chunk:
        """Wait for samples; meanwhile show the signal and rehearse, when there is time for it."""
        if self._outline_waits:
            chunk = inlet.pull(_QUIET_S)
            if len(chunk):
                return chunk
            self._send_outline(local_clock())
        rehearsal = self._rehearsal
        if rehearsal is None or (due_in_s := rehearsal.due_in_s()) is None:
            return inlet.pull(_POLL_S)
        chunk = inlet.pull(min(due_in_s, _POLL_S))
        if len(chunk) or due_in_s > _POLL_S:
            return chunk
        rehearsal.run()
        return inlet.pull(_POLL_S)

    def _run_chunk(self, chunk: Chunk, t_pulled: float) -> None:
        """Decode a chunk and publish its intents; all else about it is done behind them."""
        assert self._engine is not None
        assert self._quality is not None
        engine, outputs, rehearsal = self._engine, self._outputs, self._rehearsal
        t_newest = float(chunk.times[-1])
        events: list[Event] = []
        if self._pending_events:
            events = self._markers.near(self._pending_events, t_newest)
            self._pending_events = []
        # Stages work in place, and the next pull writes into the same buffers.
        kept = Chunk(chunk.samples.copy(), chunk.times.copy()) if outputs.want_signal else None
        raw = chunk.samples.copy() if rehearsal is not None and rehearsal.is_wanted else None
        self._quality.add(chunk)
        self._outline.add_raw(chunk)
        intents = engine.step(chunk, events, silent_s=t_pulled - self._t_last_chunk)
        self._t_last_chunk = t_pulled
        self._counts.add_chunk(len(chunk), t_newest)
        if self._counts.chunks == 1:
            self._t_heartbeat = 0.0  # tells now that there are samples: a successor counts from it
        if intents:
            self._publish_intents(engine, intents)
            trusted = engine.cleaner.continuity.trusted
            self._blocked.note(intents, trusted=trusted, now=t_pulled)
        if kept is not None:
            outputs.signal(kept)
        outputs.events(events)
        self._note_outline(t_pulled, decided=bool(intents))
        if rehearsal is not None:
            rehearsal.note(
                chunk.times,
                raw,
                events,
                t_pulled=t_pulled,
                worked_s=engine.t_decoded - t_pulled,
                decided=bool(intents),
            )
        self._counts.add_steps(
            t_newest=t_newest,
            t_pulled=t_pulled,
            t_cleaned=engine.t_cleaned,
            t_decoded=engine.t_decoded,
        )
        if intents:
            self._counts.note_decision(engine.t_decoded - engine.t_cleaned)

    def _publish_intents(self, engine: Engine, intents: list[Intent]) -> None:
        """Send intents to the API and to the outputs: whatever leaves here has passed the gate."""
        gate, word = self._gate, self._word
        for decided in intents:
            gate.turn(word.held, decided.seq)
            intent = gate.pass_on(decided)
            payload = to_json(intent)
            now = local_clock()
            self._link.publish(_frame(intent, payload, now, held=gate.closed))
            self._counts.steps["encode"].add(now - engine.t_decoded)
            self._outputs.intent(payload, intent, held=gate.closed)
        self._counts.add_intents(intents)

    def _note_outline(self, t_pulled: float, *, decided: bool) -> None:
        """Have the outline sent in the next quiet moment, or now when it has waited for long."""
        if self._outline.waits(t_pulled, decided=decided):
            self._outline_waits = True
            if self._outline.is_late(t_pulled):
                self._send_outline(t_pulled)

    def _send_outline(self, now: float) -> None:
        self._outline.send(self._link, now)
        self._outline_waits = False

    def _arrival(self, chunk: Chunk, rate_hz: float) -> str:
        """Say that samples arrive; the first time, also what was lost with the worker before."""
        lost = self._counts.lost_before(chunk, rate_hz)
        if lost is None:
            return "samples arrive"
        return f"samples arrive; up to {lost} were lost with the worker before"

    def _watch_silence(self, silent_s: float) -> str:
        """Say that no samples come; give why the stream counts as lost, once it does."""
        if silent_s > _GIVE_UP_S:
            return f"no samples for {silent_s:.1f} s"
        is_stale = silent_s > self._config.stream.stale_after_s
        if is_stale and self._state is SessionState.RUNNING:
            self._announce(SessionState.DEGRADED, f"no samples for {silent_s:.2f} s")
        return ""

    def _relieve(self, inlet: SignalInlet, now: float) -> None:
        """Drop the oldest signal, whole, when the loop cannot keep up with the stream."""
        dropped = self._backlog.drop_if_overloaded(inlet, now)
        if dropped:
            self._counts.dropped_samples += dropped
            so_far = self._counts.dropped_samples
            reason = f"overload: {dropped} samples dropped, {so_far} so far"
            self._announce(SessionState.DEGRADED, reason)

    # -- the emergency stop -------------------------------------------------------------------

    def _obey_stop(self) -> None:
        """Hold all outputs, or let them go on, as the stop word says, and say that it is done."""
        word, gate = self._word, self._gate
        order = word.order
        held = word.held
        if order != self._order_told or held is not gate.closed or gate.turned_at is not None:
            self._order_told = order
            self._turn_outputs(held)
        if order != word.obeyed and (not held or self._outputs.withdraw_intents()):
            word.obey(order)

    def _turn_outputs(self, held: bool) -> None:
        engine, gate = self._engine, self._gate
        if engine is None:
            gate.turn(held, self._order.next_seq)
            gate.turned_at = None
            return
        gate.turn(held, engine.next_seq)
        t = local_clock() if held else None
        first = engine.next_seq if gate.turned_at is None else gate.turned_at
        gate.turned_at = None
        if intents := engine.hold(held, t):
            self._publish_intents(engine, intents)
        self._tell_outputs_of_hold(engine, t, first)

    def _tell_outputs_of_hold(
        self, engine: Engine, t: float | None, first: int | None = None
    ) -> None:
        """Tell who did it, and what a replay needs to hold the outputs from the same intent on."""
        held = self._gate.closed
        deed = self._word.press_deed if held else self._word.release_deed
        note = {
            "held": held,
            "sample": engine.n_samples,
            "t": t,
            "first": engine.next_seq if first is None else first,
            **({} if deed is None else asdict(deed)),
        }
        self._outputs.status({"hold": note}, local_clock() if t is None else t)

    @contextlib.contextmanager
    def _resting(self) -> Iterator[None]:
        """Do something slow that sends nothing; the stop does not wait for its end."""
        rested_already = self._word.at_rest
        self._word.rest(rested_already or self._outputs.have_nothing_to_give())
        try:
            yield
        finally:
            self._word.rest(rested_already)

    # -- the gateway --------------------------------------------------------------------------

    def _serve_gateway(self, now: float | None = None) -> None:
        """Obey the stop, run the commands that came, beat, and notice a gateway that is gone."""
        self._obey_stop()
        commands, self._early_commands = self._early_commands + self._link.commands(), []
        for command in commands:
            result = self._commands[command["op"]](command)
            if "id" in command:
                self._publish_json(FrameType.REPLY, {"id": command["id"], "result": result})
        if self._link.closed:
            self._is_ending = True
        self._history.send_next(self._link)
        now = local_clock() if now is None else now
        if now - self._t_heartbeat >= _HEARTBEAT_S:
            self._t_heartbeat = now
            self._beat(now)

    def _beat(self, now: float) -> None:
        """Send a heartbeat, and do what is to be done as often."""
        changed = self._outputs.tend()
        if changed is not None:
            self._announce(self._state, self._reason, changed)
        blocked = self._blocked.reason(now)
        if blocked and self._state is SessionState.RUNNING:
            self._announce(SessionState.DEGRADED, blocked)
        elif {*self._warnings()} != self._warned:
            self._announce(self._state, self._reason, self._remark)
        if self._quality is not None:
            self._update_quality(self._quality, now)
        self._publish_json(FrameType.HEARTBEAT, self._report())
        self._garbage.collect_if_due(now)

    def _update_quality(self, quality: SignalQuality, now: float) -> None:
        if now - self._t_quality >= _QUALITY_S:
            self._t_quality = now
            quality.update()
        else:
            quality.glance()

    def _announce(self, state: SessionState, reason: str, remark: str = "") -> None:
        """Tell the gateway and the outputs where the session stands and why."""
        self._state, self._reason, self._remark = state, reason, remark
        self._announced_reason = f"{reason} ({remark})" if remark else reason
        t = local_clock()
        known = {"state": state, "reason": self._announced_reason}
        status: dict[str, Any] = {**known, "t": t, "signals": self._outline.signals}
        warnings = self._warnings()
        self._warned = {*warnings}
        if self._inlet is not None:
            status["stream"] = self._inlet.description.to_dict()
        status["warnings"] = [*warnings.values(), *self._outputs.troubles()]
        self._publish_json(FrameType.STATUS, status)
        self._outputs.status(known, t)

    def _warnings(self) -> dict[str, str]:
        """Give what is to be told of the streams and of what they show.

        The keys tell whether it is something else than before.
        """
        of_inlet = [] if self._inlet is None else self._inlet.warnings
        found = {text: text for text in (*of_inlet, *self._markers.warnings)}
        if self._engine is not None:
            continuity = self._engine.cleaner.continuity
            found |= warnings_of(continuity, self._engine.signal_spec.rate_hz)
            found |= self._engine.decoder.warnings()
        if self._quality is not None:
            found |= implausible(self._quality)
        return found

    def _publish_json(self, type_: FrameType, data: dict[str, Any]) -> None:
        self._link.publish(pack(type_, pydantic_core.to_json(data, inf_nan_mode="null")))

    def _report(self) -> dict[str, Any]:
        """Give what a heartbeat tells."""
        return {
            **self._counts.report(),
            "t": local_clock(),
            "state": self._state,
            "reason": self._announced_reason,
            "held": self._gate.closed,
            "dropped_by_bus": self._link.dropped,
            "outputs": self._outputs.report(),
            "crowded_events": 0 if self._engine is None else self._engine.n_crowded_events,
            "model": self._model(),
            "continuity": None
            if self._engine is None
            else self._engine.cleaner.continuity.report(),
            "clock": None
            if self._inlet is None
            else {**self._inlet.clock(), **self._inlet.stamps()},
            "markers": self._markers.report(),
            "triggers": self._triggers(),
        }

    def _triggers(self) -> dict[str, Any] | None:
        reader = None if self._engine is None else self._engine.cleaner.triggers
        return None if reader is None else {"count": reader.count, "recent": [*reader.recent]}

    def _model(self) -> dict[str, Any]:
        decoder = self._config.decoder
        engine = self._engine
        return {
            "decoder": decoder.kind,
            "model": named_model(decoder),
            "version": None if engine is None else engine.decoder.model_version,
        }

    # -- commands -----------------------------------------------------------------------------

    def _do_stop(self, command: dict[str, Any]) -> None:
        self.end()

    def _do_markers(self, command: dict[str, Any]) -> None:
        self._pending_events += [
            Event(one["time"], one["name"], one["data"]) for one in command["markers"]
        ]

    def _do_state(self, command: dict[str, Any]) -> dict[str, Any]:
        engine = self._engine
        return {
            **self._report(),
            "t_last_sample": self._t_last_sample or None,
            "signal": None if engine is None else _spec_dict(engine),
            "quality": [] if self._quality is None else self._quality.report(),
            "plausibility": None if self._quality is None else self._quality.plausibility(),
            "stages": [] if engine is None else engine.cleaner.stage_states(),
            "decoder": None if engine is None else engine.decoder.state(),
            "latency_ms": self._counts.latency_ms(),
        }

    def _do_feed(self, command: dict[str, Any]) -> None:
        """Show the signal to those who look, or no longer."""
        self._outline.show(command["sources"])
        if self._engine is not None:
            self._engine.on_cleaned = self._outline.on_cleaned

    def _do_swap(self, command: dict[str, Any]) -> dict[str, Any]:
        """Decode by other settings or another model from here on; on an error nothing changes."""
        began = local_clock()
        config = self._config.model_dump(mode="json") | {"decoder": command["decoder"]}
        try:
            wanted = parse_config(config)
            with self._resting():
                if self._engine is not None:
                    self._engine.swap(wanted.decoder)
                if self._rehearsal is not None:
                    self._rehearsal.swap(wanted.decoder)
                self._garbage.give_back()
        except VolitionError as error:
            return {"error": {"code": error.code, "message": error.message}}
        self._config = wanted
        self._counts.step_s = step_of(wanted.decoder)
        t_newest = self._counts.t_newest
        answer = {**self._model(), "t_sample": t_newest, "took_s": local_clock() - began}
        if self._engine is not None:
            # What a replay needs to do the same behind the same sample.
            note = {"decoder": command["decoder"], "sample": self._engine.n_samples}
            self._outputs.status({"swap": note}, t_newest or 0.0)
        return answer

    def _do_history(self, command: dict[str, Any]) -> dict[str, Any]:
        """Begin to send what is kept of the signal; it follows in small pieces."""
        if self._engine is None:
            return {"error": "the session has had no signal yet"}
        return self._history.start(self._engine, command["number"], command["last_s"])


def _frame(intent: Intent, payload: bytes, now: float, *, held: bool = False) -> bytes:
    code, flags = INTENT_CODES[intent.kind], HELD if held else 0
    return pack(
        FrameType.INTENT, payload, intent_code=code, seq=intent.seq, t_published=now, flags=flags
    )


def _rehearse_sending(intent: Intent) -> None:
    """Do what `Worker._publish_intents` does, and send nothing."""
    _frame(intent, to_json(intent), local_clock())


def _spec_dict(engine: Engine) -> dict[str, Any]:
    spec = engine.decoder_spec
    return {"rate_hz": spec.rate_hz, "labels": list(spec.labels), "units": list(spec.units)}
