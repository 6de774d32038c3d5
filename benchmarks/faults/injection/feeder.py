"""A headset that does what it is told: exactly these samples, with exactly these stamps.

    parent ── one JSON command a line ──> feeder ── LSL ──> whoever listens
           <── one JSON answer a line ──

Sample ``n`` belongs to the moment ``t0 + n / rate_hz`` and is sent when that moment has come, with
that moment as its stamp; the last channel holds ``n``. So a receiver's stamps tell which samples it
has, whatever happened between. Sending begins when someone listens, so that whoever is first gets
every sample. Commands take effect between two chunks.
"""

from __future__ import annotations

import contextlib
import json
import queue
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import psutil

from volition.children import python_module
from volition.chunk import FloatArray, SignalSpec
from volition.streams.lsl.clock import local_clock
from volition.streams.lsl.outlet import SignalOutlet

LOOKED_AT_HZ = 12.0
_AMPLITUDE_UV, _NOISE_UV = 20.0, 2.0
_RAIL_UV = 187_500.0
_ANSWER_S = 20.0
_BLOCK = 1000

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class FedStream:
    """What a feeder sends.

    Attributes
    ----------
    source_id, name, rate_hz
        The stream's own properties.
    labels
        Labels of its channels; one more, ``ramp``, is added.
    chunk_samples
        Samples sent together.
    t0
        LSL time of sample 0; the moment at which someone listens when left out.
    true_rate_hz
        The rate at which samples really come; the nominal one when left out.
    stamps
        ``own``, or within each packet ``equal`` or ``backward``.
    """

    source_id: str
    name: str = "feeder"
    rate_hz: float = 250.0
    labels: tuple[str, ...] = ("1", "2", "3", "4")
    chunk_samples: int = 5
    t0: float | None = None
    true_rate_hz: float | None = None
    stamps: str = "own"


