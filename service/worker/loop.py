"""A session's worker: the process in which one stream becomes intents.

    connect ──> pump: pull ──> clean ──> decode ──> encode ──> publish ──┐
       ^          ^─────────────────────────────────────────────────────┘
       └── the stream was lost

One thread and one loop. Between two chunks it looks, without waiting, for markers and for commands;
when there are no samples it wakes every `_POLL_S` to do so. Encoding happens once, here. Nothing in
the loop waits for the gateway (see `volition.service.worker.bus`), and no web library is ever
imported.

The worker watches the stream itself, says what it sees, and has a new inlet made when it was lost
(`volition.service.worker.connector`). Should the process die all the same, the supervisor starts
another.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import math
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import pydantic_core

from volition.chunk import Chunk, Event, SignalSpec
from volition.decoders.contract.intent import Intent, to_json
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
from volition.service.sessions.folders import recordings_folder
from volition.service.sessions.rehearsal import Rehearsal
from volition.service.sessions.states import SessionState
from volition.service.sessions.timing import StepTimes
from volition.service.worker.bus import INTENT_CODES, FrameType, LocalWorkerEnd, WorkerEnd, pack
from volition.service.worker.connector import Connection, Connector, GaveUpError
from volition.service.worker.outline_feed import OutlineSender
from volition.service.worker.recorder import Recorder
from volition.streams import lsl
from volition.streams.lsl.clock import local_clock
from volition.streams.lsl.discovery import StreamDescription
from volition.streams.lsl.inlet import SignalInlet
from volition.streams.lsl.outlet import MarkerOutlet
from volition.streams.signal.quality import SignalQuality

_POLL_S = 0.02
_HEARTBEAT_S = 0.25
#: When nothing has come for so long since a chunk, its intents are with their clients.
_QUIET_S = 0.002
_COLLECT_S = 5.0
_OVERLOAD_S = 1.0
_QUALITY_S = 1.0
#: The gateway kills a worker that needs more than a second to end.
_CLOSE_RECORDING_S = 0.6
#: A silent inlet is dropped and its stream looked for anew after so long.
_GIVE_UP_S = 6.0
#: So long it is told that a recorder died before another takes its place.
_MEND_S = 1.5
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
    """What a worker is to run."""

    session: str
    config_json: str
    generation: int
    next_seq: int
    held: bool
    #: Of the lives before: the newest sample that was heard of, and what was lost between them.
    t_newest: float | None = None
    lost_with_workers: int = 0


def run_worker(sock: socket.socket) -> None:
    """Be a worker until told to stop, until the gateway is gone, or until it cannot go on.

    The first command on the bus is the `WorkerOrder`; it may come long after the process started.
    """
    # Ctrl-C reaches the whole terminal; the gateway decides when a worker ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    link = LocalWorkerEnd(sock)
    first = _await_commands(link)
    if not first:
        return
    worker = Worker(link, WorkerOrder(**first[0]["order"]), first[1:])
    signal.signal(signal.SIGTERM, lambda *_: worker.end())
    try:
        with contextlib.closing(worker):
            worker.run()
    except Exception as error:  # noqa: BLE001 - the process's outermost loop: report, then end
        traceback.print_exc()
        worker.report_crash(error)
        link.close(timeout_s=0.5)
        sys.exit(1)
    link.close(timeout_s=0.5)


def _await_commands(link: WorkerEnd) -> list[dict[str, Any]]:
    """Load what every session needs, then wait for what to do; nothing if the gateway goes."""
    # The rest of scipy is loaded at first use, which the gateway never comes to.
    importlib.import_module("scipy.signal")
    with contextlib.suppress(LslMissingError):  # said when a session asks for it
        lsl.load()
    commands: list[dict[str, Any]] = []
    while not commands and not link.closed:
        commands = link.commands(timeout_s=60.0)
    return commands


class Worker:
    """The loop, its inlets and its counts."""

    def __init__(self, link: WorkerEnd, order: WorkerOrder, commands: list[dict[str, Any]]) -> None:
        self._link = link
        self._order = order
        self._early_commands = commands
        self._held = order.held
        self._config = SessionConfig.model_validate_json(order.config_json)
        self._connector = Connector(
            self._config, turn=self._turn, say=lambda why: self._say(SessionState.CONNECTING, why)
        )
        self._state = SessionState.CREATED
        self._reason = ""
        self._stopping = False
        self._engine: Engine | None = None
        self._description: StreamDescription | None = None
        self._outlet: MarkerOutlet | None = None
        self._recorder: Recorder | None = None
        self._quality: SignalQuality | None = None
        self._rehearsal: Rehearsal | None = None
        self._inlet: SignalInlet | None = None
        self._pending_events: list[Event] = []
        self._warnings: list[str] = []
        self._samples = 0
        self._chunks = 0
        self._intents = 0
        self._reconnects = 0
        self._t_last_sample = 0.0
        self._t_last_chunk = math.nan
        self._t_newest = 0.0
        self._lost_with_workers = order.lost_with_workers
        self._t_heartbeat = 0.0
        self._t_collected = 0.0
        self._t_behind: float | None = None
        self._dropped_samples = 0
        self._t_quality = 0.0
        self._recording: dict[str, Any] | None = None
        self._recording_trouble = ""
        #: Of the trouble that was said: the error, and whether samples are lost.
        self._recording_kinds = ("", False)
        self._t_recorder_died: float | None = None
        self._spec: SignalSpec | None = None
        self._feed = OutlineSender()
        self._feed_waits = False
        self._histories: list[tuple[int, Iterator[bytes]]] = []
        self._steps = {name: StepTimes() for name in ("lsl", "stages", "decoder", "encode")}
        self._commands: dict[str, Callable[[dict[str, Any]], Any]] = {
            "stop": self._do_stop,
            "marker": self._do_marker,
            "state": self._do_state,
            "hold": self._do_hold,
            "feed": self._do_feed,
            "swap": self._do_swap,
            "history": self._do_history,
        }

    def run(self) -> None:
        """Connect and pump until stopped; what cannot be mended ends in ``failed``."""
        try:
            while not self._stopping:
                connection = self._connect()
                if connection is None:
                    break
                lost = self._pump(connection)
                connection.close()
                if lost:
                    self._reconnects += 1
                    self._say(SessionState.CONNECTING, lost)
        except _FINAL_ERRORS as error:
            self._say(SessionState.FAILED, error.message)
            return
        self._say(SessionState.STOPPED, "asked to stop")

    def end(self) -> None:
        """Have the loop end at its next turn."""
        self._stopping = True

    def close(self) -> None:
        """Close the recording; what is not written within the time is written without us."""
        if self._recorder is not None:
            self._record_events(self._pending_events)
            self._recorder.close(_CLOSE_RECORDING_S)

    def report_crash(self, error: Exception) -> None:
        """Tell the gateway why this process is about to end."""
        reason = f"worker crashed: {type(error).__name__}: {error}"
        self._publish_json(FrameType.STATUS, {"crash": reason, "t": local_clock()})

    # -- connecting ---------------------------------------------------------------------------

    def _connect(self) -> Connection | None:
        """Find and open the streams; None when told to stop meanwhile."""
        if self._state is SessionState.CREATED:
            self._say(SessionState.CONNECTING, "looking for the stream")
        connection = self._connector.connect()
        if connection is None:
            return None
        inlet = connection.signal
        self._warnings = list(inlet.warnings)
        self._description = inlet.description
        self._inlet = inlet
        if self._engine is None:
            self._prepare(inlet)
        self._t_last_sample = local_clock()
        return connection

    def _turn(self) -> bool:
        """Serve the gateway while there is nothing else to do; false when it is time to end."""
        self._serve_link()
        return not self._stopping

    def _prepare(self, inlet: SignalInlet) -> None:
        """Make the engine, once the signal is known."""
        self._engine = Engine(
            self._config,
            inlet.spec,
            session=self._order.session,
            generation=self._order.generation,
            next_seq=self._order.next_seq,
            clock=local_clock,
        )
        self._engine.held = self._held
        if self._config.rehearse:
            second = self._config.model_copy(update={"history_s": 0.0})
            self._rehearsal = Rehearsal(
                Engine(second, inlet.spec, clock=local_clock), _rehearse_sending, local_clock
            )
        self._spec = inlet.spec
        self._feed.prepare({"cleaned": self._engine.decoder_spec, "raw": inlet.spec})
        self._engine.on_cleaned = self._feed.on_cleaned
        self._quality = SignalQuality(inlet.spec)
        if self._config.outputs.lsl_outlet:
            self._outlet = MarkerOutlet(
                f"Volition-{self._order.session}",
                f"volition-{self._order.session}",
                type="Intents",
            )
        if self._config.outputs.record:
            self._start_recording(inlet)
            if self._held:
                self._record_hold(None)
        # Nothing made so far is ever garbage; what the loop makes is freed by its counts.
        gc.collect()
        gc.freeze()
        gc.disable()

    def _start_recording(self, inlet: SignalInlet) -> None:
        of = inlet.description
        self._recorder = Recorder(
            recordings_folder(),
            self._order.session,
            self._order.generation,
            inlet.spec,
            stream={
                "name": of.name,
                "type": of.type,
                "source_id": of.source_id,
                "host": of.host,
                "created_at": of.created_at,
            },
            header=self._recording_header(),
        )

    def _recording_header(self) -> dict[str, Any]:
        """Give what a replay of a file that begins now needs."""
        assert self._engine is not None
        return {"next_seq": self._engine.next_seq, "config": self._config.model_dump_json()}

    # -- the loop -----------------------------------------------------------------------------

    def _pump(self, connection: Connection) -> str:
        """Run chunk by chunk; return why the stream counts as lost, or nothing when stopped."""
        inlet, markers = connection.signal, connection.markers
        stale_after_s = self._config.stream.stale_after_s
        while not self._stopping:
            try:
                chunk = self._pull(inlet)
                if markers is not None:
                    self._pending_events += markers.pull()
            except StreamError as error:
                return error.message
            now = local_clock()
            if len(chunk):
                self._t_last_sample = now
                if self._state is not SessionState.RUNNING and self._t_behind is None:
                    self._say(SessionState.RUNNING, self._arrival(chunk, inlet.spec.rate_hz))
                self._run_chunk(chunk, now)
                self._watch_backlog(inlet, now)
            else:
                silent_s = now - self._t_last_sample
                if silent_s > _GIVE_UP_S:
                    return f"no samples for {silent_s:.1f} s"
                if silent_s > stale_after_s and self._state is SessionState.RUNNING:
                    self._say(SessionState.DEGRADED, f"no samples for {silent_s:.2f} s")
            self._serve_link(now)
        return ""

    def _arrival(self, chunk: Chunk, rate_hz: float) -> str:
        """Say that samples arrive; the first time, also what was lost with the worker before."""
        t_before = self._order.t_newest
        if self._samples or t_before is None:
            return "samples arrive"
        # Heartbeats told of its samples, so the last of them may have been worked on all the same.
        lost = max(0, round((float(chunk.times[0]) - t_before) * rate_hz) - 1)
        self._lost_with_workers += lost
        return f"samples arrive; up to {lost} were lost with the worker before"

    def _pull(self, inlet: SignalInlet) -> Chunk:
        """Wait for samples; meanwhile show the signal and rehearse, when there is time for it."""
        if self._feed_waits:
            chunk = inlet.pull(_QUIET_S)
            if len(chunk):
                return chunk
            self._send_feed(local_clock())
        rehearsal = self._rehearsal
        if rehearsal is None or (due_in_s := rehearsal.due_in_s()) is None:
            return inlet.pull(_POLL_S)
        chunk = inlet.pull(min(due_in_s, _POLL_S))
        if len(chunk) or due_in_s > _POLL_S:
            return chunk
        rehearsal.run()
        return inlet.pull(_POLL_S)

    def _send_feed(self, now: float) -> None:
        self._feed.send(self._link, now)
        self._feed_waits = False

    def _run_chunk(self, chunk: Chunk, t_pulled: float) -> None:
        assert self._engine is not None
        engine = self._engine
        t_newest = float(chunk.times[-1])
        events, self._pending_events = self._pending_events, []
        # Stages work in place, so the copy is made now; it is handed over when the intents are out.
        copy = self._recorder.copy(chunk) if self._recorder is not None else b""
        rehearsal = self._rehearsal
        raw = chunk.samples.copy() if rehearsal is not None and rehearsal.is_wanted else None
        if self._quality is not None:
            self._quality.add(chunk)
        self._feed.add_raw(chunk)
        intents = engine.step(chunk, events, silent_s=t_pulled - self._t_last_chunk)
        self._t_last_chunk, self._t_newest = t_pulled, t_newest
        self._samples += len(chunk)
        self._chunks += 1
        if self._chunks == 1:
            self._t_heartbeat = 0.0  # tells now that there are samples: a successor counts from it
        if intents:
            self._publish_intents(intents)
        if self._recorder is not None:
            self._recorder.write_signal(copy, len(chunk))
            self._record_events(events)
        if self._feed.waits(t_pulled, decided=bool(intents)):
            self._feed_waits = True
            if self._feed.is_late(t_pulled):
                self._send_feed(t_pulled)
        if rehearsal is not None:
            worked_s = engine.t_decoded - t_pulled
            rehearsal.note(
                chunk.times,
                raw,
                events,
                t_pulled=t_pulled,
                worked_s=worked_s,
                decided=bool(intents),
            )
        steps = self._steps
        steps["lsl"].add(t_pulled - t_newest)
        steps["stages"].add(engine.t_cleaned - t_pulled)
        steps["decoder"].add(engine.t_decoded - engine.t_cleaned)

    def _watch_backlog(self, inlet: SignalInlet, now: float) -> None:
        """Drop the oldest signal, whole, when the loop cannot keep up with the stream.

        A burst is no overload: it is when the backlog stays above its bound for `_OVERLOAD_S`
        although the loop does nothing but work it off.
        """
        bound = self._config.stream.max_lag_s * (inlet.spec.rate_hz or math.inf)
        if inlet.buffered() <= bound:
            self._t_behind = None
        elif self._t_behind is None:
            # Not the chunk's moment: a process that was suspended since would seem behind for long.
            self._t_behind = local_clock()
        elif now - self._t_behind > _OVERLOAD_S:
            dropped = 0
            while inlet.buffered():
                dropped += len(inlet.pull(0.0))
            self._dropped_samples += dropped
            reason = f"overload: {dropped} samples dropped, {self._dropped_samples} so far"
            self._say(SessionState.DEGRADED, reason)
            self._t_behind = None

    def _record_events(self, events: list[Event]) -> None:
        assert self._recorder is not None
        for event in events:
            self._recorder.write_marker(event.to_marker(), event.time)

    def _publish_intents(self, intents: list[Intent]) -> None:
        assert self._engine is not None
        for intent in intents:
            payload = to_json(intent)
            now = local_clock()
            self._link.publish(_frame(intent, payload, now))
            self._steps["encode"].add(now - self._engine.t_decoded)
            if self._outlet is not None:
                self._outlet.push(payload.decode(), intent.t_sample)
            if self._recorder is not None:
                self._recorder.write_intent(payload, intent.t_sample)
        self._intents += len(intents)

    # -- the gateway --------------------------------------------------------------------------

    def _serve_link(self, now: float | None = None) -> None:
        """Run commands that came, beat, and notice a gateway that is gone."""
        commands, self._early_commands = self._early_commands + self._link.commands(), []
        for command in commands:
            result = self._commands[command["op"]](command)
            if "id" in command:
                self._publish_json(FrameType.REPLY, {"id": command["id"], "result": result})
        if self._link.closed:
            self._stopping = True
        if self._histories:
            self._send_history()
        now = local_clock() if now is None else now
        if now - self._t_heartbeat >= _HEARTBEAT_S:
            self._t_heartbeat = now
            self._watch_recording()
            if self._quality is not None:
                self._look_at_quality(self._quality, now)
            self._publish_json(FrameType.HEARTBEAT, self._counts())
            self._collect(now)

    def _look_at_quality(self, quality: SignalQuality, now: float) -> None:
        if now - self._t_quality >= _QUALITY_S:
            self._t_quality = now
            quality.update()
        else:
            quality.glance()

    def _collect(self, now: float) -> None:
        """Collect garbage now and then, between chunks rather than within one.

        What was there at the start is frozen, so all the rest is little. Collecting it all also
        empties the interpreter's free lists, which fill for minutes otherwise.
        """
        if not gc.isenabled() and now - self._t_collected >= _COLLECT_S:
            self._t_collected = now
            gc.collect()

    def _watch_recording(self) -> None:
        """Say, as often as it changes, what keeps the recording from being whole.

        A recorder that died is replaced. How many samples are lost so far is in the counts.
        """
        if self._recorder is None:
            return
        if self._recorder.is_dead:
            self._replace_recorder(self._recorder)
        self._recording = self._recorder.state()
        error, lost = self._recording["error"], self._recording["lost"]
        kinds = (error, lost > 0)
        trouble = f"{lost} samples lost {error}".strip() if lost else error
        self._recording_trouble = trouble
        if kinds != self._recording_kinds:
            self._recording_kinds = kinds
            said = f"recording: {trouble}" if trouble else "recording goes on"
            self._say(self._state, f"{self._reason.partition(' (recording')[0]} ({said})")

    def _replace_recorder(self, recorder: Recorder) -> None:
        """Start another recorder, once it was told for long enough that this one died."""
        now = self._t_heartbeat
        if self._t_recorder_died is None:
            self._t_recorder_died = now
        elif now - self._t_recorder_died > _MEND_S:
            self._t_recorder_died = None
            recorder.restart(self._recording_header())
            if self._held:
                self._record_hold(None)

    def _say(self, state: SessionState, reason: str) -> None:
        self._state = state
        self._reason = reason
        status: dict[str, Any] = {"state": state, "reason": reason, "t": local_clock()}
        if self._description is not None:
            status["stream"] = self._description.to_dict()
        status["warnings"] = list(self._warnings)
        status["signals"] = self._feed.signals
        if self._recording_trouble:
            status["warnings"].append(f"recording: {self._recording_trouble}")
        self._publish_json(FrameType.STATUS, status)
        if self._recorder is not None:
            self._recorder.write_status({"state": state, "reason": reason}, status["t"])

    def _publish_json(self, type_: FrameType, data: dict[str, Any]) -> None:
        self._link.publish(pack(type_, pydantic_core.to_json(data, inf_nan_mode="null")))

    def _counts(self) -> dict[str, Any]:
        return {
            "t": local_clock(),
            "state": self._state,
            "reason": self._reason,
            "held": self._held,
            "samples": self._samples,
            "dropped_samples": self._dropped_samples,
            "lost_with_workers": self._lost_with_workers,
            "t_newest": self._t_newest or self._order.t_newest,
            "chunks": self._chunks,
            "intents": self._intents,
            "reconnects": self._reconnects,
            "dropped_by_bus": self._link.dropped,
            "recording": self._recording,
            "model": self._model(),
            "continuity": None
            if self._engine is None
            else self._engine.cleaner.continuity.report(),
            "clock": None if self._inlet is None else self._inlet.clock(),
            "steps": {name: step.report() for name, step in self._steps.items()},
        }

    def _do_stop(self, command: dict[str, Any]) -> None:
        self.end()

    def _do_marker(self, command: dict[str, Any]) -> None:
        self._pending_events.append(Event(command["time"], command["name"], command["data"]))

    def _do_hold(self, command: dict[str, Any]) -> None:
        """Hold all outputs, at once, or let them go on."""
        self._held = command["held"]
        if self._engine is None:
            return
        t = local_clock() if self._held else None
        if intents := self._engine.hold(self._held, t):
            self._publish_intents(intents)
        self._record_hold(t)

    def _record_hold(self, t: float | None) -> None:
        """Note what a replay needs to stop the outputs behind the same sample."""
        if self._recorder is not None and self._engine is not None:
            note = {"held": self._held, "sample": self._engine.n_samples, "t": t}
            self._recorder.write_status({"hold": note}, local_clock() if t is None else t)

    def _do_feed(self, command: dict[str, Any]) -> None:
        """Show the signal to those who look, or no longer."""
        self._feed.show(command["sources"])
        if self._engine is not None:
            self._engine.on_cleaned = self._feed.on_cleaned

    def _do_swap(self, command: dict[str, Any]) -> dict[str, Any]:
        """Decode by other settings or another model from here on; on an error nothing changes."""
        began = local_clock()
        config = self._config.model_dump(mode="json") | {"decoder": command["decoder"]}
        try:
            wanted = parse_config(config)
            if self._engine is not None:
                self._engine.swap(wanted.decoder)
            if self._rehearsal is not None:
                self._rehearsal.swap(wanted.decoder)
        except VolitionError as error:
            return {"error": {"code": error.code, "message": error.message}}
        self._config = wanted
        known = {
            **self._model(),
            "t_sample": self._t_newest if self._engine is not None else None,
            "took_s": local_clock() - began,
        }
        if self._recorder is not None and self._engine is not None:
            # What a replay needs to do the same behind the same sample.
            note = {"swap": {"decoder": command["decoder"], "sample": self._engine.n_samples}}
            self._recorder.write_status(note, self._t_newest)
        return known

    def _do_history(self, command: dict[str, Any]) -> dict[str, Any]:
        """Begin to send what is kept of the signal; it goes out a piece a turn."""
        engine = self._engine
        if engine is None:
            return {"error": "the session has had no signal yet"}
        last_s = command["last_s"]
        self._histories.append((command["number"], engine.history.pieces(last_s)))
        return {
            "spec": asdict(engine.decoder_spec),
            "events": [
                (event.time, event.name, dict(event.data))
                for event in engine.history.events_of(last_s)
            ],
        }

    def _send_history(self) -> None:
        """Send the next piece, if nothing waits on the bus: an intent never waits for two."""
        if not self._link.idle:
            return
        number, pieces = self._histories[0]
        piece = next(pieces, b"")
        self._link.publish(pack(FrameType.HISTORY, piece, seq=number))
        if not piece:
            self._histories.pop(0)

    def _model(self) -> dict[str, Any]:
        decoder = self._config.decoder
        return {
            "decoder": decoder.kind,
            "model": named_model(decoder),
            "version": None if self._engine is None else self._engine.decoder.model_version,
        }

    def _do_state(self, command: dict[str, Any]) -> dict[str, Any]:
        engine = self._engine
        return {
            **self._counts(),
            "t_last_sample": self._t_last_sample or None,
            "signal": None if engine is None else _spec_dict(engine),
            "quality": [] if self._quality is None else self._quality.report(),
            "stages": [] if engine is None else engine.cleaner.stage_states(),
            "decoder": None if engine is None else engine.decoder.state(),
            "latency_ms": {name: step.percentiles_ms() for name, step in self._steps.items()},
        }


def _frame(intent: Intent, payload: bytes, now: float) -> bytes:
    code = INTENT_CODES[intent.kind]
    return pack(FrameType.INTENT, payload, intent_code=code, seq=intent.seq, t_published=now)


def _rehearse_sending(intent: Intent) -> None:
    """Do what `_publish_intents` does, and send nothing."""
    _frame(intent, to_json(intent), local_clock())


def _spec_dict(engine: Engine) -> dict[str, Any]:
    spec = engine.decoder_spec
    return {"rate_hz": spec.rate_hz, "labels": list(spec.labels), "units": list(spec.units)}
