"""Read XDF 1.0 files through pyxdf, as far as they are sound.

The reader walks the chunks before pyxdf sees them and leaves out those that are damaged or cut
off: pyxdf pads a sample that is cut off with what lies in its buffer, and believes any count of
samples that it reads.
"""

from __future__ import annotations

import io
import logging
import re
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import numpy.typing as npt

from volition.errors import RecordingError
from volition.streams.files.xdf_format import (
    BOUNDARY,
    BOUNDARY_MARK,
    CLOCK_OFFSET,
    FILE_HEADER,
    MAGIC,
    SAMPLES,
    STREAM_FOOTER,
    STREAM_HEADER,
    VALUE_BYTES,
    decoded_length,
)


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
        Properties of each channel, empty where the file names none.
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
    if not data.startswith(MAGIC):
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


_NO_MARKUP = re.compile(rb"<!--.*?-->|<!\[CDATA\[.*?\]\]>", re.DOTALL)


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
        data, kept, position = self._data, [MAGIC], len(MAGIC)
        while position < len(data):
            end = self._sound_end(position)
            if end is not None:
                kept.append(data[position:end])
                position = end
                continue
            mark = data.find(BOUNDARY_MARK, position)
            if mark < 0:
                self.warnings.append(
                    f"the last {len(data) - position} bytes are damaged or cut off"
                )
                break
            after = mark + len(BOUNDARY_MARK)
            self.warnings.append(f"{after - position} bytes from byte {position} on are damaged")
            position = after
        unfinished = len(self._formats.keys() - self._footers)
        if unfinished:
            self.warnings.append(
                f"{unfinished} of {len(self._formats)} streams have no footer: the recording was "
                "not closed"
            )
        return b"".join(kept)

    def _sound_end(self, position: int) -> int | None:
        """Give where the chunk ends, or None when it cannot be one."""
        length = decoded_length(self._data, position)
        if length is None:
            return None
        n_bytes, start = length
        end = start + n_bytes
        if n_bytes < 2 or end > len(self._data):
            return None
        tag = int.from_bytes(self._data[start : start + 2], "little")
        content = start + 2
        if tag == FILE_HEADER:
            sound = self._xml(content, end) is not None
        elif tag == BOUNDARY:
            sound = self._data[content:end] == BOUNDARY_MARK
        elif tag in (STREAM_HEADER, SAMPLES, CLOCK_OFFSET, STREAM_FOOTER):
            sound = end - content >= 4 and self._is_sound_of_stream(tag, content, end)
        else:
            sound = True  # a kind from a later version, which readers skip
        return end if sound else None

    def _is_sound_of_stream(self, tag: int, content: int, end: int) -> bool:
        number = int.from_bytes(self._data[content : content + 4], "little")
        content += 4
        if tag == STREAM_HEADER:
            return self._note_header(number, self._xml(content, end))
        if number not in self._formats:
            return False
        if tag == CLOCK_OFFSET:
            return end - content == 16
        if tag == STREAM_FOOTER:
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
        if n_channels < 1 or not (channel_format == "string" or channel_format in VALUE_BYTES):
            return False
        self._formats[number] = (n_channels, VALUE_BYTES.get(channel_format, 0))
        return True

    def _are_sound_samples(self, number: int, content: int, end: int) -> bool:
        counted = decoded_length(self._data, content)
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
                text = decoded_length(self._data, position)
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
        # Comments and sections of plain text are no declarations.
        if b"<!" in _NO_MARKUP.sub(b"", raw):
            return None
        try:
            return ET.fromstring(raw.decode("utf-8", "replace"))  # noqa: S314 - as said above
        except ET.ParseError:
            return None
