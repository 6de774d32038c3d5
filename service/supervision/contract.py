"""What a gateway asks of whoever runs its sessions, on this host or on others.

`volition.service.supervision.supervisor.Supervisor` runs them below this process, and
`volition.service.cluster.sessions.ClusterSessions` shows those that nodes run on any host.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from volition.service.sessions.config import SessionConfig
from volition.service.supervision.session import Session
from volition.service.supervision.stopping import StopAnswer


class Sessions(Protocol):
    """All sessions that a gateway serves."""

    @property
    def sessions(self) -> Mapping[str, Session]:
        """The sessions by their ids, ended ones among them until they are deleted."""

    def get(self, id_: str) -> Session:
        """Give a session by its id; raises `KeyError`."""

    async def create(self, config: SessionConfig) -> Session:
        """Make a session and start it; raises `SessionError` where that cannot be."""

    async def stop(self, session: Session, reason: str = "asked to stop") -> None:
        """Stop a session; return when its worker is gone. Stopping again does nothing."""

    async def delete(self, session: Session) -> None:
        """Stop a session and forget it."""

    async def press(self, session: Session, by: str, where: str) -> StopAnswer:
        """Press the emergency stop; return when nothing but neutral intents leaves the session.

        Raises
        ------
        StopError
            That is not known. The stop stays set.
        """

    async def release(self, session: Session, order: int, by: str, where: str) -> bool:
        """Let outputs go on, unless the stop was pressed again; give whether it is stored."""

    async def restore(self) -> None:
        """Start what is to run from the beginning."""

    def prepare_spare(self) -> None:
        """Prepare for the next session."""

    async def watch(self) -> None:
        """Watch the sessions, for ever."""

    async def close(self) -> None:
        """End what this process runs."""
