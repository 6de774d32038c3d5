"""Peers: the same stream, through the same band-pass, to a subscriber, in turns.

Every contender is started in its turn, given some seconds to settle once its first message came,
and measured alone: A B C A B C ... What it sends is its own affair: Volition sends intents (so it
decodes each chunk as well, and supervises, numbers and keeps), peers the filtered signal or, over a
WebSocket, no more than its times. A latency is that of a chunk of the stream: from its push to the
receipt of the first message that reaches into it or beyond, so that what lumps chunks together is
late with the older ones; a decoder's bins need not end with chunks. Processor time is that
of all the contender's processes while the subscriber listens; samples lost are those fed between
the first and the last that came out and did not come out themselves. Fewer than none were lost
where the machine was so busy that the feeder came late and a gap in its times was filled.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

import numpy as np
import numpy.typing as npt
import psutil

from volition.benchmarks.peers.subscribers import (
    Messages,
    Subscriber,
    at_websocket,
    from_lsl,
    from_websocket,
)
from volition.benchmarks.speed.feeder import FedStream, Feeder
from volition.benchmarks.speed.latency import kalman_settings, spread
from volition.benchmarks.speed.relay import relay_process
from volition.service.client import Client
from volition.service.gateway.launch import running_service
from volition.streams import lsl

BAND_HZ, ORDER = (5.0, 45.0), 4
_SESSION = "peers"
#: Samples that a contender's times may be off by, smoothed or counted from another end.
_TIMES_OFF = 3
_ERROR_CHARACTERS = 400

Floats = npt.NDArray[np.float64]
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Turn:
    """What one contender did in one turn."""

    messages: Messages
    cpu_s: float
    memory_mb: float


@dataclass(frozen=True, slots=True)
class Contender:
    """One that is measured.

    Attributes
    ----------
    name
        As the report calls it.
    out
        How it sends: ``websocket`` or ``lsl``.
    take_turn
        Runs it once on a stream for some seconds.
    """

    name: str
    out: str
    take_turn: Callable[[FedStream, float], Turn]


@dataclass(frozen=True, slots=True)
class Program:
    """A peer's program, run by an interpreter that has the peer.

    Attributes
    ----------
    script
        In this folder.
    modules
        What it imports: found or not, in the interpreter.
    packages
        Whose versions stand in the report.
    environment
        The peer's own, relative to the working folder; made by ``make peers``. The interpreter that
        runs this serves where the folder does not exist.
    """

    script: str
    modules: tuple[str, ...]
    packages: tuple[str, ...]
    environment: str


PROGRAMS = {
    "ezmsg": Program(
        "ezmsg_pipeline.py",
        ("ezmsg.core", "ezmsg.lsl", "ezmsg.sigproc", "ezmsg.websocket"),
        ("ezmsg", "ezmsg-lsl", "ezmsg-sigproc", "ezmsg-websocket", "pylsl"),
        ".venv-bench",
    ),
    "mne-lsl": Program("mne_lsl_pipeline.py", ("mne_lsl",), ("mne-lsl", "mne"), ".venv-bench"),
    "timeflux": Program(
        "timeflux_pipeline.py",
        ("timeflux", "timeflux_dsp"),
        ("timeflux", "timeflux-dsp", "pylsl"),
        ".venv-timeflux",
    ),
}


def measure(
    *,
    seconds: float,
    rounds: int,
    n_channels: int = 64,
    rate_hz: float = 1000.0,
    chunk_s: float = 0.010,
    pythons: dict[str, Path] | None = None,
    on_round: Say = lambda _: None,
) -> dict[str, Any]:
    """Measure every contender that runs.

    Parameters
    ----------
    seconds
        Length of each contender's measurement, over all rounds.
    rounds
        How often they take turns.
    pythons
        Interpreter of each peer; where one is not named, that of its environment.

    Returns
    -------
    dict
        ``rows``: for each contender latency (``p50_ms`` ...), ``cpu_share`` (seconds of processor
        a second of signal), ``lost_samples``, ``memory_mb``, and Volition's ratio to it over the
        same way out (``ratio_p50``, ``ratio_p99``, ``ratio_cpu``; below 1 Volition is better);
        ``missing``: why a peer was not measured, by its name; ``troubles``: turns that failed;
        ``versions``: of the others.
    """
    contenders, missing, versions = _contenders(pythons or {})
    turns: dict[str, list[Turn | None]] = {one.name: [] for one in contenders}
    troubles: list[str] = []
    with Feeder(n_channels, rate_hz, chunk_s) as feeder:
        for number in range(rounds):
            for one in contenders:
                on_round(f"round {number + 1} of {rounds}: {one.name}")
                turn = None
                try:
                    turn = one.take_turn(feeder.stream, seconds / rounds)
                except (TimeoutError, RuntimeError) as error:
                    troubles.append(f"{one.name}, round {number + 1}: {error}")
                    on_round(troubles[-1])
                turns[one.name].append(turn)
        pushed = feeder.finish()
    rows = [
        _row(one, turns[one.name], pushed, feeder.stream, seconds / rounds)
        for one in contenders
        if any(turns[one.name])
    ]
    return {
        "channels": n_channels,
        "rate_hz": rate_hz,
        "chunk_ms": chunk_s * 1e3,
        "band_hz": list(BAND_HZ),
        "rounds": rounds,
        "rows": _with_ratios(rows),
        "missing": missing,
        "troubles": troubles,
        "versions": versions,
    }


def _with_ratios(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Set Volition beside each peer, over the same way out."""
    ours = {row["out"]: row for row in rows if row["name"].startswith("volition")}
    result = []
    for row in rows:
        mine = ours.get(row["out"])
        is_peer = mine is not None and not row["name"].startswith("volition")
        ratios = {}
        if mine is not None and is_peer:
            for name, key in (("p50", "p50_ms"), ("p99", "p99_ms"), ("cpu", "cpu_share")):
                ratios[f"ratio_{name}"] = round(mine[key] / row[key], 3)
            ratios["ratio_p50_by_round"] = [
                round(a / b, 3)
                for a, b in zip(mine["p50_ms_by_round"], row["p50_ms_by_round"], strict=True)
                if a is not None and b is not None
            ]
        result.append({**row, **ratios})
    return result


