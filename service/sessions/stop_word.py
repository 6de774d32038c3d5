"""The emergency stop of a session as one word in memory that several processes share.

    gateway ──press──> ┌──────────────┐ <──reads before each output── worker
    volition estop ──> │ a mapped file│ ──what it has obeyed──> gateway, volition estop
                       └──────────────┘

A press writes an order: a number above every one before. The session is held while the newest order
is above the newest one that was released, so that no press is lost to a release that did not know
of it. A worker reads the word before each thing that leaves it, and writes back the newest order
that it has obeyed: from then on nothing but neutral intents leaves it. Nobody waits for anybody,
and nothing is locked: a process that hangs holds up no stop.

The file is the memory too: a worker, or a service, finds the word as it was, whoever was killed
meanwhile. `StopWord.remember` writes it through to the disk. Its bytes are there from the
beginning, so that a full disk cannot refuse a stop.
"""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import sys
import tempfile
import time
import weakref
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

_SIZE_BYTES = 4096
_KIND = b"volstop1"
#: Places of the numbers behind it.
_PRESSED, _RELEASED, _OBEYED, _READER, _READER_PID, _READS_SINCE, _AT_REST = range(1, 8)
_TEXT_BYTES = 1024
_PRESS_AT, _RELEASE_AT, _SESSION_AT = 1024, 2048, 3072
_MOST_CHARS = 64


@dataclass(frozen=True, slots=True)
class Deed:
    """One press of the stop, or its release.

    Attributes
    ----------
    order
        Number of the press, or of the newest press that was released.
    by
        Who: the name of a token or of a user.
    where
        From where, in words.
    utc
        When, seconds since 1970.
    """

    order: int
    by: str
    where: str
    utc: float


