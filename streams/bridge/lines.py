"""Sources that send numbers as text, a sample a line: a serial port, or UDP datagrams.

Numbers stand apart by commas, semicolons, tabs or spaces. A line that holds something else, or
another number of numbers, is counted and left out; the first few of a connection, which may have
begun in the middle of one, are not held against it. One column may count the samples (modulo what
it is said to be), which tells what did not arrive.
"""

from __future__ import annotations

import re
import socket
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from volition.chunk import SignalSpec
from volition.errors import ConfigError, StreamError
from volition.streams.bridge.source import Came, needed_module

_WAIT_S = 0.05
_MOST_LINE_BYTES = 1 << 16
#: More wrong lines in a row than this say that the source is not what it is said to be.
_MOST_WRONG = 100
_APART = re.compile(r"[,;\s]+")


@dataclass(frozen=True, slots=True)
class LineFormat:
    """What a line holds.

    Attributes
    ----------
    rate_hz
        Samples a second.
    labels, units, kind
        The channels, in the order of the columns without the counter.
    counter_column
        Column, counted from 0, that counts samples; None where none does.
    counter_modulus
        After one less than this it begins at 0 again.
    scale
        What a number is multiplied by to be in the units.
    """

    rate_hz: float
    labels: tuple[str, ...]
    units: str = "microvolts"
    kind: str = "EEG"
    counter_column: int | None = None
    counter_modulus: int = 256
    scale: float = 1.0

    def spec(self) -> SignalSpec:
        """Give the signal.

        Raises
        ------
        ConfigError
            It is none: no channels, one twice, or a counter outside the line.
        """
        n_channels = len(self.labels)
        if not n_channels or len(set(self.labels)) != n_channels:
            raise ConfigError(f"labels are needed, each once; found {', '.join(self.labels)!r}")
        if self.rate_hz <= 0:
            raise ConfigError(f"the rate is above 0 Hz, found {self.rate_hz:g}")
        if self.counter_column is not None and not 0 <= self.counter_column <= n_channels:
            raise ConfigError(
                f"a line of {n_channels} channels and a counter has columns 0 to {n_channels}, "
                f"found {self.counter_column}"
            )
        units, kinds = (self.units,) * n_channels, (self.kind,) * n_channels
        return SignalSpec(self.rate_hz, self.labels, units, kinds)


class LineReader:
    """Makes samples of bytes, however they are cut."""

    def __init__(self, form: LineFormat) -> None:
        self._form = form
        self._n_numbers = len(form.labels) + (form.counter_column is not None)
        self._rest = b""
        self._counter: int | None = None
        self._wrong_in_a_row = 0
        self.wrong = 0

    def take(self, content: bytes) -> Came:
        """Give the samples whose lines are complete by now.

        Raises
        ------
        StreamError
            Line after line is wrong.
        """
        *lines, self._rest = (self._rest + content).split(b"\n")
        if len(self._rest) > _MOST_LINE_BYTES:
            raise StreamError(f"no line ends within {_MOST_LINE_BYTES} bytes")
        rows, lost = [], 0
        for line in lines:
            if line.strip():
                row, missing = self._row(line)
                rows += [row] if row is not None else []
                lost += missing
        samples = np.array(rows, dtype=np.float64).reshape(-1, len(self._form.labels))
        return Came(samples * self._form.scale, lost)

    def _row(self, line: bytes) -> tuple[list[float] | None, int]:
        text = line.decode("ascii", "replace").strip()
        try:
            numbers = [float(one) for one in _APART.split(text) if one]
        except ValueError:
            numbers = []
        if len(numbers) != self._n_numbers:
            self.wrong += 1
            self._wrong_in_a_row += 1
            if self._wrong_in_a_row > _MOST_WRONG:
                raise StreamError(
                    f"{self._wrong_in_a_row} lines in a row do not hold {self._n_numbers} numbers; "
                    f"the last was {text[:60]!r}"
                )
            return None, 0
        self._wrong_in_a_row = 0
        missing = 0
        if self._form.counter_column is not None:
            missing = self._missing(numbers.pop(self._form.counter_column))
        return numbers, missing

    def _missing(self, counter: float) -> int:
        last, self._counter = self._counter, int(counter) if np.isfinite(counter) else None
        if last is None or self._counter is None:
            return 0
        return (self._counter - last - 1) % self._form.counter_modulus


class _LineSource(ABC):
    """What a serial port and datagrams share."""

    def __init__(self, form: LineFormat) -> None:
        self._form = form
        self._spec = form.spec()
        self._reader = LineReader(form)

    @property
    @abstractmethod
    def name(self) -> str: ...

    @property
    def source_id(self) -> str:
        return self.name

    @abstractmethod
    def _begin(self) -> None:
        """Make ready to receive."""

    @abstractmethod
    def _receive(self) -> bytes:
        """Give what came, after a short wait; nothing where nothing did."""

    @abstractmethod
    def close(self) -> None: ...

    def open(self) -> SignalSpec:
        self._reader = LineReader(self._form)
        try:
            self._begin()
        except OSError as error:
            why = error.strerror or str(error)
            raise StreamError(f"{self.name} cannot be opened: {why}") from None
        return self._spec

    def read(self) -> Came:
        try:
            content = self._receive()
        except OSError as error:
            raise StreamError(f"{self.name} is lost: {error.strerror or error}") from None
        return self._reader.take(content)


class SerialSource(_LineSource):
    """Lines of a serial port (the extra ``serial``).

    Parameters
    ----------
    port, baud
        Its path or name, and bits a second.
    form
        What a line holds.
    """

    def __init__(self, port: str, baud: int, form: LineFormat) -> None:
        super().__init__(form)
        self._path, self._baud = port, baud
        self._serial: Any = needed_module("serial", extra="serial")
        self._port: Any = None

    @property
    def name(self) -> str:
        return f"serial-{self._path.rpartition('/')[2]}"

    def _begin(self) -> None:
        self._port = self._serial.Serial(self._path, self._baud, timeout=_WAIT_S)

    def _receive(self) -> bytes:
        first: bytes = self._port.read(1)
        return first + bytes(self._port.read(self._port.in_waiting)) if first else b""

    def close(self) -> None:
        if self._port is not None:
            self._port.close()
            self._port = None


class UdpSource(_LineSource):
    """Lines in UDP datagrams, one or several in each; an end of line is added where none is.

    Parameters
    ----------
    host, port
        Where to listen.
    form
        What a line holds.
    """

    def __init__(self, host: str, port: int, form: LineFormat) -> None:
        super().__init__(form)
        self._at = (host, port)
        self._socket: socket.socket | None = None

    @property
    def name(self) -> str:
        return f"udp-{self._at[1]}"

    def _begin(self) -> None:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            made.bind(self._at)
        except OSError:
            made.close()
            raise
        made.settimeout(_WAIT_S)
        self._socket = made

    def _receive(self) -> bytes:
        assert self._socket is not None
        try:
            content = self._socket.recv(1 << 16)
        except TimeoutError:
            return b""
        return content if content.endswith(b"\n") else content + b"\n"

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
