"""From a board to intents: the bridge as a program, and a session that decodes its stream."""

from __future__ import annotations

import subprocess
import sys
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from volition.service.client import Client


@pytest.fixture
def synthetic_board() -> Iterator[str]:
    """The source id of BrainFlow's synthetic board, published by the command."""
    source_id = f"board-{uuid.uuid4().hex}"
    command = [sys.executable, "-P", "-m", "volition.service.cli", "bridge", "brainflow"]
    with subprocess.Popen(
        [*command, "--board", "synthetic", "--source-id", source_id, "--seconds", "200"],
        stderr=subprocess.PIPE,
        text=True,
    ) as bridge:
        assert bridge.stderr is not None
        assert bridge.stderr.readline() == "connecting: Synthetic\n"
        assert bridge.stderr.readline() == "streaming: 16 channels, 250 Hz\n"
        yield source_id
        bridge.terminate()
        said = bridge.stderr.read()
    assert bridge.returncode == 0, said
    assert said.splitlines()[0] == "ended: stopped"
    assert said.splitlines()[1].endswith("samples, 1 connections")


@pytest.mark.slow
def test_a_session_decodes_the_stream_of_a_board(client: Client, synthetic_board: str) -> None:
    config: dict[str, Any] = {
        "stream": {"source_id": synthetic_board, "channels": ["Oz", "PO7", "PO8", "Pz"]},
        "decoder": {
            "kind": "fbcca",
            "targets": [{"label": "a", "freq_hz": 9}, {"label": "b", "freq_hz": 12}],
            "trigger": "sliding",
            "window_s": 1.0,
            "step_s": 0.1,
        },
        "selections": "every",
    }
    session = client.create_session(config).id
    page = client.intents(session, wait_s=60)
    while page.last_seq < 10:
        assert page.intents
        page = client.intents(session, after=page.last_seq, wait_s=60)
    shown = client.session(session)
    assert shown.state == "running"
    assert shown.stream is not None
    assert shown.stream.rate_hz == 250.0
    continuity = client.state(session).continuity
    assert continuity is not None
    assert continuity.missing == 0