class Feeder:
    """A feeder in a process of its own.

    Parameters
    ----------
    stream
        What it sends.
    """

    def __init__(self, stream: FedStream) -> None:
        self.stream = stream
        self._process = subprocess.Popen(
            python_module(
                "volition.benchmarks.faults.injection.feeder", json.dumps(asdict(stream))
            ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._answers: queue.Queue[dict[str, Any]] = queue.Queue()
        self._reader = threading.Thread(target=self._read, name="feeder-answers", daemon=True)
        self._reader.start()

    @property
    def process(self) -> psutil.Process:
        return psutil.Process(self._process.pid)

    def tell(self, do: str, **arguments: Any) -> dict[str, Any]:
        """Give a command and wait until it was followed.

        Returns
        -------
        dict
            ``first`` and ``next``: numbers of the first sample sent and of the next one; ``sent``:
            how many were; ``t0`` and ``t``: LSL times of sample 0 and of the answer.
        """
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
        self._process.stdin.flush()
        return self.answer()

    def answer(self) -> dict[str, Any]:
        """Wait for the next answer; the first one says that the outlet stands."""
        return self._answers.get(timeout=_ANSWER_S)

    def kill(self) -> None:
        """End it as a crash would."""
        self._process.kill()
        self._process.wait()

    def again(self, t0: float, **changes: Any) -> Feeder:
        """Start another in place of this one, which goes on in the same grid of moments."""
        return Feeder(replace(self.stream, t0=t0, **changes))

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._answers.put(json.loads(line))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        with contextlib.suppress(psutil.NoSuchProcess):
            self.process.resume()
        self.kill()
        self._reader.join()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()


class _Player:
    """The process's own side."""

    def __init__(self, stream: FedStream) -> None:
        self.stream = stream
        labels = (*stream.labels, "ramp")
        self._spec = SignalSpec(stream.rate_hz, labels)
        self._n_channels = len(labels)
        self._rate_hz = stream.true_rate_hz or stream.rate_hz
        self._outlet = SignalOutlet(
            self._spec, name=stream.name, source_id=stream.source_id, format="float64"
        )
        random = np.random.default_rng(1)
        self._noise = random.normal(0.0, _NOISE_UV, (_BLOCK, self._n_channels))
        self._t0 = stream.t0
        self._first: int | None = None
        self._next = self._sent = 0
        self._chunk = stream.chunk_samples
        self._shift_s = 0.0
        self._stamps = stream.stamps
        self._values: tuple[str, list[int]] = ("", [])
        self._playing = True
        self._last = (np.empty((0, self._n_channels)), np.empty(0))

    def report(self) -> dict[str, Any]:
        """Say which sample was the first, which is next, and how many were sent."""
        return {
            "first": self._first,
            "next": self._next,
            "sent": self._sent,
            "t0": self._t0,
            "t": local_clock(),
        }

    def follow(self, command: dict[str, Any]) -> None:
        """Follow a command."""
        do = command.pop("do")
        if do == "pause":
            self._playing = False
        elif do == "play":
            self._playing = True
            if command.get("skip_missed"):  # what was due meanwhile is never sent
                self._next = self._due_now()
        elif do == "skip":
            self._next += command["n"]
        elif do == "repeat":
            samples, times = self._last
            self._push(samples, times)
        elif do == "empty":
            self._push(self._last[0][:0], self._last[1][:0])
        elif do == "shift":
            self._shift_s = command["s"]
        elif do == "stamps":
            self._stamps = command["how"]
        elif do == "values":
            self._values = command["what"], command["channels"]
        elif do == "chunk":
            self._chunk = command["n"]

    def play(self) -> float:
        """Send what is due; give how long nothing will be, seconds."""
        if not self._playing:
            return 0.005
        if self._first is None:
            if not self._outlet.has_consumers():
                return 0.002
            if self._t0 is None:
                self._t0 = local_clock()
            self._first = self._next = self._due_now()
        wait_s = self._time_of(self._next + self._chunk - 1) - local_clock()
        if wait_s > 0:
            return min(wait_s, 0.005)
        numbers = np.arange(self._next, self._next + self._chunk, dtype=np.int64)
        self._last = self._samples(numbers), self._times(numbers)
        self._push(*self._last)
        self._next += self._chunk
        return 0.0

    def _push(self, samples: FloatArray, times: FloatArray) -> None:
        self._outlet.push(samples, times)
        self._sent += len(times)

    def _time_of(self, number: int) -> float:
        assert self._t0 is not None
        return self._t0 + number / self._rate_hz

    def _due_now(self) -> int:
        assert self._t0 is not None
        return max(0, int(np.ceil((local_clock() - self._t0) * self._rate_hz)))

    def _times(self, numbers: Numbers) -> FloatArray:
        assert self._t0 is not None
        times: FloatArray = self._t0 + numbers / self._rate_hz + self._shift_s
        if self._stamps == "equal":
            times = np.full_like(times, times[-1])
        elif self._stamps == "backward":
            times = times[::-1]
        return times

    def _samples(self, numbers: Numbers) -> FloatArray:
        phase = 2.0 * np.pi * LOOKED_AT_HZ * numbers / self._rate_hz
        samples: FloatArray = self._noise[numbers % _BLOCK].copy()
        samples += _AMPLITUDE_UV * np.sin(phase)[:, np.newaxis]
        what, channels = self._values
        made_up = {"nan": np.nan, "inf": np.inf, "saturated": _RAIL_UV, "flat": 0.0}
        if what:
            samples[:, channels] = made_up[what]
        samples[:, -1] = numbers
        return samples


def _main() -> None:
    options = json.loads(sys.argv[1])
    player = _Player(FedStream(**options | {"labels": tuple(options["labels"])}))
    commands: queue.Queue[dict[str, Any] | None] = queue.Queue()

    def listen() -> None:
        for line in sys.stdin:
            commands.put(json.loads(line))
        commands.put(None)

    def answer() -> None:
        sys.stdout.write(json.dumps(player.report()) + "\n")
        sys.stdout.flush()

    threading.Thread(target=listen, daemon=True).start()
    answer()
    while True:
        try:
            command = commands.get_nowait()
        except queue.Empty:
            time.sleep(player.play())
            continue
        if command is None:
            return
        player.follow(command)
        answer()


if __name__ == "__main__":
    _main()
