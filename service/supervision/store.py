"""Sessions that are restarted when the service starts again.

While the service runs with ``--restore``, one file holds the live sessions: configuration, worker
generation, number of the last intent, and whether the emergency stop holds. It is written whole and
replaces the former at once. After a service was killed, numbering continues `LEAP` further on: the
file may lack the numbers of the last second, and none may be used twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from volition.errors import ConfigError
from volition.service.sessions.config import AnyDecoderSettings, SessionConfig
from volition.service.supervision.hub import new_life

#: More intents than a session can number between two writings of the file.
LEAP = 100_000


class StoredSession(BaseModel):
    """What is stored of one session."""

    model_config = ConfigDict(extra="forbid")

    id: str
    life: str = Field(default_factory=new_life)  # a file of an earlier version has none
    config: SessionConfig
    epoch: int
    last_seq: int
    held: bool
    earlier_decoders: list[AnyDecoderSettings] = Field(default_factory=list)


class _Content(BaseModel):
    model_config = ConfigDict(extra="forbid")

    ended_well: bool
    sessions: list[StoredSession]


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

    Raises
    ------
    ConfigError
        The file does not hold what was written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._written = ""
        self.former = self._read()

    def _read(self) -> list[StoredSession]:
        try:
            content = _Content.model_validate_json(self._path.read_text("utf-8"))
        except FileNotFoundError:
            return []
        except (OSError, ValidationError) as error:
            raise ConfigError(
                f"{self._path} does not hold sessions to restore ({type(error).__name__}); mend "
                "it, remove it, or start without --restore"
            ) from error
        if not content.ended_well:
            for session in content.sessions:
                session.last_seq += LEAP
        return content.sessions

    def write(self, sessions: Sequence[StoredSession], *, ended_well: bool = False) -> None:
        """Store these sessions and no others; do nothing when nothing changed."""
        text = _Content(ended_well=ended_well, sessions=list(sessions)).model_dump_json()
        if text == self._written:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        new = self._path.with_suffix(".new")
        new.write_text(text, "utf-8")
        new.replace(self._path)
        self._written = text
