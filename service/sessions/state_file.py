"""A small JSON file that outlives the service, and a power cut while it is written.

    {"version": 1, "sha256": "...", ... the content ...}

It is written whole beside, brought to the disk, and put in the former one's place, which is kept as
``NAME.before``; to remove the file is to forget both. A file that is not what was written (cut off,
empty, changed, not JSON) is put aside as ``NAME.broken`` and told; the former one is read in its
place. One of a newer version is read as far as it is understood: what its keys mean is up to who
reads them. Files of before there were a version and a sum are read too.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import structlog

log = structlog.get_logger()

VERSION = 1


class StateFile:
    """One such file.

    Parameters
    ----------
    path
        Where it is, or will be.
    mode
        Who may read it.
    """

    def __init__(self, path: Path, mode: int = 0o600) -> None:
        self.path = path
        self._mode = mode

    @property
    def before(self) -> Path:
        """The generation before."""
        return self.path.with_name(f"{self.path.name}.before")

    def read(self) -> tuple[dict[str, Any] | None, bool]:
        """Give the content, and whether it is that of the newest writing.

        None when there is no file, or none that can be read.

        Raises
        ------
        OSError
            A file is there and cannot be read: it may well be whole.
        """
        content, fault = _content_of(self.path)
        if not fault:
            return content, True
        log.error("a file of the service's state is damaged", file=str(self.path), fault=fault)
        with contextlib.suppress(OSError):
            self.path.replace(self.path.with_name(f"{self.path.name}.broken"))
        content, fault = _content_of(self.before)
        if content is not None:
            log.warning("the state before is used in its place", file=str(self.before))
        return content, False

    def write(self, content: dict[str, Any]) -> None:
        """Put new content in the old one's place, whole or not at all, power cut or not."""
        text = json.dumps({"version": VERSION, "sha256": _sum_of(content), **content})
        self.path.parent.mkdir(parents=True, exist_ok=True)
        new = self.path.with_name(f"{self.path.name}.new")
        descriptor = os.open(new, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, self._mode)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        self._keep_former()
        new.replace(self.path)

    def _keep_former(self) -> None:
        """Keep the former content beside, without a moment in which the file is not there."""
        with contextlib.suppress(FileNotFoundError):
            self.before.unlink(missing_ok=True)
            try:
                os.link(self.path, self.before)
            except FileNotFoundError:
                raise
            except OSError:  # a file system without links
                shutil.copyfile(self.path, self.before)


def _content_of(path: Path) -> tuple[dict[str, Any] | None, str]:
    """Give a file's content, or what is wrong with it; neither when it is not there."""
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None, ""
    except (ValueError, RecursionError) as error:
        return None, f"it is not JSON: {type(error).__name__}"
    if not isinstance(content, dict):
        return None, "it holds no object"
    version, known = content.pop("version", 0), content.pop("sha256", None)
    if not isinstance(version, int) or (version >= 1 and known != _sum_of(content)):
        return None, "it is not what was written"
    return content, ""


def _sum_of(content: dict[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
