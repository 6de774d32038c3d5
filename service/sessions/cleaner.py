"""What a decoder is given of a signal: gaps mended, then through the session's stages.

    chunk ──> Continuity ──> piece ──> stages ──> cleaned piece
                               └── one that begins anew: the stages forget what came before

One `Cleaner` works wherever a decoder decides or learns: in a live session, a replay, a calibration
and the training of the models that ship. So a decoder meets the same samples everywhere, gaps
included. What is behind the cleaner (a decoder, a history) forgets too when a piece begins anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from volition.chunk import Chunk, Event, FloatArray, SignalSpec
from volition.decoders.contract.stage import Stage
from volition.streams.signal.continuity import Continuity, ContinuitySettings, Piece
from volition.streams.signal.triggers import TriggerReader, without_codes

#: Samples of a whole signal that are cleaned at once; what comes out does not depend on it.
_AT_ONCE = 4096


#: A signal whose rate was wrong for more of it is faulty.
_MOST_UNTRUSTED = 0.5


class CleanedPiece(NamedTuple):
    """A part of the signal in which nothing is missing unsaid, as the stages leave it.

    Attributes
    ----------
    chunk
        What the last stage gave; it may be written over when the next piece is asked for.
    times : ndarray, shape (n_samples,)
        LSL times of the samples that went in. Stages may hold samples back, or make others.
    reset
        Whether it begins anew: what came before it must be forgotten.
    trusted
        Whether the rate is what the stream announces, as far as is known.
    events
        What the signal's trigger channel says.
    """

    chunk: Chunk
    times: FloatArray
    reset: bool
    trusted: bool = True
    events: Sequence[Event] = ()


class Cleaner:
    """Continuity and stages at work on one signal.

    Parameters
    ----------
    spec
        The signal as the inlet or a recording gives it.
    stages
        Run in order; may be empty. They are prepared here, and nothing else may run them.
    settings
        What to do about gaps.

    Attributes
    ----------
    spec : SignalSpec
        Specification of what comes out.
    continuity : Continuity
        Watches what goes in.
    triggers : TriggerReader or None
        Reads the last channel, where it holds codes of triggers; the stages do not see it.

    Raises
    ------
    ConfigError
        A stage cannot work on such a signal.
    """

    def __init__(
        self,
        spec: SignalSpec,
        stages: Sequence[Stage[Any]] = (),
        settings: ContinuitySettings | None = None,
    ) -> None:
        self.continuity = Continuity(spec, settings)
        self._announced_hz = spec.rate_hz
        signal = without_codes(spec)
        self.triggers = None if signal is spec else TriggerReader()
        spec = signal
        self._stages = tuple(stages)
        for stage in self._stages:
            spec = stage.prepare(spec)
        self.spec = spec
        self._n_seen = self._n_untrusted = 0

    @property
    def latency_s(self) -> float:
        """Longest time that the stages together hold a sample back, seconds."""
        return sum(stage.latency_s for stage in self._stages)

    def pieces(self, chunk: Chunk, silent_s: float | None = None) -> Iterable[CleanedPiece]:
        """Clean the next chunk; give at least one piece, which may be empty.

        Each piece is cleaned when it is asked for: use it before the next.

        Parameters
        ----------
        chunk
            Stages may change it in place.
        silent_s
            How long nothing had come before it, where that is known; see `Continuity.mend`.
        """
        if self.continuity.check(chunk):
            return (self._cleaned(chunk, False, self.continuity.trusted),)
        return self._mended(chunk, silent_s)

    def _mended(self, chunk: Chunk, silent_s: float | None) -> Iterator[CleanedPiece]:
        nothing = Piece(Chunk(chunk.samples[:0], chunk.times[:0]), False, self.continuity.trusted)
        for piece in self.continuity.mend(chunk, silent_s) or [nothing]:
            if piece.reset:
                for stage in self._stages:
                    stage.reset()
            yield self._cleaned(piece.chunk, piece.reset, piece.trusted)

    def _cleaned(self, chunk: Chunk, reset: bool, trusted: bool) -> CleanedPiece:
        times = chunk.times
        self._n_seen += len(times)
        self._n_untrusted += 0 if trusted else len(times)
        events: Sequence[Event] = ()
        if self.triggers is not None:
            events = self.triggers.read(chunk.samples[:, -1], times)
            chunk = Chunk(np.ascontiguousarray(chunk.samples[:, :-1]), times)
        for stage in self._stages:
            chunk = stage.process(chunk)
        return CleanedPiece(chunk, times, reset, trusted, events)

    def stretches(
        self, samples: FloatArray, times: FloatArray, events: list[Event] | None = None
    ) -> list[Chunk]:
        """Clean a whole signal; give a copy of each part that follows from itself, in order.

        Parameters
        ----------
        samples : ndarray, shape (n_samples, n_channels)
        times : ndarray, shape (n_samples,)
        events
            Those of the trigger channel are put here.
        """
        found: list[list[Chunk]] = [[]]
        for start in range(0, len(times), _AT_ONCE):
            place = slice(start, start + _AT_ONCE)
            for piece in self.pieces(Chunk(samples[place].copy(), times[place].copy())):
                if piece.reset:
                    found.append([])
                if events is not None:
                    events += piece.events
                found[-1].append(Chunk(piece.chunk.samples.copy(), piece.chunk.times.copy()))
        joined = [self._joined(parts) for parts in found]
        return [stretch for stretch in joined if len(stretch)]

    def whole(
        self, samples: FloatArray, times: FloatArray, events: list[Event] | None = None
    ) -> Chunk:
        """Clean a whole signal, as `stretches` does, and join what comes of it."""
        return self._joined(self.stretches(samples, times, events))

    def _joined(self, parts: Sequence[Chunk]) -> Chunk:
        nothing = Chunk(np.empty((0, self.spec.n_channels)), np.empty(0))
        return Chunk(
            np.concatenate([part.samples for part in (nothing, *parts)]),
            np.concatenate([part.times for part in (nothing, *parts)]),
        )

    def fault(self) -> str:
        """Say what makes the signal so far unfit to learn from; empty where nothing does.

        That is a rate which for most of the signal was not what the stream announces: samples were
        lost, and what lies at 13 Hz would be learned at another frequency.
        """
        untrusted = self._n_untrusted / self._n_seen if self._n_seen else 0.0
        if untrusted <= _MOST_UNTRUSTED:
            return ""
        return (
            f"the rate contradicted the {self._announced_hz:g} Hz that are announced for "
            f"{100 * untrusted:.0f} % of the signal, and {self.continuity.counts.missing} samples "
            "are missing"
        )

    def stage_states(self) -> list[dict[str, Any]]:
        """Say what each stage did so far, in order, each with its kind."""
        return [{"kind": stage.settings.kind, **stage.state()} for stage in self._stages]
