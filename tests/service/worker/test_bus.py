"""Frames between a worker and the gateway."""

from __future__ import annotations

import asyncio
import json
import socket
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from volition.service.worker.bus import (
    Frame,
    FrameReader,
    FrameType,
    IntentCode,
    LocalGatewayEnd,
    LocalWorkerEnd,
    local_pair,
    pack,
)

frames = st.builds(
    Frame,
    st.sampled_from(FrameType),
    st.sampled_from(IntentCode),
    st.integers(0, 2**64 - 1),
    st.floats(allow_nan=False),
    st.binary(max_size=300),
    st.integers(0, 2**16 - 1),
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**64 - 1),
)


def packed(frame: Frame) -> bytes:
    return pack(
        frame.type,
        frame.payload,
        intent_code=frame.intent_code,
        seq=frame.seq,
        t_published=frame.t_published,
        flags=frame.flags,
        epoch=frame.epoch,
        hold=frame.hold,
    )


@given(st.lists(frames, max_size=8), st.lists(st.integers(0, 4000), max_size=12))
def test_frames_come_out_whole_however_the_bytes_are_cut(
    sent: list[Frame], cuts: list[int]
) -> None:
    data = b"".join(packed(frame) for frame in sent)
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    reader = FrameReader()
    received = [frame for start, end in pairwise(edges) for frame in reader.feed(data[start:end])]
    assert received == sent


def test_a_gateway_that_does_not_read_costs_the_oldest_frames_and_never_the_framing() -> None:
    ours, theirs = local_pair()
    worker = LocalWorkerEnd(theirs)
    payload = bytes(100_000)
    n = 400
    for seq in range(1, n + 1):
        worker.publish(pack(FrameType.INTENT, payload, seq=seq))
    assert worker.dropped > 0

    received: list[Frame] = []
    reader = FrameReader()
    ours.settimeout(5)
    while not received or received[-1].seq < n:
        received += reader.feed(ours.recv(1 << 20))
        worker.commands()
    seqs = [frame.seq for frame in received]
    assert seqs == sorted(set(seqs))
    assert n - len(seqs) == worker.dropped
    assert all(len(frame.payload) == len(payload) for frame in received)
    worker.close(1)
    ours.close()


def test_a_worker_sees_that_its_gateway_is_gone() -> None:
    ours, theirs = local_pair()
    worker = LocalWorkerEnd(theirs)
    ours.close()
    assert worker.commands(timeout_s=5) == []
    assert worker.closed
    worker.close(0.1)


@given(
    st.lists(st.dictionaries(st.text(), st.integers() | st.text()), max_size=5), st.integers(1, 50)
)
def test_commands_come_out_whole_however_the_bytes_are_cut(
    sent: list[dict[str, Any]], piece: int
) -> None:
    ours, theirs = local_pair()
    worker = LocalWorkerEnd(theirs)
    data = b"".join(json.dumps(command).encode() + b"\n" for command in sent)
    received: list[dict[str, Any]] = []
    for start in range(0, len(data), piece):
        ours.sendall(data[start : start + piece])
        received += worker.commands(timeout_s=5)
    ours.close()
    worker.close(0.1)
    assert received == sent


def test_both_ends_talk_over_an_event_loop() -> None:
    async def talk(ours: socket.socket, worker: LocalWorkerEnd) -> tuple[Frame, dict[str, Any]]:
        loop = asyncio.get_running_loop()
        got: asyncio.Future[Frame] = loop.create_future()
        lost: asyncio.Future[None] = loop.create_future()
        end = await LocalGatewayEnd.open(ours, got.set_result, lambda: lost.set_result(None))
        worker.publish(pack(FrameType.STATUS, b"{}", seq=7))
        frame = await asyncio.wait_for(got, 5)
        end.send({"op": "stop"})
        command = (await asyncio.to_thread(worker.commands, 5))[0]
        worker.close(1)
        await asyncio.wait_for(lost, 5)
        return frame, command

    ours, theirs = local_pair()
    frame, command = asyncio.run(talk(ours, LocalWorkerEnd(theirs)))
    assert (frame.type, frame.seq, frame.payload) == (FrameType.STATUS, 7, b"{}")
    assert command == {"op": "stop"}


def test_a_command_that_does_not_fit_is_refused_and_an_urgent_one_never() -> None:
    async def fill(ours: socket.socket, theirs: socket.socket) -> tuple[int, bool, bool]:
        lost = asyncio.Event()
        end = await LocalGatewayEnd.open(ours, lambda _: None, lost.set)
        marker = {"op": "marker", "name": "x", "data": "y" * 70_000}
        taken = 0
        while end.send(marker):
            taken += 1
            assert taken < 1000
        urgent = end.send({"op": "stop"}, urgent=True)
        theirs.close()
        await asyncio.wait_for(lost.wait(), 5)
        return taken, urgent, end.send({"op": "stop"}, urgent=True)

    taken, urgent, after_the_end = asyncio.run(fill(*local_pair()))
    assert taken > 10
    assert (urgent, after_the_end) == (True, False)


def test_an_unknown_frame_is_an_error_rather_than_a_guess() -> None:
    data = bytearray(pack(FrameType.STATUS, b"{}"))
    data[0] = 99
    with pytest.raises(ValueError, match="99"):
        FrameReader().feed(bytes(data))