class StopWord:
    """The word of one session.

    Parameters
    ----------
    memory
        The mapped bytes, `_SIZE_BYTES` of them.
    path, file
        The file behind them; None for memory that nobody shares.
    """

    def __init__(
        self, memory: mmap.mmap, path: Path | None = None, file: IO[bytes] | None = None
    ) -> None:
        self.path = path
        self._was_let_go = False
        self._use(memory, file)

    def _use(self, memory: mmap.mmap, file: IO[bytes] | None) -> None:
        self._memory = memory
        self._file = file  # kept: a service without a file to spare remembers a stop all the same
        if file is not None:
            weakref.finalize(self, file.close)
        # Aligned numbers are read and written whole.
        self._numbers = memoryview(memory).cast("Q")

    @classmethod
    def in_memory(cls) -> StopWord:
        """Make a word that only this process knows."""
        return cls(mmap.mmap(-1, _SIZE_BYTES))

    @classmethod
    def make(cls, path: Path, session: str) -> StopWord:
        """Open the word of a session, as it was left, for workers to come; make it if need be.

        One that is no word any more is held: what it said is unknown.
        """
        if not path.exists():
            _write_whole(path, _blank(session))
        try:
            word = cls.open(path)
        except ValueError:
            _write_whole(path, _blank(session))
            word = cls.open(path)
            word.press("the service", f"{path.name} could not be read")
            word.remember()
        word.read_as(0, 0)
        return word

    @classmethod
    def open(cls, path: Path) -> StopWord:
        """Open the word that a file holds.

        Raises
        ------
        OSError
            The file cannot be opened.
        ValueError
            It holds no word.
        """
        with contextlib.ExitStack() as opened:
            file = opened.enter_context(path.open("r+b", buffering=0))
            memory = mmap.mmap(file.fileno(), _SIZE_BYTES)
            if memory[:8] != _KIND:
                raise ValueError(f"{path} is no stop word")
            opened.pop_all()
        return cls(memory, path, file)

    def let_go(self) -> None:
        """Keep no file open, for a session that has ended: a press or a release opens it again."""
        if self._file is None:
            return
        kept, memory, numbers = mmap.mmap(-1, _SIZE_BYTES), self._memory, self._numbers
        kept[:] = memory[:]
        self._file.close()
        self._use(kept, None)
        numbers.release()
        memory.close()
        self._was_let_go = True

    def _take_up(self) -> None:
        """Open the file again, if it was let go and is there; a press never fails for it."""
        if self._was_let_go and self.path is not None:
            with contextlib.suppress(OSError, ValueError):
                file = self.path.open("r+b", buffering=0)
                self._use(mmap.mmap(file.fileno(), _SIZE_BYTES), file)
                self._was_let_go = False

    @property
    def held(self) -> bool:
        """Whether the stop holds all outputs."""
        numbers = self._numbers
        return numbers[_PRESSED] > numbers[_RELEASED]

    @property
    def order(self) -> int:
        """Number of the newest press; 0 before the first."""
        return self._numbers[_PRESSED]

    @property
    def released(self) -> int:
        """Number of the newest press that was released."""
        return self._numbers[_RELEASED]

    @property
    def obeyed(self) -> int:
        """Number of the newest press that the worker has obeyed."""
        return self._numbers[_OBEYED]

    @property
    def session(self) -> str:
        """Id of the session; empty where none was given."""
        return str(self._read_text(_SESSION_AT).get("session", ""))

    @property
    def press_deed(self) -> Deed | None:
        """The newest press; None before the first, or while its words are being written."""
        return self._deed(_PRESS_AT, self.order)

    @property
    def release_deed(self) -> Deed | None:
        """The newest release; None before the first, or while its words are being written."""
        return self._deed(_RELEASE_AT, self.released)

    def press(self, by: str, where: str) -> int:
        """Hold all outputs from now on; give the number of the order."""
        self._take_up()
        while True:
            # From the clock: two who press at once have two numbers.
            order = max(self.order + 1, time.time_ns() // 1000)
            self._write_text(_PRESS_AT, _deed_dict(order, by, where))
            self._numbers[_PRESSED] = order
            if self.held:
                return order

    def release(self, order: int, by: str, where: str) -> bool:
        """Release every press up to ``order``; give whether nothing holds any more."""
        self._take_up()
        if order > self.released:
            self._write_text(_RELEASE_AT, _deed_dict(order, by, where))
            self._numbers[_RELEASED] = order
        return not self.held

    def merge(self, pressed: Deed | None, released: Deed | None) -> None:
        """Take over a press and a release from another word of the same session, if newer."""
        if pressed is not None and pressed.order > self.order:
            self._write_text(_PRESS_AT, asdict(pressed))
            self._numbers[_PRESSED] = pressed.order
        if released is not None and released.order > self.released:
            self._write_text(_RELEASE_AT, asdict(released))
            self._numbers[_RELEASED] = released.order

    def remember(self) -> None:
        """Write the word through to the disk; it may wait for that, and needs no more room."""
        if self._file is None:
            return
        if sys.platform == "linux":
            # Lets other threads run meanwhile, which `flush` does not; Linux writes what is mapped.
            os.fsync(self._file.fileno())
        else:
            self._memory.flush()

    # -- the worker's part --------------------------------------------------------------------

    @property
    def reader(self) -> int:
        """Generation of the worker that reads the word; 0 before the first."""
        return self._numbers[_READER]

    @property
    def reader_pid(self) -> int:
        """Process id of that worker."""
        return self._numbers[_READER_PID]

    @property
    def reads_since_utc(self) -> float:
        """When that process began to read it, seconds since 1970: it is older than that."""
        return self._numbers[_READS_SINCE] / 1e6

    @property
    def at_rest(self) -> bool:
        """Whether the worker is where nothing leaves it before it has read the word again."""
        return bool(self._numbers[_AT_REST])

    def read_as(self, generation: int, pid: int) -> None:
        """Say which worker reads the word from now on."""
        self._numbers[_AT_REST] = 0
        self._numbers[_READER_PID] = pid
        self._numbers[_READS_SINCE] = time.time_ns() // 1000
        self._numbers[_READER] = generation

    def obey(self, order: int) -> None:
        """Say that nothing but neutral intents leaves this worker while ``order`` holds."""
        self._numbers[_OBEYED] = order

    def rest(self, at_rest: bool) -> None:
        """Say whether nothing leaves this worker before it has read the word again."""
        self._numbers[_AT_REST] = at_rest

    # -- texts --------------------------------------------------------------------------------

    def _deed(self, at: int, order: int) -> Deed | None:
        text = self._read_text(at)
        if not order or text.get("order") != order:
            return None
        return Deed(order, str(text["by"]), str(text["where"]), float(text["utc"]))

    def _write_text(self, at: int, content: dict[str, Any]) -> None:
        self._memory[at : at + _TEXT_BYTES] = _text(content)

    def _read_text(self, at: int) -> dict[str, Any]:
        """Read a text; an empty one while another process writes it."""
        try:
            found = json.loads(self._memory[at : at + _TEXT_BYTES].rstrip(b"\0") or b"{}")
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}


def _deed_dict(order: int, by: str, where: str) -> dict[str, Any]:
    return asdict(Deed(order, _short(by), _short(where), time.time()))


def _short(text: str) -> str:
    """Give a text that has room in the word, whatever it holds."""
    return text[:_MOST_CHARS].encode("ascii", "replace").decode()


def _text(content: dict[str, Any]) -> bytes:
    return json.dumps(content).encode().ljust(_TEXT_BYTES, b"\0")


def _blank(session: str) -> bytes:
    return _KIND.ljust(_SESSION_AT, b"\0") + _text({"session": session})


def _write_whole(path: Path, content: bytes) -> None:
    """Put a file in its place, whole, and through to the disk."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, new = tempfile.mkstemp(dir=path.parent)  # mode 600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(new).replace(path)
    except OSError:
        Path(new).unlink(missing_ok=True)
        raise
    with contextlib.suppress(OSError):  # not every system opens a folder
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
