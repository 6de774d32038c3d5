"""What the engine keeps of a cluster: who lives, who runs what, and what is held.

    node.NAME      a node's sign of life         changed by the node; by a candidate, to fence it
    session.ID     a session and its owner       changed by the owner; by a candidate, to take it
    hold.ID        the emergency stop of one     changed by whoever presses or releases it

A record changes only by compare-and-set: who changes it names the revision that it has read.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from volition.service.sessions.stop_word import Deed
from volition.service.supervision.store import StoredSession

#: Numbers that an owner may give before it stores how far it is.
BLOCK = 1000

NodeName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


class Owner(BaseModel):
    """One life of a node: who has been fenced comes back as another."""

    model_config = ConfigDict(frozen=True)

    node: NodeName
    life: str


class NodeRecord(BaseModel):
    """A node's sign of life.

    Attributes
    ----------
    owner
        The node and its life.
    beat
        Counts the renewals.
    dead
        Whether it was fenced: it owns nothing any more.
    labels, capacity, sessions
        What it says of itself: labels by key, most sessions, sessions now.
    drains
        Whether it takes no more sessions and hands over those that it has.
    """

    owner: Owner
    beat: int = 0
    dead: bool = False
    labels: dict[str, str] = Field(default_factory=dict)
    capacity: int = 64
    sessions: int = 0
    drains: bool = False


class SessionRecord(StoredSession):
    """A session, wherever it runs.

    Attributes
    ----------
    owner
        Who runs it; None while nobody does.
    until
        Last number that the owner may give: a successor begins behind it.
    end
        How it ended (``stopped: ...``, ``failed: ...``); None while it is to run.
    """

    owner: Owner | None = None
    until: int = 0
    end: str | None = None

    def taken_by(self, owner: Owner) -> SessionRecord:
        """Give the record of the next owner: another epoch, numbers that were never given."""
        return self.model_copy(
            update={
                "owner": owner,
                "epoch": self.epoch + 1,
                "last_seq": self.until,
                "until": self.until + BLOCK,
            }
        )

    def left_at(self, last_seq: int) -> SessionRecord:
        """Give the record of a session that its owner hands over after this number."""
        return self.model_copy(update={"owner": None, "last_seq": last_seq, "until": last_seq})


class HoldRecord(BaseModel):
    """The emergency stop of a session: its newest press and its newest release.

    Both only grow, so that records merge in any order and none is lost to another.
    """

    pressed: Deed | None = None
    released: Deed | None = None

    def merged(self, other: HoldRecord) -> HoldRecord:
        """Give what holds after both."""
        return HoldRecord(
            pressed=_newer(self.pressed, other.pressed),
            released=_newer(self.released, other.released),
        )


def _newer(one: Deed | None, other: Deed | None) -> Deed | None:
    if one is None or other is None:
        return one or other
    return max(one, other, key=lambda deed: deed.order)
