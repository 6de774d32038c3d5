"""What every stage and decoder costs, and how the cost grows: processor time of one thread.

Each kind that the registry knows is run on a made-up signal as a session would, and swept along
what it may grow with: channels, sampling rate, targets, bins or blocks of training
(`volition.benchmarks.speed.cells`). Calls are timed in several passes over the same chunks; a
chunk's time is its median over the passes, so that a cache that was cold or an interrupt counts for
little.

``mean_us`` is the processor time of everything that a chunk (of a stage) or a decision (of a
decoder) needs; ``median_us`` that of the middle chunk, or of the call that decides. The fitted
exponent is the slope of log ``mean_us`` over log size among the largest sizes, where what a call
costs by itself weighs little: 1 is linear. Where a package does the same
(`volition.benchmarks.speed.packages`), it is timed in turns with ours on the same data. Limit BLAS
to one thread.
"""

from __future__ import annotations

import functools
import math
import os
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from volition.benchmarks.speed import packages
from volition.benchmarks.speed.cells import (
    MOST_ELECTRODES,
    Cell,
    cells_of,
    settings_of,
    target_freqs,
    work_of,
)
from volition.benchmarks.speed.stages import made_up
from volition.benchmarks.speed.stages import measure as measure_shares
from volition.children import spawning
from volition.chunk import Chunk, Event, FloatArray, SignalSpec
from volition.decoders import registry
from volition.decoders.contract.decoder import Decoder
from volition.decoders.contract.intent import Intent
from volition.decoders.contract.stage import Stage
from volition.decoders.kinematics.methods.recursion import KalmanRecursion
from volition.decoders.stages.blocks import BlockStage
from volition.errors import VolitionError
from volition.streams.files.recording import TRIAL_START

CHUNK_S = 0.02
#: LSL time of a signal's first sample.
START = 1000.0
#: From one trial's onset to the next, for a decoder that may wait for one.
CHUNKS_A_TRIAL = 25
#: Number of the largest sizes that the exponent is fitted to.
FITTED_SIZES = 3
_SIZES = {
    "channels": "n_channels",
    "rate_hz": "rate_hz",
    "targets": "n_targets",
    "training": "n_training",
}

