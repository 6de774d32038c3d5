"""The session's signal, markers, intents and status in an XDF file on this host.

The file is written by a process of its own (`volition.service.worker.recorder`); this output hands
it what is to be recorded, starts another when it dies, and tells what is missing in the file. A
file holds one signal: where the session follows a stream to another, a second file begins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from volition.chunk import Chunk, Event
from volition.decoders.contract.intent import Intent
from volition.service.sessions.folders import recordings_folder
from volition.service.sessions.outputs import Output, OutputContext, OutputSettings
from volition.streams.lsl.clock import local_clock

if TYPE_CHECKING:
    from volition.service.worker.recorder import Recorder

#: How long a recorder's death is shown as the recording's error before another is started.
_SHOW_DEATH_S = 1.5
#: What a file that ends within the session may take of the loop's time; the rest is done without.
_CLOSE_S = 0.2


class RecordOutputSettings(OutputSettings):
    """Keep the signal, markers, intents and status in an XDF file on this host."""

    kind: Literal["record"] = "record"


class RecordOutput(Output[RecordOutputSettings]):
    """The recording of a session."""

    settings_model = RecordOutputSettings
    is_direct = True
    wants_signal = True

    def __init__(self, settings: RecordOutputSettings) -> None:
        super().__init__(settings)
        self._context: OutputContext | None = None
        self._recorder: Recorder | None = None
        self._n_samples = 0
        self._t_died: float | None = None
        self._known: dict[str, Any] = {}

    def open(self, context: OutputContext) -> None:
        # Not above: whoever reads a configuration imports this module for its settings.
        from volition.service.worker.recorder import Recorder

        self._context = context
        self._recorder = Recorder(
            recordings_folder(),
            context.session,
            context.generation,
            context.spec,
            stream=context.stream,
            header=context.replay_header(),
        )
        self._known = self._recorder.state()

    def follow(self, context: OutputContext) -> None:
        """End the file, and begin one of the other signal that can be replayed on its own."""
        self._open_recorder.close(_CLOSE_S)
        self._n_samples, self._t_died = 0, None
        self.open(context)

    @property
    def _open_recorder(self) -> Recorder:
        assert self._recorder is not None
        return self._recorder

    def signal(self, chunk: Chunk) -> None:
        recorder = self._open_recorder
        recorder.write_signal(recorder.copy(chunk), len(chunk))
        self._n_samples += len(chunk)

    def event(self, event: Event) -> None:
        self._open_recorder.write_marker(event.to_marker(), event.time)

    def intent(self, encoded: bytes, intent: Intent) -> None:
        self._open_recorder.write_intent(encoded, intent.t_sample)

    def status(self, status: Mapping[str, Any], t: float) -> None:
        self._open_recorder.write_status(status, t)

    def tend(self) -> None:
        """Ask the recorder how it stands, and replace it some time after it died."""
        recorder = self._open_recorder
        if recorder.is_dead:
            now = local_clock()
            if self._t_died is None:
                self._t_died = now
            elif now - self._t_died > _SHOW_DEATH_S:
                self._t_died = None
                self._begin_new_file(recorder)
        self._known = recorder.state()

    def _begin_new_file(self, recorder: Recorder) -> None:
        assert self._context is not None
        recorder.restart(self._context.replay_header())
        if self._context.is_held():
            hold = {"held": True, "sample": self._n_samples, "t": None}
            recorder.write_status({"hold": hold}, local_clock())

    def trouble(self) -> str:
        lost, error = self._known["lost"], self._known["error"]
        if not lost and not error:
            return ""
        return "recording: " + (f"{lost} samples lost {error}".strip() if lost else error)

    def state(self) -> dict[str, Any]:
        """Give what `Recorder.state` gave last."""
        return dict(self._known)

    def close(self, timeout_s: float) -> None:
        if self._recorder is not None:
            self._recorder.close(timeout_s)


def recording_state(outputs: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Pick how the recording stands out of the states of a session's outputs, if one records."""
    kind = RecordOutputSettings.model_fields["kind"].default
    details = (dict(one["detail"]) for one in outputs if one["kind"] == kind and one["detail"])
    return next(details, None)
