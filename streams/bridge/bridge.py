"""Reads a source for as long as it is wanted, and publishes it as an LSL stream.

    connecting ──> streaming ⇄ lost ──> ended

A source that is lost, or sends nothing for two seconds, is closed and opened again, after a quarter
of a second and then twice as long each time, up to five seconds. Meanwhile the stream stays, and
its receivers see silence, as from a headset that is switched off. One that comes back as another
signal becomes another stream of the same source id.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from volition.chunk import SignalSpec
from volition.errors import StreamError
from volition.streams.bridge.source import Source
from volition.streams.bridge.stamps import CountedStamps
from volition.streams.lsl.clock import local_clock
from volition.streams.lsl.outlet import SignalOutlet

State = Literal["connecting", "streaming", "lost", "ended"]

SILENCE_S = 2.0
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.25, 5.0


class Stopper(Protocol):
    """What tells a bridge to stop: an event of ``threading`` or ``multiprocessing``."""

    def is_set(self) -> bool: ...
    def wait(self, timeout: float | None = None) -> bool: ...


@dataclass(slots=True)
class BridgeCounts:
    """What a bridge has done.

    Attributes
    ----------
    samples
        Published.
    lost
        Those that the source says did not arrive.
    connections
        How often the source was opened.
    """

    samples: int = 0
    lost: int = 0
    connections: int = 0


class Bridge:
    """One source and its stream.

    Parameters
    ----------
    source
        What is read.
    name, type, source_id
        As others find the stream; the source's own name and id where left out.
    on_state
        Is told each change of state, with its reason.
    """

    def __init__(
        self,
        source: Source,
        *,
        name: str | None = None,
        type: str = "EEG",
        source_id: str | None = None,
        on_state: Callable[[State, str], None] | None = None,
    ) -> None:
        self._source = source
        self._name = name or source.name
        self._type = type
        self._source_id = source_id or source.source_id
        self._tell = on_state
        self._outlet: SignalOutlet | None = None
        self._stamps: CountedStamps | None = None
        self.counts = BridgeCounts()

    def run(self, stop: Stopper) -> BridgeCounts:
        """Publish until the source ends or ``stop`` is set; give what was done.

        Raises
        ------
        ConfigError
            The source can never be opened as it is configured.
        """
        wait_s = _FIRST_WAIT_S
        self._on_state("connecting", self._name)
        try:
            while not stop.is_set():
                before = self.counts.samples
                try:
                    self._read_until_lost(stop)
                    break
                except StreamError as error:
                    wait_s = _FIRST_WAIT_S if self.counts.samples > before else wait_s
                    self._on_state("lost", f"{error.message}; tried again in {wait_s:g} s")
                finally:
                    self._source.close()
                stop.wait(wait_s)
                wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
        finally:
            if self._outlet is not None:
                self._outlet.close()
        self._on_state("ended", "stopped" if stop.is_set() else "the source is at its end")
        return self.counts

    def _on_state(self, state: State, reason: str) -> None:
        if self._tell is not None:
            self._tell(state, reason)

    def _read_until_lost(self, stop: Stopper) -> None:
        """Publish what comes, until the source's end or a stop."""
        outlet, stamps = self._ready_for(self._source.open())
        self.counts.connections += 1
        self._on_state(
            "streaming", f"{outlet.spec.n_channels} channels, {outlet.spec.rate_hz:g} Hz"
        )
        heard_at = time.monotonic()
        while not stop.is_set():
            came = self._source.read()
            if len(came.samples):
                heard_at = time.monotonic()
                times = stamps.stamp(len(came.samples), local_clock(), came.lost)
                outlet.push(came.samples, times)
                self.counts.samples += len(came.samples)
                self.counts.lost += came.lost
            elif time.monotonic() - heard_at > SILENCE_S:
                raise StreamError(f"{self._name} has sent nothing for {SILENCE_S:g} s")
            if came.ended:
                return

    def _ready_for(self, spec: SignalSpec) -> tuple[SignalOutlet, CountedStamps]:
        """Give the stream of a signal and what stamps it: the ones there are where they fit."""
        if self._outlet is None or self._stamps is None or self._outlet.spec != spec:
            if self._outlet is not None:
                self._outlet.close()
            self._outlet = SignalOutlet(
                spec, name=self._name, type=self._type, source_id=self._source_id
            )
            self._stamps = CountedStamps(spec.rate_hz)
        self._stamps.begin_anew()
        return self._outlet, self._stamps
