"""What stages share that decide on a fixed grid of the sample clock, and that calibrate.

`BlockStage` fills what is missing, cuts the signal into blocks, hands each whole block to
``decide`` and what is to be given to ``clean``. Without look-ahead a sample goes out as it comes
in, by what the blocks before it said; with ``lookahead`` of n blocks, blocks go out whole, n - 1
blocks after they ended, so that what was decided in them reaches themselves. Samples keep their
times. While ``calibration_s`` lasts, samples pass unchanged and are kept. Then the stage learns,
one step every `LEARNING_S` of the signal, so that the session goes on meanwhile, and works from the
end of the block on by which it was done.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
from pydantic import Field

from volition.chunk import Chunk, FloatArray, SignalSpec
from volition.decoders.artifacts.grid import BlockDelay, Grid
from volition.decoders.artifacts.references import signal_channels
from volition.decoders.artifacts.steps import Steps, finish
from volition.decoders.contract.settings import Settings
from volition.decoders.contract.stage import Stage, check_channels
from volition.decoders.filtering import BoolArray, Hold, regular_rate
from volition.errors import ConfigError, NotFittedError

S = TypeVar("S", bound=Settings)
Parameters = Mapping[str, FloatArray]


#: Signal between two steps of a stage that learns, seconds.
LEARNING_S = 0.008


#: A calibration whose channels deviate by less than this, microvolts, is of nothing.
LEAST_DEVIATION_UV = 1e-6


def check_varies(samples: FloatArray, kind: str) -> None:
    """Refuse to learn from ``samples`` (n_samples, n_channels) in which no channel moves.

    Raises
    ------
    NotFittedError
        See above.
    """
    largest = float(samples.std(axis=0).max(initial=0.0))
    if largest < LEAST_DEVIATION_UV:
        raise NotFittedError(
            f"{kind}: no channel deviates by more than {largest:g} uV during the calibration; at "
            f"least {LEAST_DEVIATION_UV:g} uV are needed. Is the headset on?",
            found=largest,
            allowed_from=LEAST_DEVIATION_UV,
        )


class CalibratedSettings(Settings):
    """Settings of a stage that learns from the first part of the signal."""

    calibration_s: float = Field(
        default=30.0,
        ge=1,
        le=600,
        description="Length of the calibration, during which samples pass unchanged.",
    )


class BlockStage(Stage[S]):
    """A stage that decides block by block on some of the channels.

    A subclass says ``block_s`` and ``lookahead_blocks``, sets itself up in ``begin``, and writes
    ``decide`` and ``clean``. One that calibrates has `CalibratedSettings` and writes ``learn`` and
    ``adopt`` as well.
    """

    _given: Parameters | None = None
    #: Which of the samples that ``clean`` is given are there (n, n_picked); None when all are.
    present: BoolArray | None = None

    # -- what a subclass says --------------------------------------------------------------------

    def block_s(self) -> float:
        """Give the length of a block."""
        return 0.032

    def lookahead_blocks(self) -> int:
        """Give how many blocks the output may wait for."""
        return 0

    def calibration_s(self) -> float:
        """Give how long samples pass unchanged to calibrate on; 0 when nothing is learned."""
        settings: Settings = self.settings
        return settings.calibration_s if isinstance(settings, CalibratedSettings) else 0.0

    def channels(self, spec: SignalSpec) -> list[int]:
        """Give the indices of the channels to work on."""
        return signal_channels(spec)

    @abstractmethod
    def begin(self) -> None:
        """Make (or forget) what depends on the signal; ``rate_hz`` and ``picks`` are known."""

    @abstractmethod
    def decide(self, block: FloatArray, missing: FloatArray) -> None:
        """Look at a whole block (block_samples, n_picked) without missing samples.

        ``missing`` (block_samples, n_picked) is 1 where a sample had to be filled, else 0.
        """

    @abstractmethod
    def clean(self, samples: FloatArray, offset: int) -> FloatArray:
        """Give cleaned ``samples`` (n, n_picked), which lie at ``offset`` of their block."""

    def learn(self, samples: FloatArray, spec: SignalSpec) -> Steps[dict[str, FloatArray]]:
        """Learn as `fit` does, in steps of some milliseconds."""
        yield from ()
        return {}

    def adopt(self, parameters: Parameters) -> None:
        """Put to work what ``fit`` gave."""

    def report(self) -> dict[str, Any]:
        """Say what this stage did, beyond what `state` says for every such stage."""
        return {}

    # -- what all of them do ---------------------------------------------------------------------

    @property
    def latency_s(self) -> float:
        """Longest time that a sample is held back, seconds."""
        return self.lookahead_blocks() * self.block_samples / self.rate_hz

    def fit(self, samples: FloatArray, spec: SignalSpec) -> dict[str, FloatArray]:
        """Learn from calibration ``samples`` (n_samples, n_channels) of a signal of ``spec``.

        Returns
        -------
        dict of ndarray
            Plain data, as ``use`` takes and `numpy.savez` keeps it.

        Raises
        ------
        NotFittedError
            The samples are too few, or hold nothing to learn from.
        """
        return finish(self.learn(samples, spec))

    def use(self, parameters: Parameters) -> None:
        """Use a calibration that was made before; none is then taken from the signal.

        Call it before ``prepare``; `reset` does not forget it.
        """
        self._given = dict(parameters)

    def prepare(self, spec: SignalSpec) -> SignalSpec:
        self.rate_hz = regular_rate(spec, self.settings.kind)
        self.spec = spec
        self.picks = self.channels(spec)
        self.block_samples = max(1, round(self.block_s() * self.rate_hz))
        self._picked_all = self.picks == list(range(spec.n_channels))
        self._grid = Grid(self.block_samples)
        self._hold = Hold(spec.n_channels)
        self._delay = BlockDelay(max(1, self.lookahead_blocks()))
        shape = (self.block_samples, spec.n_channels)
        self._raw, self._filled = np.zeros(shape), np.zeros(shape)
        self._times = np.zeros(self.block_samples)
        wanted_s = 0.0 if self._given is not None else self.calibration_s()
        self._calibration_blocks = round(wanted_s * self.rate_hz / self.block_samples)
        if wanted_s > 0:
            self._calibration_blocks = max(1, self._calibration_blocks)
        self.reset()
        return spec

    def reset(self) -> None:
        self._grid.reset()
        self._hold.reset()
        self._delay.reset()
        self._collected: list[FloatArray] = []
        self._blocks_seen = 0
        self._problem: str | None = None
        self._working = self._calibration_blocks == 0
        self._learning: Steps[dict[str, FloatArray]] | None = None
        self._learned: dict[str, FloatArray] | None = None
        self.begin()
        if self._given is not None:
            self._check_given(self._given)
            self.adopt(self._given)

    def process(self, chunk: Chunk) -> Chunk:
        check_channels(chunk, self.spec.n_channels, self.settings.kind)
        n = len(chunk)
        if not n:
            return chunk
        rows = chunk.samples.T.copy(order="C")
        missing = self._hold.fill(rows)
        filled = rows.T
        given = chunk.samples
        out: FloatArray | None = None
        whole: list[tuple[FloatArray, FloatArray]] = []
        held_back = self.lookahead_blocks() > 0
        for piece, offset, ends in self._grid.pieces(n):
            place = slice(offset, offset + piece.stop - piece.start)
            self._raw[place] = given[piece]
            self._filled[place] = filled[piece]
            self._times[place] = chunk.times[piece]
            if not held_back and self._working:
                if out is None:
                    out = np.array(given)
                out[piece] = self._cleaned(given[piece], filled[piece], offset)
            if self._learning is not None:
                self._go_on_learning(piece.stop - piece.start)
            if ends:
                self._end_block()
                if held_back:
                    whole += self._release()
        if held_back:
            return self._join(whole)
        if out is not None:
            if missing is not None:
                out[missing.T] = np.nan
            chunk.samples = out
        return chunk

    def state(self) -> dict[str, Any]:
        """Say whether it works, its latency, and what it did and by how much."""
        calibration: dict[str, Any] = {"done": self._working}
        if not self._working:
            share = self._blocks_seen / max(1, self._calibration_blocks)
            calibration["progress"] = min(1.0, share)
            calibration["learning"] = self._learning is not None or self._learned is not None
        if self._problem:
            calibration["problem"] = self._problem
        return {
            "latency_s": self.latency_s,
            "calibration": calibration,
            "blocks": self._blocks_seen,
            **self.report(),
        }

    # -- inside ----------------------------------------------------------------------------------

    def _check_given(self, parameters: Parameters) -> None:
        n_channels = parameters.get("n_channels")
        if n_channels is not None and int(n_channels) != len(self.picks):
            raise ConfigError(
                f"{self.settings.kind}: the calibration given is of {int(n_channels)} channels, "
                f"and the signal has {len(self.picks)} to work on",
                found=int(n_channels),
                expected=len(self.picks),
            )

    def _pick(self, samples: FloatArray) -> FloatArray:
        return samples if self._picked_all else samples[:, self.picks]

    def _cleaned(self, raw: FloatArray, filled: FloatArray, offset: int) -> FloatArray:
        """Give cleaned rows; what was missing is still filled."""
        finite = np.isfinite(self._pick(raw))
        self.present = None if finite.all() else finite
        cleaned = self.clean(self._pick(filled), offset)
        if self._picked_all:
            return cleaned
        result = raw.copy()
        result[:, self.picks] = cleaned
        return result

    def _end_block(self) -> None:
        self._blocks_seen += 1
        missing = (~np.isfinite(self._pick(self._raw))).astype(np.float64)
        if self._working:
            self.decide(self._pick(self._filled).copy(), missing)
            return
        self.decide(self._pick(self._filled).copy(), missing)
        if self._learned is not None:
            self._problem = None
            self._working = True
            self.adopt(self._learned)
            self._learned = None
        elif self._learning is None:
            self._collected.append(self._raw.copy())
            if len(self._collected) >= self._calibration_blocks:
                self._begin_learning()

    def _begin_learning(self) -> None:
        samples = np.concatenate(self._collected)
        self._collected = []
        whole = np.isfinite(samples).all(axis=1)
        self._learning = self.learn(samples[whole], self.spec)
        self._learning_samples = 0

    def _go_on_learning(self, n_samples: int) -> None:
        """Take the steps that are due after ``n_samples`` more."""
        every = max(1, round(LEARNING_S * self.rate_hz))
        before = self._learning_samples // every
        self._learning_samples += n_samples
        for _ in range(self._learning_samples // every - before):
            try:
                next(self._learning)  # type: ignore[arg-type]  # the caller found one
            except StopIteration as end:
                self._learning, self._learned = None, end.value
                return
            except NotFittedError as error:
                # Too little of the signal was there: try again over the next span.
                self._learning, self._problem = None, error.message
                self._blocks_seen = 0
                return

    def _release(self) -> list[tuple[FloatArray, FloatArray]]:
        ready = self._delay.push(self._filled.copy(), self._times.copy(), self._raw.copy())
        if ready is None:
            return []
        filled, times, raw = ready
        if not self._working:
            return [(raw, times)]
        cleaned = np.array(self._cleaned(raw, filled, 0))
        cleaned[~np.isfinite(raw)] = np.nan
        return [(cleaned, times)]

    def _join(self, whole: list[tuple[FloatArray, FloatArray]]) -> Chunk:
        if not whole:
            return Chunk(np.empty((0, self.spec.n_channels)), np.empty(0))
        if len(whole) == 1:
            return Chunk(*whole[0])
        return Chunk(
            np.concatenate([samples for samples, _ in whole]),
            np.concatenate([times for _, times in whole]),
        )
