"""Recording: signal, markers, intents and status into an XDF file, by a process of its own.

    worker's loop ──frames, never waiting──> recorder process ──four times a second──> file
         ^                                        │
         └──────── how it stands (JSON) ──────────┘

The worker hands over bytes and goes on. What the recorder cannot take is kept up to a bound and
then dropped, oldest first; samples are numbered, so the recorder knows exactly how many it missed,
tells it and notes it in the file. It writes whole chunks: killed at any moment, it leaves a file
that opens and lacks a quarter of a second. A disk that is full or not writable ends nothing: it is
told in the session's warnings, and what waits is written as soon as there is room.

When a recorder dies, `Recorder.restart` starts another, which writes into a file of its own.

When the worker ends, in whatever way, the recorder reads what is still on its way, closes the file
and ends. The file's header holds the session's configuration, so that the file alone can be
replayed to the same intents.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np

from volition.children import python_module
from volition.chunk import Chunk, SignalSpec
from volition.errors import RecordingError, RecordingExistsError
from volition.service.worker.bus import LocalWorkerEnd, local_pair
from volition.streams.files.xdf_writer import XdfWriter

INTENTS, STATUS, MARKERS = "volition-intents", "volition-status", "volition-markers"
"""Names of the streams of texts in a recording."""

HEADER = "volition"
"""Key under which a file's header says whose recording it is."""

_FLUSH_S = 0.25
_TO_DISK_S = 5.0
#: What waits for a disk that takes nothing; samples beyond it are lost.
_MOST_WAITING_BYTES = 16 << 20
_HEADER = struct.Struct("<BxxxIQ")
_TIME = struct.Struct("<d")


class _Kind(IntEnum):
    OPEN = 0
    SAMPLES = 1
    INTENT = 2
    STATUS = 3
    MARKER = 4


_TEXT_STREAMS = {
    _Kind.INTENT: (INTENTS, "Intents"),
    _Kind.STATUS: (STATUS, "Status"),
    _Kind.MARKER: (MARKERS, "Markers"),
}


class Recorder:
    """The worker's end: hands over what is to be recorded, and never waits.

    Parameters
    ----------
    folder
        Where the file goes; made when it is not there.
    session, generation
        Whose recording it is; they name the file, with the time.
    spec
        The signal.
    stream
        The stream's name, type, source_id, host and created_at, for the file.
    header
        What the file's header is to hold under `HEADER`.
    """

    def __init__(
        self,
        folder: Path,
        session: str,
        generation: int,
        spec: SignalSpec,
        *,
        stream: Mapping[str, Any],
        header: Mapping[str, Any],
    ) -> None:
        self._name = f"{session}-{{moment}}-{generation}"
        self._opening = {"folder": str(folder), "spec": asdict(spec), "stream": dict(stream)}
        self._owner = {"session": session, "epoch": generation}
        self._n_samples = self._n_before = self._lost_before = self._restarts = 0
        self._is_closed = False
        self._begin(header)

    def _begin(self, header: Mapping[str, Any]) -> None:
        ours, theirs = local_pair()
        self._process = _start(theirs)
        self._link = LocalWorkerEnd(ours)
        self._known: dict[str, Any] = {}
        moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        opening = {
            **self._opening,
            "stem": self._name.format(moment=moment),
            "header": {**self._owner, "samples_before": self._n_before, **header},
        }
        self._send(_Kind.OPEN, json.dumps(opening).encode())

    @property
    def is_dead(self) -> bool:
        """Whether the process is gone and nothing is written any more."""
        return self._link.closed and not self._is_closed

    def restart(self, header: Mapping[str, Any]) -> None:
        """Record on into a new file, with a new process.

        Samples that the former process did not report as written count as lost.
        """
        written = self._known.get("samples", 0)
        self._lost_before += self._n_samples - self._n_before - written
        self._n_before = self._n_samples
        self._restarts += 1
        self._link.close(0.0)
        self._begin(header)

    @staticmethod
    def copy(chunk: Chunk) -> bytes:
        """Copy a chunk, to be handed over once its intents are out."""
        return chunk.times.tobytes() + chunk.samples.tobytes()

    def write_signal(self, copy: bytes, n_samples: int) -> None:
        """Hand over what `copy` gave."""
        self._send(_Kind.SAMPLES, copy, self._n_samples - self._n_before)
        self._n_samples += n_samples

    def write_intent(self, payload: bytes, time_s: float) -> None:
        """Hand over an encoded intent; ``time_s`` is its ``t_sample``."""
        self._send(_Kind.INTENT, _TIME.pack(time_s) + payload)

    def write_status(self, status: Mapping[str, Any], time_s: float) -> None:
        """Hand over a change of state, or anything else worth a note."""
        self._send(_Kind.STATUS, _TIME.pack(time_s) + json.dumps(status).encode())

    def write_marker(self, text: str, time_s: float) -> None:
        """Hand over a marker."""
        self._send(_Kind.MARKER, _TIME.pack(time_s) + text.encode())

    def state(self) -> dict[str, Any]:
        """Say how the recording stands.

        ``file``, its ``samples`` and ``bytes``; how many samples are ``lost`` in all; ``restarts``
        of the process; ``error``, which is empty while all is well.
        """
        if not self._is_closed:
            for said in self._link.commands():
                self._known = said
        known = {"file": None, "samples": 0, "bytes": 0, "lost": 0, "error": "", **self._known}
        known["lost"] += self._lost_before
        known["restarts"] = self._restarts
        if self.is_dead:
            self._process.poll()  # leaves no zombie
        if self.is_dead and not known["error"]:
            known["error"] = "the recorder process died; what it wrote is kept"
        return known

    def close(self, timeout_s: float) -> None:
        """Hand over the rest and wait for the file to be closed, not for longer than given.

        A recorder that needs longer goes on and ends on its own. A second call does nothing.
        """
        if self._is_closed:
            return
        self._is_closed = True
        until = time.monotonic() + timeout_s
        self._link.close(timeout_s)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(max(0.0, until - time.monotonic()))

    def _send(self, kind: _Kind, payload: bytes, number: int = 0) -> None:
        self._link.publish(_HEADER.pack(kind, len(payload), number) + payload)