Say = Callable[[str], None]
Times = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is measured.

    Attributes
    ----------
    passes
        Times that each signal is run.
    stage_s, decoder_s
        Length of the signal, seconds.
    sweep
        Whether the axes are swept, or only the base cells measured.
    """

    passes: int = 5
    stage_s: float = 3.0
    decoder_s: float = 4.0
    sweep: bool = True


FULL = Extent()
QUICK = Extent(passes=2, stage_s=1.5, decoder_s=2.0, sweep=False)
#: Read when a process loads its linear algebra.
THREAD_VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


def measure(
    kinds: Iterable[str] | None = None, extent: Extent = FULL, say: Say = lambda _: None
) -> dict[str, Any]:
    """Measure stages and decoders.

    Parameters
    ----------
    kinds
        Only these; all that the registry knows when left out.
    extent
        How much of each.

    Returns
    -------
    dict
        ``stages`` and ``decoders``: a row for each cell and axis; ``growth``: for each kind and
        axis the ``exponent`` fitted and the sizes that it was fitted to; ``peers``: for each kind
        the package that was timed in turns with it and the ``ratio`` of our time to its, or why
        there is none; ``shares``: see `volition.benchmarks.speed.stages.measure`.
    """
    known = [*registry.stages(), *registry.decoders_by_kind()]
    wanted = set(known if kinds is None else kinds)
    rows: dict[str, list[dict[str, Any]]] = {"stages": [], "decoders": []}
    peers: list[dict[str, Any]] = []
    # The base cell lies on every axis, and is measured once.
    time_cell = functools.cache(functools.partial(_time_cell, extent=extent))
    for kind in known:
        if kind not in wanted:
            continue
        say(kind)
        is_stage = kind in registry.stages()
        for base, axes in cells_of(kind):
            peers.append(_beside_peer(base, extent))
            for axis, cells in {"base": [base], **(axes if extent.sweep else {})}.items():
                for cell in cells:
                    row = {"axis": axis, **time_cell(cell)}
                    rows["stages" if is_stage else "decoders"].append(row)
    return {
        **rows,
        "growth": growth([*rows["stages"], *rows["decoders"]]),
        "peers": peers,
    }


def measure_on_one_thread(
    kinds: Sequence[str] | None = None, *, quick: bool = False, say: Say = lambda _: None
) -> dict[str, Any]:
    """Measure in a process of its own, whose BLAS has one thread from the start.

    Parameters
    ----------
    kinds
        See `measure`; with all of them comes the artifact stages' share of real time.
    quick
        The base cells alone, in few passes.
    say
        Told what is measured; a function at the top of its module.
    """
    threads = dict.fromkeys(THREAD_VARIABLES, "1")
    before = {name: os.environ.get(name) for name in threads}
    os.environ.update(threads)
    try:
        with ProcessPoolExecutor(1, mp_context=spawning) as pool:
            return pool.submit(_measure_all, kinds, quick, say).result()
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def _measure_all(kinds: Sequence[str] | None, quick: bool, say: Say) -> dict[str, Any]:
    report = measure(kinds, QUICK if quick else FULL, say)
    if kinds is not None:
        return report
    say("share of real time")
    return {**report, "shares": measure_shares(2.0 if quick else 10.0)}


# -- growth -------------------------------------------------------------------------------------


def growth(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Fit the exponent of each kind along each axis."""
    found: dict[tuple[str, str, str], list[tuple[float, float]]] = {}
    for row in rows:
        if row["axis"] != "base" and "mean_us" in row:
            key = (row["kind"], row["variant"], row["axis"])
            size = row[_SIZES[row["axis"]]]
            found.setdefault(key, []).append((size, row["mean_us"]))
    return [
        {
            "kind": kind,
            "variant": variant,
            "axis": axis,
            "exponent": round(exponent(points), 2),
            "sizes": [size for size, _ in sorted(points)[-FITTED_SIZES:]],
        }
        for (kind, variant, axis), points in found.items()
        if len(points) >= FITTED_SIZES
    ]


def exponent(points: Sequence[tuple[float, float]]) -> float:
    """Give p of cost ~ size^p, by least squares on the largest sizes."""
    sizes, costs = np.log(np.array(sorted(points)[-FITTED_SIZES:], dtype=np.float64)).T
    centred = sizes - sizes.mean()
    return float(centred @ costs / (centred @ centred))


# -- one cell -----------------------------------------------------------------------------------


def _time_cell(cell: Cell, extent: Extent) -> dict[str, Any]:
    said = {name: getattr(cell, name) for name in Cell.__slots__}
    try:
        subject = _subject(cell, extent)
    except VolitionError as error:
        return {**said, "refused": error.message}
    return {**said, **subject.row(subject.run(extent.passes))}


class _Subject:
    """Something of ours that takes chunks, ready to be timed."""

    def __init__(
        self,
        one: Stage[Any] | Decoder[Any],
        chunks: Sequence[tuple[FloatArray, FloatArray]],
        fit_s: float,
    ) -> None:
        self._one, self._chunks, self._fit_s = one, chunks, fit_s
        self._decides = np.zeros(len(chunks), dtype=bool)

    def run(self, passes: int) -> Times:
        """Give each chunk's time, seconds: the median over the passes; the first warms up."""
        return np.median([self.one_pass() for _ in range(passes + 1)][1:], axis=0)

    def one_pass(self) -> Times:
        self._one.reset()
        call: Callable[[Chunk], Any] = (
            self._one.process if isinstance(self._one, Stage) else functools.partial(_decode, self)
        )
        took = np.empty(len(self._chunks))
        clock = time.thread_time
        for index, (samples, times) in enumerate(self._chunks):
            chunk = Chunk(samples.copy(), times)
            since = clock()
            result = call(chunk)
            took[index] = clock() - since
            self._decides[index] = bool(result)
        return took

    def decode(self, chunk: Chunk) -> list[Intent]:
        assert isinstance(self._one, Decoder)
        return self._one.decode(chunk, ())

    def row(self, took: Times) -> dict[str, Any]:
        """Say what a chunk or a decision costs."""
        deciding = took[self._decides]
        # Whole steps alone: what came before the first decision filled the window.
        first = int(np.argmax(self._decides)) + 1
        after, n = took[first:], max(1, int(self._decides[first:].sum()))
        return {
            "median_us": round(float(np.median(deciding)) * 1e6, 2),
            "mean_us": round(float(after.sum()) / n * 1e6, 2),
            "slowest_us": round(float(took.max()) * 1e6, 2),
            "fit_s": round(self._fit_s, 4),
        }


