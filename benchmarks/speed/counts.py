"""Counts of the hot loop: the same on every machine, so a budget can hold them.

A chunk's way through `volition.service.sessions.engine.Engine` and the encoding of its intents is
run on a signal that is always the same, and what it does is counted rather than timed: calls of
Python and C functions, bytecodes, bytes at most in use at once, blocks of memory that stay.
``budget.toml`` beside this file says how many there may be, and how they may grow with channels,
targets and time: a loop in Python over channels shows as a ratio above 1, whatever the machine.
Where ``perf`` may count (or valgrind is there) the processor's own instructions are given too, as
the difference between a long and a short run.
"""

from __future__ import annotations

import gc
import inspect
import itertools
import os
import re
import shutil
import subprocess
import sys
import tomllib
import tracemalloc
from collections.abc import Callable, Sequence
from importlib import resources
from typing import Any

import numpy as np

from volition.benchmarks.speed.cells import Cell, settings_of, target_freqs
from volition.benchmarks.speed.costs import stage_data
from volition.benchmarks.speed.latency import kalman_settings
from volition.children import python_module
from volition.chunk import Chunk, SignalSpec
from volition.decoders import registry
from volition.decoders.contract.intent import to_json
from volition.decoders.stages.blocks import BlockStage
from volition.service.sessions.config import SessionConfig
from volition.service.sessions.engine import Engine

#: Chunks that are run before anything is counted: the first fill caches and windows.
WARM_UP, COUNTED = 60, 60
#: Chunks of the long and the short run whose instructions are counted.
LONG, SHORT = 600, 100
CHUNK_S = 0.010
#: What a stage whose calls are counted is calibrated on, seconds.
FITTED_S = 8.0
_INSTRUCTIONS_S = 600
#: The release of Python that runs this, as the budget names it.
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


def scenarios() -> dict[str, tuple[SessionConfig, SignalSpec]]:
    """Give each scenario of the hot loop: its configuration and signal."""
    found = {}
    for n in (8, 64, 256):
        found[f"kalman, {n} channels"] = _scenario(kalman_settings(n, CHUNK_S), n, 1000.0)
    for n_targets in (4, 40):
        cell = Cell("fbcca", "", 9, 250.0, n_targets=n_targets)
        spec = SignalSpec(cell.rate_hz, ())
        settings = settings_of(cell, spec).model_dump() | {"step_s": 0.04}
        found[f"fbcca, {n_targets} targets"] = _scenario(settings, 9, 250.0)
    return found


def _scenario(
    decoder: dict[str, Any], n_channels: int, rate_hz: float
) -> tuple[SessionConfig, SignalSpec]:
    config = SessionConfig.model_validate(
        {
            "stream": {"type": "EEG"},
            "stages": [
                {"kind": "bandpass", "low_hz": 5, "high_hz": 45},
                {"kind": "notch", "freq_hz": 50},
            ],
            "decoder": decoder,
        }
    )
    return config, SignalSpec(rate_hz, tuple(f"C{i}" for i in range(n_channels)))


class HotLoop:
    """An engine at work on a made-up signal, chunk by chunk, its intents encoded.

    Parameters
    ----------
    name
        Name of the scenario.
    """

    def __init__(self, name: str) -> None:
        config, spec = scenarios()[name]
        self._ticks = itertools.count()
        self._engine = Engine(config, spec, clock=lambda: float(next(self._ticks)))
        self._n = round((CHUNK_S if "kalman" in name else 0.04) * spec.rate_hz)
        self._rate_hz, self._seen = spec.rate_hz, 0
        noise = np.random.default_rng(0).normal(0, 10, (64, self._n, spec.n_channels))
        times = 1000 + np.arange(64 * self._n) / spec.rate_hz
        wave = np.sin(2 * np.pi * target_freqs(4)[1] * times).reshape(64, self._n, 1)
        self._signal = noise + 5 * wave

    def chunks(self, n: int) -> list[Chunk]:
        """Give the next ``n`` chunks."""
        made = []
        for _ in range(n):
            start, self._seen = self._seen, self._seen + 1
            times = 1000 + (start * self._n + np.arange(self._n)) / self._rate_hz
            made.append(Chunk(self._signal[start % 64].copy(), times))
        return made

    def run(self, chunks: Sequence[Chunk]) -> int:
        """Run; give how many bytes were encoded."""
        step, n = self._engine.step, 0
        for chunk in chunks:
            for intent in step(chunk):
                n += len(to_json(intent))
        return n