def _start(sock: socket.socket) -> subprocess.Popen[bytes]:
    """Start the recorder's process at the other end of a socket.

    A worker is a daemon of ``multiprocessing`` and may have no children of that kind.
    """
    command = python_module("volition.service.worker.recorder")
    if sys.platform == "win32":
        process = subprocess.Popen(command, stdin=subprocess.PIPE)
        assert process.stdin is not None
        process.stdin.write(sock.share(process.pid))
        process.stdin.close()
    else:
        descriptor = sock.fileno()
        process = subprocess.Popen(
            [*command, str(descriptor)], stdin=subprocess.DEVNULL, pass_fds=[descriptor]
        )
    sock.close()
    return process


# --- the recorder's process ------------------------------------------------------------------


class _File:
    """The file, and what waits to be written into it."""

    def __init__(self, opening: dict[str, Any]) -> None:
        spec = opening["spec"]
        self._spec = SignalSpec(
            spec["rate_hz"], tuple(spec["labels"]), tuple(spec["units"]), tuple(spec["kinds"])
        )
        self._row_bytes = 8 * (1 + self._spec.n_channels)
        self._times: list[np.ndarray[Any, np.dtype[np.float64]]] = []
        self._rows: list[np.ndarray[Any, np.dtype[np.float64]]] = []
        self._texts: dict[_Kind, tuple[list[str], list[float]]] = {}
        self._next_number = 0
        self._written = self._lost = self._noted_lost = 0
        self._error = ""
        self._to_disk_due = 0.0
        self._writer: XdfWriter | None = None
        self._streams: dict[_Kind, int] = {}
        try:
            self._open(opening)
        except RecordingError as error:
            self._error = error.message

    def _open(self, opening: dict[str, Any]) -> None:
        folder, stem, stream = Path(opening["folder"]), opening["stem"], opening["stream"]
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RecordingError(f"{folder} cannot be made: {error}") from error
        writer = _new_writer(folder, stem, {HEADER: opening["header"]})
        self._streams[_Kind.SAMPLES] = writer.add_signal(self._spec, format="float64", **stream)
        for kind, (name, type_) in _TEXT_STREAMS.items():
            source_id = f"{name}-{opening['header']['session']}"
            self._streams[kind] = writer.add_markers(name=name, source_id=source_id, type=type_)
        self._writer = writer

    def take(self, kind: _Kind, number: int, payload: bytes) -> None:
        """Keep what came until the next flush."""
        if kind is not _Kind.SAMPLES:
            texts, times = self._texts.setdefault(kind, ([], []))
            times.append(_TIME.unpack_from(payload)[0])
            texts.append(payload[_TIME.size :].decode())
            return
        n = len(payload) // self._row_bytes
        if number > self._next_number:
            self._lost += number - self._next_number
        self._next_number = number + n
        values = np.frombuffer(payload, np.float64)
        self._times.append(values[:n])
        self._rows.append(values[n:].reshape(n, self._spec.n_channels))

    def flush(self) -> None:
        """Write what waits; keep it where the disk does not take it now."""
        writer = self._writer
        if writer is None or writer.n_waiting > _MOST_WAITING_BYTES:
            self._lost += sum(len(times) for times in self._times)
            self._forget()
        if writer is None:
            return
        try:
            self._write(writer)
            to_disk = time.monotonic() >= self._to_disk_due
            if to_disk:
                self._to_disk_due = time.monotonic() + _TO_DISK_S
            writer.flush(to_disk=to_disk)
            self._error = ""
        except RecordingError as error:
            self._error = error.message

    def _write(self, writer: XdfWriter) -> None:
        """Give the writer all that waits; it has taken it even where it fails to write it."""
        times, rows, texts = self._times, self._rows, self._texts
        self._forget()
        if self._lost > self._noted_lost and times:
            note = {"recording": f"{self._lost - self._noted_lost} samples before this are lost"}
            lines, moments = texts.setdefault(_Kind.STATUS, ([], []))
            lines.append(json.dumps(note))
            moments.append(float(times[0][0]))
            self._noted_lost = self._lost
        if times:
            self._written += sum(len(one) for one in times)
            with contextlib.suppress(RecordingError):  # the flush that follows says it
                writer.write_samples(
                    self._streams[_Kind.SAMPLES], np.concatenate(rows), np.concatenate(times)
                )
        for kind, (lines, moments) in texts.items():
            with contextlib.suppress(RecordingError):
                writer.write_texts(self._streams[kind], lines, moments)

    def _forget(self) -> None:
        self._times, self._rows, self._texts = [], [], {}

    def close(self) -> None:
        self.flush()
        if self._writer is not None:
            with contextlib.suppress(RecordingError):
                self._writer.close()

    def state(self) -> dict[str, Any]:
        return {
            "file": None if self._writer is None else self._writer.path.name,
            "samples": self._written,
            "bytes": 0 if self._writer is None else self._writer.n_bytes,
            "lost": self._lost,
            "error": self._error,
        }


