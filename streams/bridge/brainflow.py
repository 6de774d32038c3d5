"""Boards that BrainFlow knows (the extra ``brainflow``), as sources.

BrainFlow names a board's channels and their rate, and gives EEG in microvolts. Its own times are of
the day and are not used: samples are stamped by count. What did not arrive is told by the number of
each package, where those count from 0 to 255, one by one: that is believed once it was seen.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from volition.chunk import FloatArray, SignalSpec
from volition.errors import ConfigError, StreamError
from volition.streams.bridge.source import Came, needed_module

_READ_S = 0.02
_BUFFER_SAMPLES = 45_000
_MODULUS = 256

SignalKind = Literal["EEG", "EMG", "ECG", "EOG"]


def board_ids() -> dict[str, int]:
    """Give BrainFlow's boards by the names that a person says: ``cyton``, ``muse-2``."""
    ids = _shim().BoardIds
    return {
        name.removesuffix("_BOARD").lower().replace("_", "-"): int(one.value)
        for name, one in ids.__members__.items()
        if name != "NO_BOARD"
    }


def _shim() -> Any:
    """Import BrainFlow's boards."""
    shim: Any = needed_module("brainflow.board_shim", extra="brainflow")
    # It asks for the folder of its libraries by the name of this module. Python 3.11 gives that for
    # packages alone, and what BrainFlow then falls back on is no part of setuptools any more.
    if shim.__spec__.submodule_search_locations is None:
        shim.__spec__.submodule_search_locations = [str(Path(shim.__file__).parent)]
    return shim


@dataclass(frozen=True, slots=True)
class BoardOptions:
    """Which board, and how it is reached.

    Attributes
    ----------
    board
        Its name, as `board_ids` gives it, or BrainFlow's number.
    signal
        Which of its channels.
    parameters
        BrainFlow's own: ``serial_port``, ``mac_address``, ``ip_address``, ``ip_port``, ``file``,
        ``master_board``, ``serial_number``, ``other_info``, ``timeout``.
    commands
        Sent to the board before it streams, such as ``"x1060110X"`` for a Cyton.
    """

    board: str
    signal: SignalKind = "EEG"
    parameters: dict[str, Any] = field(default_factory=dict)
    commands: tuple[str, ...] = ()


class BrainFlowSource:
    """One board.

    Raises
    ------
    ConfigError
        BrainFlow is not installed, or knows no such board.
    """

    def __init__(self, options: BoardOptions) -> None:
        self._options = options
        self._shim = _shim()
        self._shim.BoardShim.disable_board_logger()
        self._id = board_number(options.board)
        self._description = self._describe()
        self._board: Any = None
        self._losses = PackageCount()

    @property
    def name(self) -> str:
        return str(self._description["name"])

    @property
    def source_id(self) -> str:
        parameters = self._options.parameters
        keys = ("serial_number", "mac_address", "serial_port", "ip_address", "file")
        which = next((str(parameters[key]) for key in keys if parameters.get(key)), "")
        return "-".join(filter(None, ("brainflow", self.name.lower(), which)))

    def open(self) -> SignalSpec:
        shim = self._shim
        parameters = shim.BrainFlowInputParams()
        for key, value in self._options.parameters.items():
            setattr(parameters, key, value)
        spec = self._spec()
        try:
            self._board = shim.BoardShim(self._id, parameters)
            self._board.prepare_session()
            for command in self._options.commands:
                self._board.config_board(command)
            self._board.start_stream(_BUFFER_SAMPLES)
        except shim.BrainFlowError as error:
            raise StreamError(f"{self.name} cannot be opened: {error}") from None
        self._losses = PackageCount()
        return spec

    def read(self) -> Came:
        time.sleep(_READ_S)
        try:
            rows = self._board.get_board_data()
        except self._shim.BrainFlowError as error:
            raise StreamError(f"{self.name} is lost: {error}") from None
        number = self._description.get("package_num_channel")
        lost = 0 if number is None else self._losses.lost_before(rows[number])
        return Came(np.ascontiguousarray(rows[self._rows].T, dtype=np.float64), lost)

    def close(self) -> None:
        board, self._board = self._board, None
        if board is None:
            return
        for step in (board.stop_stream, board.release_session):
            try:
                step()
            except self._shim.BrainFlowError:
                continue  # it was never begun, or is gone

    def _describe(self) -> dict[str, Any]:
        """Ask what the board is; a recording's or a relay's is that of its master."""
        master = self._options.parameters.get("master_board")
        try:
            found: dict[str, Any] = self._shim.BoardShim.get_board_descr(
                self._id if master is None else int(master)
            )
        except self._shim.BrainFlowError as error:
            raise ConfigError(
                f"BrainFlow cannot say what {self._options.board} is: {error}"
            ) from None
        return found

    @property
    def _rows(self) -> list[int]:
        signal = self._options.signal
        rows: list[int] = self._description.get(f"{signal.lower()}_channels") or []
        if not rows:
            raise ConfigError(f"the board {self.name} has no channels of kind {signal}")
        return rows

    def _spec(self) -> SignalSpec:
        n_channels, signal = len(self._rows), self._options.signal
        named = str(self._description.get("eeg_names", "")).split(",") if signal == "EEG" else []
        labels = named if len(named) == n_channels else _numbered(n_channels)
        rate_hz = float(self._description["sampling_rate"])
        return SignalSpec(
            rate_hz, tuple(labels), ("microvolts",) * n_channels, (signal,) * n_channels
        )


def board_number(board: str) -> int:
    """Give BrainFlow's number of a board, by its name or that number.

    Raises
    ------
    ConfigError
        There is no such board, or BrainFlow is not installed.
    """
    known = board_ids()
    if board in known:
        return known[board]
    if board.lstrip("-").isdigit() and int(board) in known.values():
        return int(board)
    raise ConfigError(f"BrainFlow knows no board {board!r}; it knows: {', '.join(known)}")


def _numbered(n_channels: int) -> list[str]:
    return [str(number + 1) for number in range(n_channels)]


class PackageCount:
    """How many packages did not arrive, by the numbers of those that did.

    Boards count differently: up to 200 or 255, one by one or with each number twice. The numbers
    are believed from the first step from 255 to 0 on, if every step before it was of one.
    """

    def __init__(self) -> None:
        self._last: int | None = None
        self._is_believed: bool | None = None

    def lost_before(self, numbers: FloatArray) -> int:
        """Give how many are missing between the last numbers and the end of these."""
        lost = 0
        for number in numbers.astype(int).tolist():
            if self._last is not None:
                lost += self._missing(self._last, number)
            self._last = number
        return lost

    def _missing(self, last: int, number: int) -> int:
        if self._is_believed is None:
            if (last, number) == (_MODULUS - 1, 0):
                self._is_believed = True
            elif number != last + 1:
                self._is_believed = False
        return (number - last - 1) % _MODULUS if self._is_believed else 0
