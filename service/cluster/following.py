"""The records of a cluster as this process has seen them last: to look at, never to decide by."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

import structlog
from pydantic import BaseModel, ValidationError

from volition.service.cluster.engine import Engine
from volition.service.cluster.records import HoldRecord, NodeRecord, SessionRecord
from volition.service.cluster.subjects import session_in

log = structlog.get_logger()

R = TypeVar("R", bound=BaseModel)


class Seen(NamedTuple, Generic[R]):
    """A record, its revision, and when it was first seen so, by this process's monotonic clock."""

    record: R
    revision: int
    at: float


class Following:
    """Nodes, sessions and stops by their names.

    Parameters
    ----------
    engine
        Where the records are.
    on_change
        Is told the kind (``node``, ``session``, ``hold``) and the name of what changed.
    """

    def __init__(self, engine: Engine, on_change: Callable[[str, str], None]) -> None:
        self._engine = engine
        self._on_change = on_change
        self.nodes: dict[str, Seen[NodeRecord]] = {}
        self.sessions: dict[str, Seen[SessionRecord]] = {}
        self.holds: dict[str, Seen[HoldRecord]] = {}
        self._newest: dict[str, int] = {}

    async def follow(self) -> None:
        """Follow the records, for ever."""
        await self._engine.follow(self._take)

    def _take(self, key: str, value: bytes | None, revision: int) -> None:
        if revision <= self._newest.get(key, 0):
            return
        self._newest[key] = revision
        kind, _, name = key.partition(".")
        try:
            if kind == "node":
                _put(self.nodes, name, NodeRecord, value, revision)
            elif kind == "session":
                _put(self.sessions, session_in(key), SessionRecord, value, revision)
            elif kind == "hold":
                _put(self.holds, session_in(key), HoldRecord, value, revision)
        except ValidationError as error:
            log.error("a record cannot be read", key=key, reason=str(error)[:300])
            return
        self._on_change(kind, name if kind == "node" else session_in(key))


def _put(
    into: dict[str, Seen[R]], name: str, of: type[R], value: bytes | None, revision: int
) -> None:
    if value is None:
        into.pop(name, None)
    else:
        into[name] = Seen(of.model_validate_json(value), revision, time.monotonic())