def _row(
    one: Contender, turns: Sequence[Turn | None], pushed: Floats, stream: FedStream, share_s: float
) -> dict[str, Any]:
    done = [turn for turn in turns if turn is not None]
    placed = [Placed.of(turn.messages, pushed, stream) for turn in done]
    latencies = [part.latencies_ms(pushed) for part in placed]
    medians = iter([round(float(np.median(part)), 4) for part in latencies])
    cpu_s = sum(turn.cpu_s for turn in done)
    return {
        "name": one.name,
        "out": one.out,
        **spread(np.concatenate(latencies)),
        "p50_ms_by_round": [None if turn is None else next(medians) for turn in turns],
        "lost_samples": sum(part.lost for part in placed),
        "cpu_share": round(cpu_s / (len(done) * share_s), 4),
        "memory_mb": round(max(turn.memory_mb for turn in done), 1),
    }


# -- which sample a message reaches -------------------------------------------------------------


@dataclass(frozen=True)
class Placed:
    """Messages on the stream's count of samples.

    Attributes
    ----------
    newest : ndarray of int64, shape (n,)
        Number of each message's newest sample, counted from the first that was fed.
    t_received : ndarray of float64, shape (n,)
    chunk_samples
        Samples in a chunk of the stream.
    lost
        Samples that were fed and did not come out.
    """

    newest: npt.NDArray[np.int64]
    t_received: Floats
    chunk_samples: int
    lost: int

    @classmethod
    def of(cls, messages: Messages, pushed: Floats, stream: FedStream) -> Placed:
        """Place messages on the stream.

        Samples are counted, since some contenders smooth their times or are one sample off. Where
        the count begins is told by the times and, within what those may be off by, by causality:
        as late as no message comes before its chunk was pushed. Where the times run away from the
        count by more than half a chunk samples were lost, and the times alone are believed.
        """
        n = stream.chunk_samples
        by_time = _by_time(messages, pushed, stream)
        counted = np.cumsum(np.where(messages.n_samples > 0, messages.n_samples, n))
        ahead = by_time - counted
        edge = max(1, len(ahead) // 10)
        lost = round(float(np.median(ahead[-edge:]) - np.median(ahead[:edge])))
        if abs(lost) > n / 2:
            return cls(by_time, messages.t_received, n, lost)
        most = counted + round(float(np.median(ahead))) + _TIMES_OFF
        for newest in (most - back for back in range(2 * _TIMES_OFF + 1)):
            chunk = np.clip(newest // n, 0, len(pushed) - 1)
            if (messages.t_received >= pushed[chunk]).all():
                return cls(newest, messages.t_received, n, 0)
        return cls(by_time, messages.t_received, n, lost)

    def latencies_ms(self, pushed: Floats) -> Floats:
        """Give milliseconds from each chunk's push to the first message that reaches into it."""
        n = self.chunk_samples
        chunks = np.arange(int(self.newest[0]) // n + 1, int(self.newest[-1]) // n + 1)
        reached = np.searchsorted(self.newest, chunks * n)
        return (self.t_received[reached] - pushed[chunks]) * 1e3


def _by_time(messages: Messages, pushed: Floats, stream: FedStream) -> npt.NDArray[np.int64]:
    """Number each message's newest sample by its time alone."""
    n = stream.chunk_samples
    # Samples of a chunk lie one interval apart, up to the push; the clock's estimate moves them by
    # microseconds.
    chunk = np.searchsorted(pushed, messages.t_sample - 0.5 / stream.rate_hz)
    chunk = np.minimum(chunk, len(pushed) - 1)
    before_end = np.rint((pushed[chunk] - messages.t_sample) * stream.rate_hz)
    numbers: npt.NDArray[np.int64] = ((chunk + 1) * n - 1 - np.clip(before_end, 0, n - 1)).astype(
        np.int64
    )
    return numbers


# -- contenders ---------------------------------------------------------------------------------


def _contenders(
    pythons: dict[str, Path],
) -> tuple[list[Contender], dict[str, str], dict[str, dict[str, str]]]:
    """Give those that can run, why others cannot, and the versions of the peers' packages."""
    contenders = [
        Contender("relay", "websocket", _relay_turn),
        Contender("volition", "websocket", _volition_turn("websocket")),
        Contender("volition, LSL", "lsl", _volition_turn("lsl")),
    ]
    missing: dict[str, str] = {}
    versions: dict[str, dict[str, str]] = {}
    for name, program in PROGRAMS.items():
        python = pythons.get(name) or _python_of(program)
        found = _versions(python, program)
        if isinstance(found, str):
            missing[name] = found
            continue
        versions[name] = found
        outs = ("websocket", "lsl") if name == "ezmsg" else ("lsl",)
        for out in outs:
            title = f"{name}, LSL" if len(outs) > 1 and out == "lsl" else name
            turn = _program_turn(python, program, out)
            contenders.append(Contender(title, out, turn))
    return contenders, missing, versions


def _python_of(program: Program) -> Path:
    folder = Path(program.environment)
    for place in (folder / "bin" / "python", folder / "Scripts" / "python.exe"):
        if place.is_file():
            return place.absolute()
    return Path(sys.executable)


def _versions(python: Path, program: Program) -> dict[str, str] | str:
    """Import what the program imports; give the packages' versions, or what went wrong."""
    code = "\n".join(
        (
            "import json",
            "from importlib.metadata import version",
            *(f"import {name}" for name in program.modules),
            f"print(json.dumps({{name: version(name) for name in {program.packages!r}}}))",
        )
    )
    try:
        done = subprocess.run(
            [python, "-c", code],
            env=_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if done.returncode != 0:
        said = done.stderr.strip().splitlines()
        return f"cannot be imported: {said[-1] if said else done.returncode}"
    versions: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return versions


def _environment() -> dict[str, str]:
    """Give a peer's program its variables: one thread for BLAS, and a liblsl.

    A pylsl older than 1.17 brings no liblsl along and is told by ``PYLSL_LIB`` where one is: ours.
    """
    environment = dict(os.environ)
    environment.pop("PYTHONPATH", None)
    environment["OPENBLAS_NUM_THREADS"] = "1"
    library = Path(str(lsl.load().__file__)).parent / "lib" / "liblsl.so"
    if library.is_file():
        environment.setdefault("PYLSL_LIB", str(library))
    return environment


@contextlib.contextmanager
def _subscribed(receive: Callable[..., None], where: Any, seconds: float) -> Iterator[Subscriber]:
    subscriber = Subscriber(receive, where, seconds)
    try:
        yield subscriber
    finally:
        subscriber.close()


def _listen(subscriber: Subscriber, pid: int) -> Turn:
    """Have the subscriber listen, and add up what the process and its children take meanwhile."""
    process = psutil.Process(pid)
    subscriber.wait_for_first(
        lambda: process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    )
    subscriber.wait_until_settled()
    before = _cpu_seconds(pid)
    messages = subscriber.result()
    return Turn(messages, _cpu_seconds(pid) - before, _memory_mb(pid))


def _cpu_seconds(pid: int) -> float:
    process = psutil.Process(pid)
    times = [p.cpu_times() for p in (process, *process.children(recursive=True))]
    return float(sum(t.user + t.system for t in times))


def _memory_mb(pid: int) -> float:
    process = psutil.Process(pid)
    found = (process, *process.children(recursive=True))
    return float(sum(p.memory_full_info().uss for p in found)) / 2**20


def _relay_turn(stream: FedStream, seconds: float) -> Turn:
    with (
        relay_process(stream, filtered=True) as (url, pid),
        _subscribed(from_websocket, url, seconds) as subscriber,
    ):
        return _listen(subscriber, pid)


def _volition_turn(out: str) -> Callable[[FedStream, float], Turn]:
    def take_turn(stream: FedStream, seconds: float) -> Turn:
        config = {
            "name": _SESSION,
            "stream": {"source_id": stream.source_id},
            "stages": [
                {"kind": "bandpass", "low_hz": BAND_HZ[0], "high_hz": BAND_HZ[1], "order": ORDER}
            ],
            "decoder": kalman_settings(stream.n_channels, stream.chunk_samples / stream.rate_hz),
            "outputs": [{"kind": "lsl"}] if out == "lsl" else [],
        }
        with running_service() as service, Client(service.url) as client:
            client.create_session(config)
            client.intents(_SESSION, wait_s=30)
            url = f"{client.url.replace('http', 'ws')}/v1/sessions/{_SESSION}/intents"
            receive, where = (
                (from_lsl, ("source_id", f"volition-{_SESSION}"))
                if out == "lsl"
                else (from_websocket, url)
            )
            with _subscribed(receive, where, seconds) as subscriber:
                turn = _listen(subscriber, service.pid)
        # An intent speaks of a whole chunk, however many came at once.
        several = turn.messages.n_samples * stream.chunk_samples
        messages = Messages(turn.messages.t_sample, turn.messages.t_received, several)
        return Turn(messages, turn.cpu_s, turn.memory_mb)

    return take_turn


def _program_turn(python: Path, program: Program, out: str) -> Callable[[FedStream, float], Turn]:
    def take_turn(stream: FedStream, seconds: float) -> Turn:
        out_name = f"out-{uuid4().hex}"
        arguments: dict[str, Any] = {
            "name": "stream",
            "type": "EEG",
            "source_id": stream.source_id,
            "rate_hz": stream.rate_hz,
            "band_hz": list(BAND_HZ),
            "order": ORDER,
            "out": out,
            "out_name": out_name,
        }
        receive, where = (from_lsl, ("name", out_name)) if out == "lsl" else (at_websocket, None)
        with (
            tempfile.TemporaryFile("w+") as log,
            _subscribed(receive, where, seconds) as subscriber,
        ):
            arguments["port"] = subscriber.address
            with _running(python, program, arguments, log) as process:
                try:
                    return _listen(subscriber, process.pid)
                except (TimeoutError, psutil.NoSuchProcess):
                    log.seek(0)
                    said = log.read().strip()[-_ERROR_CHARACTERS:]
                    raise RuntimeError(f"it sent nothing; it said: {said or 'nothing'}") from None

    return take_turn


@contextlib.contextmanager
def _running(
    python: Path, program: Program, arguments: dict[str, Any], log: IO[str]
) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [python, Path(__file__).with_name(program.script), json.dumps(arguments)],
        env=_environment(),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            for child in psutil.Process(process.pid).children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess):
                    child.kill()
        process.kill()
        process.wait()