def _new_writer(folder: Path, stem: str, header: Mapping[str, Any]) -> XdfWriter:
    """Make the first of ``stem``, ``stem-2``, ... that no recording has.

    Another recorder may take a name after a look at it: only making the file tells.
    """
    count = 1
    while True:
        name = stem if count == 1 else f"{stem}-{count}"
        try:
            return XdfWriter(folder / f"{name}.xdf", header=header)
        except RecordingExistsError:
            count += 1


def run_recorder(sock: socket.socket) -> None:
    """Record what comes over ``sock`` until its other end is closed."""
    pending = bytearray()
    file: _File | None = None
    said: dict[str, Any] = {}
    due = time.monotonic() + _FLUSH_S
    while True:
        ready, _, _ = select.select([sock], [], [], max(0.0, due - time.monotonic()))
        data = _receive(sock) if ready else None
        if data:
            pending += data
            file = _take_frames(pending, file)
        if file is not None and (data == b"" or time.monotonic() >= due):
            file.flush()
            if file.state() != said and data != b"":
                said = file.state()
                with contextlib.suppress(OSError):
                    sock.sendall(json.dumps(said).encode() + b"\n")
        if data == b"":
            break
        if time.monotonic() >= due:
            due = time.monotonic() + _FLUSH_S
    if file is not None:
        file.close()


def _receive(sock: socket.socket) -> bytes:
    try:
        return sock.recv(1 << 18)
    except OSError:
        return b""  # a worker that was killed resets the connection


def _take_frames(pending: bytearray, file: _File | None) -> _File | None:
    """Take the frames that are complete."""
    start = 0
    while len(pending) - start >= _HEADER.size:
        kind, length, number = _HEADER.unpack_from(pending, start)
        end = start + _HEADER.size + length
        if len(pending) < end:
            break
        payload = bytes(pending[start + _HEADER.size : end])
        if kind == _Kind.OPEN:
            file = _File(json.loads(payload))
        elif file is not None:
            file.take(_Kind(kind), number, payload)
        start = end
    del pending[:start]
    return file


def main() -> None:
    """Be the process of a recorder."""
    # It ends when the worker's end of the socket is closed, and by nothing else: a signal to the
    # whole group must not take the last samples from the file.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    if sys.platform == "win32":
        sock = socket.fromshare(sys.stdin.buffer.read())
    else:
        sock = socket.socket(fileno=int(sys.argv[1]))
        os.nice(5)
    with sock:
        run_recorder(sock)


if __name__ == "__main__":
    main()
