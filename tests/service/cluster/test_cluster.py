"""Sessions that nodes run, seen and stopped from any gateway."""

from __future__ import annotations

import subprocess
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
