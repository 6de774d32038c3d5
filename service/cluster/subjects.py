"""The subjects of a cluster, and what travels on them.

    vol.i.SESSION   its intents, as frames           node to gateways
    vol.b.SESSION   its beats, states and outlines   node to gateways
    vol.hold.SESSION  a press or a release           whoever does it, to all
    vol.n.NODE      requests, which are answered     gateways to a node
    vol.g.GATEWAY.SESSION  pieces of a long answer   node to one gateway

A dot would end a name there, so it is written ``=``, which no name has.
"""

from __future__ import annotations

from typing import Any

import pydantic_core
from pydantic import BaseModel, ConfigDict, Field

from volition.service.worker.bus import Frame, FrameReader, FrameType, pack

ALL_INTENTS, ALL_BEATS, ALL_HOLDS = "vol.i.*", "vol.b.*", "vol.hold.*"


def token(session: str) -> str:
    """Write a session's id as one token of a subject or a key."""
    return session.replace(".", "=")


def session_in(subject: str) -> str:
    """Read the session's id from the last token of a subject or a key."""
    return subject.rpartition(".")[2].replace("=", ".")


def subject_of(session: str, frame: Frame) -> str:
    """Give the subject of a frame that a session sends."""
    kind = "i" if frame.type is FrameType.INTENT else "b"
    return f"vol.{kind}.{token(session)}"


def encode(frame: Frame, epoch: int) -> bytes:
    """Encode a frame of an epoch."""
    return pack(
        frame.type,
        frame.payload,
        intent_code=frame.intent_code,
        seq=frame.seq,
        t_published=frame.t_published,
        flags=frame.flags,
        epoch=epoch,
        hold=frame.hold,
    )


def decode(data: bytes) -> list[Frame]:
    """Decode whole frames."""
    return FrameReader().feed(data)


class Request(BaseModel):
    """What a gateway asks of a node.

    Attributes
    ----------
    op
        ``command`` (for the worker), ``stop``, ``delete``, ``press``, ``page`` or ``clock``.
    session, epoch
        The session that is meant, and the epoch of the view of it.
    within_s
        How long whoever asks waits.
    gateway
        Who asks, for an answer in pieces.
    body
        What belongs to the operation.
    """

    model_config = ConfigDict(extra="ignore")

    op: str
    session: str = ""
    epoch: int = 0
    within_s: float = 2.0
    gateway: str = ""
    body: dict[str, Any] = Field(default_factory=dict)


def to_json(content: object) -> bytes:
    """Encode an answer."""
    return pydantic_core.to_json(content, inf_nan_mode="null")