def count(name: str) -> dict[str, float]:
    """Count what a chunk of a scenario takes.

    Returns
    -------
    dict
        ``calls`` and ``bytecodes`` a chunk; ``peak_bytes``, the most memory in use at once beyond
        what was in use before; ``kept_blocks``, blocks of memory that are in use a chunk later, of
        which there should be none; ``calls_later``, calls a chunk after many more.
    """
    loop = HotLoop(name)
    loop.run(loop.chunks(WARM_UP))
    calls = calls_of(loop.run, loop.chunks(COUNTED)) / COUNTED
    bytecodes = bytecodes_of(loop.run, loop.chunks(COUNTED)) / COUNTED
    peak_bytes = max(_peak_bytes_of(loop.run, loop.chunks(1)) for _ in range(COUNTED // 4))
    kept = min(_kept_blocks_of(lambda: loop.run(loop.chunks(COUNTED))) for _ in range(4))
    loop.run(loop.chunks(4 * COUNTED))
    later = calls_of(loop.run, loop.chunks(COUNTED)) / COUNTED
    return {
        "calls": round(calls, 2),
        "bytecodes": round(bytecodes, 1),
        "peak_bytes": float(peak_bytes),
        # The least of several, for caches grow by leaps.
        "kept_blocks": round(max(0, kept) / COUNTED, 3),
        "calls_later": round(later, 2),
    }


def stage_calls(kind: str, n_channels: int) -> float:
    """Count the calls that a stage makes a chunk: its own alone, so no `Cleaner` runs it."""
    calibration, signal, spec = stage_data(n_channels, 250.0, 4.0)
    stage = registry.build_stage(settings_of(Cell(kind, "", n_channels, 250.0), spec))
    if isinstance(stage, BlockStage):
        parameters = stage.fit(calibration[: round(FITTED_S * spec.rate_hz)], spec)
        if parameters:
            stage.use(parameters)
    stage.prepare(spec)
    n = 5
    times = 1000 + np.arange(len(signal)) / spec.rate_hz
    pieces = [slice(i, i + n) for i in range(0, len(signal) - n + 1, n)]
    chunks = [Chunk(signal[piece].copy(), times[piece]) for piece in pieces]

    def run(some: Sequence[Chunk]) -> None:
        for chunk in some:
            stage.process(chunk)

    half = len(chunks) // 2
    run(chunks[:half])
    return calls_of(run, chunks[half:]) / (len(chunks) - half)


# -- counting -----------------------------------------------------------------------------------


def calls_of(run: Callable[[Any], Any], argument: Any) -> int:
    """Count calls of functions, Python's and C's, that ``run(argument)`` makes."""
    n = 0

    def profile(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal n
        n += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        run(argument)
    finally:
        sys.setprofile(before)
    return n


def bytecodes_of(run: Callable[[Any], Any], argument: Any) -> int:
    """Count bytecodes of the Python functions that ``run(argument)`` calls."""
    n = 0

    def trace(frame: Any, event: str, _argument: Any) -> Any:
        nonlocal n
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        n += event == "opcode"
        return trace

    before = sys.gettrace()
    # Python 3.12 tells of bytecodes only if a frame asked for them before tracing began.
    here = inspect.currentframe()
    assert here is not None
    here.f_trace_opcodes = True
    sys.settrace(trace)
    try:
        run(argument)
    finally:
        sys.settrace(before)
    return n


def _peak_bytes_of(run: Callable[[Any], Any], argument: Any) -> int:
    was_tracing = tracemalloc.is_tracing()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        run(argument)
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        if not was_tracing:
            tracemalloc.stop()


def _kept_blocks_of(run: Callable[[], Any]) -> int:
    """Count blocks of memory that are in use after ``run()`` and were not before."""
    gc.collect()
    gc.freeze()  # so that looking for what is left of the run takes no longer than the run
    try:
        before = sys.getallocatedblocks()
        run()
        gc.collect()
        return sys.getallocatedblocks() - before
    finally:
        gc.unfreeze()


# -- instructions of the processor --------------------------------------------------------------


def instructions(name: str) -> dict[str, Any]:
    """Count the processor's instructions a chunk, by perf or valgrind.

    Returns
    -------
    dict
        ``instructions`` a chunk and ``by``, what counted; or ``why_none``.
    """
    problems = []
    for by, count_run in (("perf", _by_perf), ("valgrind", _by_valgrind)):
        if shutil.which(by) is None:
            problems.append(f"{by} is not installed")
            continue
        counts = [count_run(name, n) for n in (SHORT, LONG)]
        if all(isinstance(n, int) for n in counts):
            short, long = counts
            return {"instructions": round((long - short) / (LONG - SHORT)), "by": by}
        problems.append(f"{by}: {next(n for n in counts if not isinstance(n, int))}")
    return {"instructions": None, "why_none": "; ".join(problems)}


def _by_perf(name: str, n_chunks: int) -> Any:
    said = _run_counted(["perf", "stat", "-x", ",", "-e", "instructions:u"], name, n_chunks)
    found = re.search(r"^(\d+),", said, re.MULTILINE)
    return int(found[1]) if found else said.strip().splitlines()[-1] if said.strip() else "nothing"


def _by_valgrind(name: str, n_chunks: int) -> Any:
    tool = ["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"]
    said = _run_counted(tool, name, n_chunks)
    found = re.search(r"I\s+refs:\s+([\d,]+)", said)
    return int(found[1].replace(",", "")) if found else said.strip().splitlines()[-1]


def _run_counted(tool: Sequence[str], name: str, n_chunks: int) -> str:
    """Run the loop below a tool; give what the tool said."""
    try:
        done = subprocess.run(
            [*tool, *python_module("volition.benchmarks.speed.counts", name, str(n_chunks))],
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONHASHSEED": "0"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_INSTRUCTIONS_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"it took more than {_INSTRUCTIONS_S} s"
    return done.stderr


# -- the budget ---------------------------------------------------------------------------------


def budgets() -> dict[str, Any]:
    """Give the budgets of every Python: see the file."""
    text = resources.files("volition.benchmarks.speed").joinpath("budget.toml").read_text("utf-8")
    return tomllib.loads(text)


def budget() -> dict[str, Any]:
    """Give this Python's budget. Its ``scenarios`` are empty where it has none."""
    found = budgets()
    found["scenarios"] = found.pop("python").get(PYTHON, {})
    return found


def measure(
    *, with_instructions: bool = True, say: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """Count every scenario, and set it beside the budget.

    Returns
    -------
    dict
        ``rows``: see `count` and `instructions`; ``over``: what is over budget, in words.
    """
    allowed = budget()
    rows: list[dict[str, Any]] = []
    over: list[str] = []
    if not allowed["scenarios"]:
        say(f"budget.toml has no budget for Python {PYTHON}: nothing is judged")
    for name in scenarios():
        say(name)
        row: dict[str, Any] = {"scenario": name, **count(name)}
        over += beyond(row, allowed["scenarios"].get(name, {}))
        if with_instructions and name in allowed["instructions"]["scenarios"]:
            row |= instructions(name)
        rows.append(row)
    return {"rows": rows, "budget": allowed["scenarios"], "over": over}


def beyond(row: dict[str, Any], allowed: dict[str, float]) -> list[str]:
    """Say which counts of a row are above what is allowed."""
    return [
        f"{row['scenario']}: {name} is {row[name]:g}, allowed is {most:g}"
        for name, most in allowed.items()
        if row[name] > most
    ]


def _main(name: str, n_chunks: int) -> None:
    loop = HotLoop(name)
    gc.disable()
    loop.run(loop.chunks(n_chunks))


if __name__ == "__main__":
    _main(sys.argv[1], int(sys.argv[2]))
