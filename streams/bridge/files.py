"""A recording as a source: its samples come when their time has come."""

from __future__ import annotations

import time
from pathlib import Path

from volition.chunk import SignalSpec
from volition.errors import ConfigError
from volition.streams.bridge.source import Came
from volition.streams.files.recording import Recording, read_recording

_READ_S = 0.02


class FileSource:
    """The signal of a recording, in real time.

    Parameters
    ----------
    path
        The file, of any kind that `read_recording` reads.
    stream
        Which signal of a file with several: its name, source id or number.
    loop
        Whether it begins again at its end.
    """

    def __init__(self, path: Path, *, stream: str | None = None, loop: bool = False) -> None:
        self._path, self._loop = path, loop
        self._recording: Recording = read_recording(path, stream=stream)
        if not self._recording.spec.rate_hz or not len(self._recording):
            raise ConfigError(f"{path.name} holds no signal of an even rate")
        self._begun_at = 0.0
        self._n_given = 0

    @property
    def name(self) -> str:
        return self._path.stem

    @property
    def source_id(self) -> str:
        return f"file-{self._path.name}"

    def open(self) -> SignalSpec:
        self._begun_at, self._n_given = time.monotonic(), 0
        return self._recording.spec

    def read(self) -> Came:
        time.sleep(_READ_S)
        n_total = len(self._recording)
        due = int((time.monotonic() - self._begun_at) * self._recording.spec.rate_hz)
        begin = self._n_given % n_total if self._loop else self._n_given
        end = min(begin + due - self._n_given, n_total)
        self._n_given += end - begin
        return Came(self._recording.samples[begin:end], ended=not self._loop and end == n_total)

    def close(self) -> None:
        """There is nothing to let go of."""