def _decode(subject: _Subject, chunk: Chunk) -> list[Intent]:
    return subject.decode(chunk)


@functools.lru_cache(maxsize=1)
def _subject(cell: Cell, extent: Extent) -> _Subject:
    make = {"stage": _stage, "flicker": _flicker, "movement": _movement, "example": _example}
    return make[work_of(cell.kind)](cell, extent)


def _chunks(
    signal: FloatArray, rate_hz: float, chunk_s: float
) -> list[tuple[FloatArray, FloatArray]]:
    step = max(1, round(chunk_s * rate_hz))
    times = START + np.arange(len(signal)) / rate_hz
    return [
        (signal[start : start + step], times[start : start + step])
        for start in range(0, len(signal) - step + 1, step)
    ]


def _timed_fit(fit: Callable[[], Any]) -> tuple[Any, float]:
    since = time.thread_time()
    result = fit()
    return result, time.thread_time() - since


# -- stages -------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=2)
def stage_data(
    n_channels: int, rate_hz: float, seconds: float
) -> tuple[FloatArray, FloatArray, SignalSpec]:
    """Give a calibration, a signal and their spec; electrodes have names as far as there are any.

    The signal with more channels than electrodes repeats them under other labels.
    """
    n_named = min(n_channels, MOST_ELECTRODES)
    calibration, signal, spec = made_up(n_named, rate_hz, seconds)
    if n_channels == n_named:
        return calibration, signal, spec
    copies = math.ceil(n_channels / n_named)
    labels = tuple(f"{label}.{i}" for i in range(copies) for label in spec.labels)[:n_channels]
    wide = [np.tile(part, (1, copies))[:, :n_channels] for part in (calibration, signal)]
    return wide[0], wide[1], SignalSpec(rate_hz, labels)


def _stage(cell: Cell, extent: Extent) -> _Subject:
    calibration, signal, spec = stage_data(cell.n_channels, cell.rate_hz, extent.stage_s)
    stage = registry.build_stage(settings_of(cell, spec))
    fit_s = 0.0
    if isinstance(stage, BlockStage):
        parameters, fit_s = _timed_fit(lambda: stage.fit(calibration, spec))
        if parameters:
            stage.use(parameters)
    stage.prepare(spec)
    return _StageSubject(stage, _chunks(signal, cell.rate_hz, CHUNK_S), fit_s)


class _StageSubject(_Subject):
    """A stage: every chunk counts, whether samples came out or were held back.

    Its own time is measured, so it runs by itself and not in a `Cleaner`.
    """

    def one_pass(self) -> Times:
        took = super().one_pass()
        self._decides[:] = True
        return took


# -- flicker ------------------------------------------------------------------------------------


def flicker_epochs(cell: Cell, n_blocks: int) -> tuple[FloatArray, npt.NDArray[np.int64]]:
    """Give trials (n_trials, n_channels, n_samples) of 1.5 s, locked to their onset."""
    rng = np.random.default_rng(3)
    times = np.arange(round(1.5 * cell.rate_hz)) / cell.rate_hz
    targets = np.tile(np.arange(cell.n_targets), n_blocks)
    freqs_hz = np.array(target_freqs(cell.n_targets))[targets]
    waves = sum(np.sin(2 * np.pi * k * freqs_hz[:, None] * times) / k for k in (1, 2, 3))
    gains = np.linspace(0.5, 2.0, cell.n_channels)[:, None]
    noise = 2 * rng.standard_normal((len(targets), cell.n_channels, len(times)))
    return noise + gains * np.asarray(waves)[:, None], targets


