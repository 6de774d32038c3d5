"""Intents as an LSL marker stream, so that any LSL program can take them.

Each marker is an intent's JSON, stamped with its ``t_sample``. liblsl sends from threads of its
own: a push never waits for a receiver.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from volition.decoders.contract.intent import Intent
from volition.service.sessions.outputs import Output, OutputContext, OutputSettings

if TYPE_CHECKING:
    from volition.streams.lsl.outlet import MarkerOutlet


class LslOutputSettings(OutputSettings):
    """Publish intents as an LSL marker stream, ``Volition-SESSION`` of type ``Intents``."""

    kind: Literal["lsl"] = "lsl"


class LslOutput(Output[LslOutputSettings]):
    """The marker stream of a session's intents."""

    settings_model = LslOutputSettings
    is_direct = True

    _outlet: MarkerOutlet | None = None

    def open(self, context: OutputContext) -> None:
        # Not above: whoever reads a configuration imports this module for its settings.
        from volition.streams.lsl.outlet import MarkerOutlet

        self._outlet = MarkerOutlet(
            f"Volition-{context.session}", f"volition-{context.session}", type="Intents"
        )

    def intent(self, encoded: bytes, intent: Intent) -> None:
        assert self._outlet is not None
        self._outlet.push(encoded.decode(), intent.t_sample)

    def close(self, timeout_s: float) -> None:
        if self._outlet is not None:
            self._outlet.close()
