"""Sessions that nodes run, seen and stopped from any gateway."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from collections.abc import Callable
from typing import Any

import pytest

from volition.service.client import ApiError, Client
from volition.service.gateway.launch import RunningService

pytest.importorskip("nats")

StartNode = Callable[[str], "subprocess.Popen[str]"]
StartGateway = Callable[[], RunningService]


def test_a_session_runs_on_a_node_and_every_gateway_shows_and_stops_it(
    start_node: StartNode, start_gateway: StartGateway, config: dict[str, Any]
) -> None:
    start_node("a")
    first, second = start_gateway(), start_gateway()
    with Client(first.url) as here, Client(second.url) as there:
        here.create_session(config)
        page = here.intents("kept", wait_s=20)
        same = there.intents("kept", wait_s=20)
        assert [one.seq for one in page.intents][:1] == [1]
        assert same.life == page.life
        assert there.state("kept").fresh
        stopped = there.emergency_stop("kept")
        assert stopped.answer.outcome == "confirmed"
        last = here.session("kept").last_seq
        after = here.intents("kept", after=last, wait_s=10)
        assert {one.kind for one in after.intents} == {"idle"}
        assert here.session("kept").held
        with pytest.raises(ApiError, match="pressed again"):
            here.release("kept", order=0)
        here.release("kept", order=stopped.stop.order)
        here.stop("kept")
        here.delete("kept")
        assert here.sessions() == []


def test_a_node_that_is_killed_is_replaced_and_no_number_comes_twice(
    start_node: StartNode, start_gateway: StartGateway, config: dict[str, Any]
) -> None:
    nodes = {name: start_node(name) for name in ("a", "b")}
    gateway = start_gateway()
    with Client(gateway.url) as client:
        client.create_session(config)
        client.intents("kept", wait_s=20)
        owner = re.search(r"node (\w+)", " ".join(s.reason for s in client.session("kept").steps))
        assert owner is not None
        before = client.session("kept")
        killed = nodes[owner[1]]
        killed.send_signal(signal.SIGKILL)
        began = time.monotonic()
        seqs: list[int] = []
        epochs: list[int] = []
        after = before.last_seq
        while not epochs or epochs[-1] == before.epoch:
            page = client.intents("kept", after=after, wait_s=20)
            seqs += [one.seq for one in page.intents]
            epochs += [one.epoch for one in page.intents]
            after = page.last_seq
            assert time.monotonic() - began < 40
        took_s = time.monotonic() - began
    assert seqs == sorted(set(seqs))
    assert epochs == sorted(epochs)
    assert seqs[epochs.index(before.epoch + 1)] > 1000
    assert took_s < 20


def test_a_node_that_ends_hands_over_at_the_very_next_number(
    start_node: StartNode, start_gateway: StartGateway, config: dict[str, Any]
) -> None:
    first = start_node("a")
    gateway = start_gateway()
    with Client(gateway.url) as client:
        client.create_session(config)
        page = client.intents("kept", wait_s=20)
        start_node("b")
        first.terminate()
        seqs = [one.seq for one in page.intents]
        epoch = page.intents[-1].epoch
        deadline = time.monotonic() + 30
        while epoch == page.intents[-1].epoch:
            page = client.intents("kept", after=seqs[-1], wait_s=20)
            seqs += [one.seq for one in page.intents]
            assert time.monotonic() < deadline
    assert seqs == list(range(1, len(seqs) + 1))


def test_what_a_gateway_has_held_is_held_after_a_takeover(
    start_node: StartNode, start_gateway: StartGateway, config: dict[str, Any]
) -> None:
    first = start_node("a")
    with Client(start_gateway().url) as client:
        client.create_session(config)
        client.intents("kept", wait_s=20)
        assert client.emergency_stop("kept").answer.remembered
        start_node("b")
        first.kill()
        epoch = client.session("kept").epoch
        deadline = time.monotonic() + 30
        while (now := client.session("kept")).epoch == epoch or now.state != "running":
            assert time.monotonic() < deadline
            time.sleep(0.1)
        page = client.intents("kept", after=now.last_seq, wait_s=20)
    assert now.held
    assert {one.kind for one in page.intents} == {"idle"}
