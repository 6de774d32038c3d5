"""The signal for those who look: nothing while nobody does, and never at an intent's cost."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import numpy as np
import pytest

from volition.chunk import Chunk, SignalSpec
from volition.service.supervision.hub import Closed
from volition.service.supervision.outline_feed import OutlineFeed
from volition.service.worker.bus import (
    Frame,
    FrameReader,
    FrameType,
    LocalWorkerEnd,
    local_pair,
    pack,
)
from volition.service.worker.outline_feed import OutlineSender
from volition.streams.signal.outline import Bins, Source, decode_bins, encode_bins

SPEC = SignalSpec(100.0, ("a", "b"))


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, LocalWorkerEnd]]:
    ours, theirs = local_pair()
    link = LocalWorkerEnd(theirs)
    yield ours, link
    ours.close()
    link.close(0.1)


def prepared(*sources: Source) -> OutlineSender:
    feed = OutlineSender()
    feed.prepare({"raw": SPEC, "cleaned": SPEC})
    feed.show(list(sources))
    return feed


def chunk(value: float, t: float = 0.0) -> Chunk:
    return Chunk(np.full((10, 2), value), t + np.arange(10) / 100.0)


def frames_of(sock: socket.socket) -> list[tuple[Bins, Source]]:
    sock.setblocking(False)
    reader = FrameReader()
    try:
        frames = reader.feed(sock.recv(1 << 20))
    except BlockingIOError:
        return []
    assert {frame.type for frame in frames} == {FrameType.SIGNAL}
    return [decode_bins(frame.payload) for frame in frames]


def test_nothing_is_made_while_nobody_looks(ends: tuple[socket.socket, LocalWorkerEnd]) -> None:
    ours, link = ends
    feed = prepared()

    feed.add_raw(chunk(1.0))
    feed.send(link, 10.0)

    assert feed.on_cleaned is None
    assert frames_of(ours) == []


def test_what_is_shown_is_what_was_there_before_the_decoder_wrote_over_it(
    ends: tuple[socket.socket, LocalWorkerEnd],
) -> None:
    ours, link = ends
    feed = prepared("cleaned")
    shown = chunk(3.0)

    assert feed.on_cleaned is not None
    feed.on_cleaned(shown)
    shown.samples[:] = 99.0
    feed.send(link, 10.0)

    ((bins, source),) = frames_of(ours)
    assert source == "cleaned"
    assert bins.highs.max() == 3.0


def test_a_gateway_that_is_behind_misses_pictures_and_no_intent(
    ends: tuple[socket.socket, LocalWorkerEnd],
) -> None:
    ours, link = ends
    feed = prepared("raw")
    intent = pack(FrameType.INTENT, b"x" * 100_000)
    published = 0
    while not published or link.idle:
        link.publish(intent)
        published += 1

    before = link.dropped
    for i in range(200):
        feed.add_raw(chunk(1.0, t=i / 10))
        feed.send(link, 10.0 + i)
    link.publish(intent)

    assert link.dropped == before
    reader, frames = FrameReader(), list[Frame]()
    while len(frames) <= published:
        link.commands()
        frames += reader.feed(ours.recv(1 << 20))
    assert {frame.type for frame in frames} == {FrameType.INTENT}


async def test_the_worker_is_told_only_when_other_sources_are_looked_at() -> None:
    told: list[list[Source]] = []
    feed = OutlineFeed(told.append)

    first = feed.open("cleaned")
    second = feed.open("cleaned")
    third = feed.open("raw")
    for look in (first, third, second):
        feed.close(look)

    assert told == [["cleaned"], ["cleaned", "raw"], ["cleaned"], []]


async def test_one_who_does_not_look_up_keeps_the_newest_and_holds_up_nobody() -> None:
    feed = OutlineFeed(lambda _: None)
    slow, other = feed.open("raw"), feed.open("cleaned")
    frames = [encode_bins(Bins(np.array([float(i)]), *[np.ones((1, 2), np.float32)] * 2), "raw")
              for i in range(500)]  # fmt: skip

    for frame in frames:
        feed.publish("raw", frame)
    feed.end("over")

    items = [await asyncio.wait_for(slow.next(), 5) for _ in range(65)]
    got = [item for item in items if not isinstance(item, Closed)]
    assert got == frames[-len(got) :]
    assert items[-1] == Closed("over")
    assert isinstance(await asyncio.wait_for(other.next(), 5), Closed)