def flicker_signal(cell: Cell, seconds: float) -> FloatArray:
    """Give a signal (n_samples, n_channels) in which the second target is looked at."""
    rng = np.random.default_rng(4)
    times = np.arange(round(seconds * cell.rate_hz)) / cell.rate_hz
    wave = np.sin(2 * np.pi * target_freqs(cell.n_targets)[1] * times)
    signal: FloatArray = 2 * rng.standard_normal((len(times), cell.n_channels)) + wave[:, None]
    return signal


def _flicker(cell: Cell, extent: Extent) -> _Subject:
    spec = SignalSpec(cell.rate_hz, _electrodes(cell.n_channels))
    decoder: Any = registry.build_decoder(settings_of(cell, spec))
    fit_s = 0.0
    if cell.n_training:
        estimator = decoder.estimator(decoder.settings, cell.rate_hz)
        epochs, targets = flicker_epochs(cell, cell.n_training)
        model, fit_s = _timed_fit(lambda: estimator.fit(epochs, targets))
        decoder.use(model)
    decoder.prepare(spec)
    signal = flicker_signal(cell, extent.decoder_s)
    return _Subject(decoder, _chunks(signal, cell.rate_hz, CHUNK_S), fit_s)


def _electrodes(n_channels: int) -> tuple[str, ...]:
    return tuple(f"C{i + 1}" for i in range(n_channels))


# -- movement -----------------------------------------------------------------------------------


@functools.lru_cache(maxsize=2)
def movement(n_features: int, n_bins: int) -> tuple[FloatArray, FloatArray]:
    """Give features (n_bins, n_features), z-scores tuned to velocities (n_bins, 2), and these."""
    rng = np.random.default_rng(5)
    velocities = np.zeros((n_bins, 2))
    kicks = 0.3 * rng.standard_normal((n_bins, 2))
    for index in range(1, n_bins):
        velocities[index] = 0.95 * velocities[index - 1] + kicks[index]
    tuning = rng.standard_normal((2, n_features))
    features = velocities @ tuning + 2 * rng.standard_normal((n_bins, n_features))
    return (features - features.mean(axis=0)) / features.std(axis=0), velocities


def _movement(cell: Cell, extent: Extent) -> _Subject:
    spec = SignalSpec(cell.rate_hz, _electrodes(cell.n_channels))
    decoder: Any = registry.build_decoder(settings_of(cell, spec))
    n_bins = round(extent.decoder_s * 50)
    features, velocities = movement(cell.n_channels, cell.n_training + n_bins)
    learn, fit_s = slice(0, cell.n_training), 0.0
    if cell.n_training:
        model, fit_s = _timed_fit(
            lambda: decoder.fit(decoder.settings, features[learn], velocities[learn])
        )
        decoder.use(model)
    decoder.prepare(spec)
    return _Subject(decoder, _chunks(features[cell.n_training :], cell.rate_hz, 0.02), fit_s)


# -- any other decoder --------------------------------------------------------------------------


def _example(cell: Cell, extent: Extent) -> _Subject:
    """Run a decoder on noise, by its example; a trial begins once in `CHUNKS_A_TRIAL`."""
    labels = registry.examples(cell.kind)[0].spec.labels
    if len(labels) != cell.n_channels:
        labels = _electrodes(cell.n_channels)
    spec = SignalSpec(cell.rate_hz, labels)
    decoder: Any = registry.build_decoder(settings_of(cell, spec))
    model, fit_s = _timed_fit(lambda: decoder.example_model(decoder.settings, spec))
    if model is not None:
        decoder.use(model)
    decoder.prepare(spec)
    n_samples = round(extent.decoder_s * cell.rate_hz)
    noise = 10 * np.random.default_rng(6).standard_normal((n_samples, cell.n_channels))
    return _ExampleSubject(decoder, _chunks(noise, cell.rate_hz, CHUNK_S), fit_s)


