"""Where the stop words of a service lie, and how others on this host find them.

A service takes a folder of its own below the user's data, named after the port that it was told to
listen on; it keeps a lock on it while it lives, which the system lets go however it ends. The same
service, started again, takes the same folder and finds its words. ``service.json`` says where it
listens, for `volition estop`.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from volition.service.sessions.folders import data_folder
from volition.service.sessions.stop_word import StopWord

_SERVICE = "service.json"
#: Services that may share a user's data and a port, as those that take any free one do.
_MOST_SERVICES = 1000


class StopFolder:
    """The words of one service.

    Parameters
    ----------
    path
        The folder; made when it is not there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: IO[bytes] | None = None
        self._is_temporary = False

    @classmethod
    def of_service(cls, port: int) -> StopFolder:
        """Take the folder of the service that is told to listen on ``port``.

        Where the user's data cannot be written, it is one that ends with this process.
        """
        try:
            return cls._free(port)
        except OSError:
            return cls.temporary()

    @classmethod
    def _free(cls, port: int) -> StopFolder:
        for number in range(_MOST_SERVICES):
            name = f"{port}-{number}" if number else str(port)
            folder = cls(stops_folder() / name)
            if folder._take():
                folder._forget_what_holds_nothing()
                return folder
        raise OSError(f"more than {_MOST_SERVICES} services use {stops_folder()}")

    @classmethod
    def temporary(cls) -> StopFolder:
        """Make a folder that ends with this process, for a service whose data cannot be written."""
        folder = cls(Path(tempfile.mkdtemp(prefix="volition-stops-")))
        folder._is_temporary = True
        return folder

    def _take(self) -> bool:
        """Lock the folder; give whether no living process has it."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (self.path / "lock").open("ab")
        try:
            _lock(lock)
        except OSError:
            lock.close()
            return False
        self._lock = lock
        return True

    def tell(self, port: int, pid: int) -> None:
        """Say where the service listens, for others on this host."""
        text = json.dumps({"port": port, "pid": pid})
        (self.path / _SERVICE).write_text(text, "utf-8")

    @property
    def port(self) -> int | None:
        """Where the service listens, or listened last."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            return int(json.loads((self.path / _SERVICE).read_text("utf-8"))["port"])
        return None

    def word(self, session: str) -> StopWord:
        """Open the word of a session; make it if there is none."""
        return StopWord.make(self._path_of(session), session)

    def forget(self, session: str) -> None:
        """Remove the word of a session that is no more."""
        with contextlib.suppress(OSError):  # a system may keep what another process has open
            self._path_of(session).unlink(missing_ok=True)

    def words(self) -> Iterator[StopWord]:
        """Open every word that there is; what is no word is passed over."""
        for path in sorted(self.path.glob("*.stop")):
            with contextlib.suppress(OSError, ValueError):
                yield StopWord.open(path)

    def _forget_what_holds_nothing(self) -> None:
        for word in self.words():
            if not word.held:
                self.forget(word.session)

    def close(self) -> None:
        """Let the folder go; its words stay."""
        if self._lock is not None:
            self._lock.close()
        if self._is_temporary:
            shutil.rmtree(self.path, ignore_errors=True)

    def _path_of(self, session: str) -> Path:
        # By its hash: no system's rules for names of files concern it.
        return self.path / f"{hashlib.sha256(session.encode()).hexdigest()[:32]}.stop"


def stops_folder() -> Path:
    """Give the folder that holds the folders of this user's services."""
    return data_folder() / "stops"


def words_at(port: int) -> list[StopWord]:
    """Give the words of the services of this user that listen, or listened last, on a port."""
    folders = [StopFolder(path) for path in sorted(stops_folder().glob("*")) if path.is_dir()]
    return [word for folder in folders if folder.port == port for word in folder.words()]


def _lock(file: IO[bytes]) -> None:
    """Lock a file until it is closed; raise `OSError` when another process has locked it."""
    if sys.platform == "win32":
        import msvcrt

        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
