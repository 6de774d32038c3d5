"""Sessions that are restarted when the service starts again.

While the service runs with ``--restore``, one file holds the live sessions: configuration, worker
generation, number of the last intent, and whether the emergency stop holds. It is written whole and
replaces the former at once. After a service was killed, numbering continues `LEAP` further on: the
file may lack the numbers of the last second, and none may be used twice.

A damaged file gives way to the one before it, and a session that cannot be read (its decoder may be
gone) is set aside and told: the others start (`volition.service.sessions.state_file`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import structlog
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from volition.errors import ConfigError, VolitionError
from volition.service.sessions.config import AnyDecoderSettings, SessionConfig
from volition.service.sessions.state_file import StateFile
from volition.service.supervision.hub import new_life

log = structlog.get_logger()

#: More intents than a session can number between two writings of the file.
LEAP = 100_000


class StoredSession(BaseModel):
    """What is stored of one session."""

    model_config = ConfigDict(extra="ignore")  # a newer version may have written more

    id: str
    life: str = Field(default_factory=new_life)  # a file of an earlier version has none
    config: SessionConfig
    epoch: int
    last_seq: int
    held: bool
    #: Number of the newest press of the emergency stop, whose word is the memory of it.
    stop_order: int | None = None
    earlier_decoders: list[AnyDecoderSettings] = Field(default_factory=list)


class SessionStore:
    """The file of stored sessions.

    Parameters
    ----------
    path
        Where it is, or will be.

    Attributes
    ----------
    former
        The sessions to bring back.
    set_aside
        What was stored of a session that this service cannot read; it is kept in a file beside.

    Raises
    ------
    ConfigError
        The file is there and may not be read.
    """

    def __init__(self, path: Path) -> None:
        self._file = StateFile(path)
        self._written: dict[str, Any] | None = None
        self.former: list[StoredSession] = []
        self.set_aside: list[Any] = []
        try:
            content, is_newest = self._file.read()
        except OSError as error:
            raise ConfigError(f"{path} cannot be read: {error.strerror or error}") from None
        if content is not None:
            self._take(content, ended_well=is_newest and content.get("ended_well") is True)

    def _take(self, content: dict[str, Any], *, ended_well: bool) -> None:
        """Take each session for itself: one that cannot be read keeps no other from starting."""
        entries = content.get("sessions")
        for entry in entries if isinstance(entries, list) else ():
            try:
                session = StoredSession.model_validate(entry)
            except (ValidationError, VolitionError) as error:
                self.set_aside.append(entry)
                log.error(
                    "a stored session cannot be restored; it is set aside",
                    session=entry.get("id") if isinstance(entry, dict) else None,
                    reason=str(error)[:500],
                )
                continue
            if not ended_well:
                session.last_seq += LEAP
            self.former.append(session)
        if self.set_aside:
            self._keep_aside()

    def _keep_aside(self) -> None:
        beside = self._file.path.with_name(f"{self._file.path.name}.set-aside")
        try:
            with beside.open("a", encoding="utf-8") as file:
                file.writelines(json.dumps(entry) + "\n" for entry in self.set_aside)
        except OSError as error:
            log.error("what is set aside cannot be kept", file=str(beside), error=str(error))

    def write(self, sessions: Sequence[StoredSession], *, ended_well: bool = False) -> None:
        """Store these sessions and no others; do nothing when nothing changed."""
        content = {
            "ended_well": ended_well,
            "sessions": [session.model_dump(mode="json") for session in sessions],
        }
        if content != self._written:
            self._file.write(content)
            self._written = content