class _ExampleSubject(_Subject):
    """A decoder that may wait for the onset of a trial.

    Where it never decides each chunk counts.
    """

    def decode(self, chunk: Chunk) -> list[Intent]:
        assert isinstance(self._one, Decoder)
        at = float(chunk.times[0])
        begins = round((at - START) / CHUNK_S) % CHUNKS_A_TRIAL == 0
        return self._one.decode(chunk, [Event(at, TRIAL_START)] if begins else [])

    def one_pass(self) -> Times:
        took = super().one_pass()
        if not self._decides.any():
            self._decides[:] = True
        return took


# -- beside packages ----------------------------------------------------------------------------


def _beside_peer(cell: Cell, extent: Extent) -> dict[str, Any]:
    """Time ours and the package that does the same in turns, on the same data."""
    said = {"kind": cell.kind, "variant": cell.variant}
    found = _peer(cell, extent)
    if isinstance(found, str):
        return {**said, "package": None, "why_none": found}
    ours = _subject(cell, extent)
    theirs: list[float] = []
    mine: list[Times] = []
    ours.one_pass()
    found.one_pass()
    for _ in range(extent.passes):
        mine.append(ours.one_pass())
        theirs.append(found.one_pass())
    row = ours.row(np.median(mine, axis=0))
    peer_us = float(np.median(theirs)) * 1e6
    return {
        **said,
        "package": found.package,
        "does": found.does,
        "ours_us": row["mean_us"],
        "peer_us": round(peer_us, 2),
        "ratio": round(row["mean_us"] / peer_us, 4),
        **(_filter_alone(cell, extent, found) if found.package == "filterpy" else {}),
    }


def _filter_alone(cell: Cell, extent: Extent, theirs: packages.Peer) -> dict[str, float]:
    """Time our filter without bins, cursor and intents, which the package has not."""
    features, velocities = movement(cell.n_channels, cell.n_training + 200)
    n = velocities.shape[1]
    observation: FloatArray = np.linalg.lstsq(velocities, features, rcond=None)[0].T.astype(float)
    recursion = KalmanRecursion(
        0.95 * np.eye(n),
        0.1 * np.eye(n),
        observation,
        4.0 * np.eye(cell.n_channels),
        start_mean=np.zeros(n),
        start_covariance=np.eye(n),
        steady=cell.variant == "steady",
    )
    alone = packages.each("", "", recursion.step, list(features[cell.n_training :]))
    pairs = [(alone.one_pass(), theirs.one_pass()) for _ in range(extent.passes + 1)][1:]
    ours, peer = np.median(pairs, axis=0)
    return {
        "filter_alone_us": round(float(ours) * 1e6, 2),
        "filter_alone_ratio": round(float(ours / peer), 4),
    }


def _peer(cell: Cell, extent: Extent) -> packages.Peer | str:
    work = work_of(cell.kind)
    if work == "stage":
        calibration, signal, spec = stage_data(cell.n_channels, cell.rate_hz, extent.stage_s)
        pieces = [samples for samples, _ in _chunks(signal, cell.rate_hz, CHUNK_S)]
        return packages.stage_peer(cell.kind, pieces, calibration, spec)
    if work == "flicker":
        epochs, targets = flicker_epochs(cell, max(2, cell.n_training))
        return packages.selector_peer(
            cell.kind, epochs, targets, target_freqs(cell.n_targets), cell.rate_hz
        )
    if work == "movement":
        n_bins = round(extent.decoder_s * 50)
        features, velocities = movement(cell.n_channels, cell.n_training + n_bins)
        return packages.kinematic_peer(
            cell.kind, cell.variant, features, velocities, cell.n_training
        )
    return "none was looked for"
