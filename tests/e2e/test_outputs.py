"""Outputs of live sessions: Volition's own, and one that another package brings."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from volition.service.client import Client
from volition.service.gateway.launch import RunningService, running_service
from volition.service.wire.state import OutputView

PLUGIN = '''
"""Writes each intent as a line of a file; does as the files beside it say."""

import time
from pathlib import Path
from typing import Literal

from volition.service.sessions.outputs import Output, OutputSettings


class LinesSettings(OutputSettings):
    kind: Literal["lines"] = "lines"
    folder: str


class Lines(Output[LinesSettings]):
    settings_model = LinesSettings

    def open(self, context):
        self.folder = Path(self.settings.folder)

    def intent(self, encoded, intent):
        if (self.folder / "raise").exists():
            raise OSError("the lamp is gone")
        while (self.folder / "stall").exists():
            time.sleep(0.01)
        with (self.folder / "lines").open("ab") as file:
            file.write(encoded + b"\\n")

    def state(self):
        return {"folder": self.settings.folder}

    def close(self, timeout_s):
        (self.folder / "closed").touch()
'''


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    folder = tmp_path_factory.mktemp("plugin")
    (folder / "lines_output.py").write_text(PLUGIN)
    info = folder / "lines_output-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lines-output\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[volition.outputs]\nlines = lines_output\n")
    with running_service(env={"PYTHONPATH": str(folder)}) as running:
        yield running


def await_output(client: Client, session: str, done: Callable[[OutputView], object]) -> OutputView:
    """Ask until the session's one output is as wanted."""
    deadline = time.monotonic() + 120
    while True:
        outputs = client.state(session).outputs
        if outputs and done(outputs[0]):
            return outputs[0]
        assert time.monotonic() < deadline, outputs
        time.sleep(0.05)


def await_more_intents(client: Client, session: str, n: int) -> None:
    last = client.state(session).last_seq
    seen = last
    while seen < last + n:
        page = client.intents(session, after=seen, wait_s=20)
        assert page.intents
        seen = page.intents[-1].seq


def await_held(client: Client, session: str) -> int:
    """Give the number of the intent that says that all is held."""
    after, deadline = 0, time.monotonic() + 60
    while time.monotonic() < deadline:
        page = client.intents(session, after=after, wait_s=20)
        held = [one.seq for one in page.intents if getattr(one, "reason", "") == "held"]
        if held:
            return held[0]
        after = page.last_seq
    raise AssertionError("no intent says that all is held")


@pytest.mark.slow
def test_nothing_decided_before_an_emergency_stop_leaves_a_stalled_output_after_it(
    client: Client, sliding: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    session = client.create_session(
        sliding(outputs=[{"kind": "lines", "folder": str(tmp_path)}])
    ).id
    await_output(client, session, lambda output: output.intents > 2)
    (tmp_path / "stall").touch()
    stalled = await_output(client, session, lambda output: output.state == "stalled")
    assert stalled.error == "output lines stalls"
    # The session goes on meanwhile, and says what is wrong.
    await_more_intents(client, session, 5)
    assert "output lines stalls" in client.session(session).warnings

    stopped = client.emergency_stop(session)
    # One was on its way out and cannot be taken back: its worker ends before the stop is answered.
    assert (stopped.held, stopped.answer.outcome) == (True, "killed")
    first_held = await_held(client, session)
    (tmp_path / "stall").unlink()
    lines = tmp_path / "lines"
    deadline = time.monotonic() + 120
    while len(sent := lines.read_text().splitlines()) < stalled.intents + 4:
        assert time.monotonic() < deadline, sent
        time.sleep(0.05)
    behind = [json.loads(line) for line in sent[stalled.intents :]]
    assert behind[0]["seq"] >= first_held
    assert {intent["kind"] for intent in behind} == {"idle"}


@pytest.mark.slow
def test_an_output_that_raises_is_closed_and_shown_and_the_session_goes_on(
    client: Client, sliding: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    session = client.create_session(
        sliding(outputs=[{"kind": "lines", "folder": str(tmp_path)}])
    ).id
    known = await_output(client, session, lambda output: output.intents > 2 and output.detail)
    assert known.detail == {"folder": str(tmp_path)}
    (tmp_path / "raise").touch()
    failed = await_output(client, session, lambda output: output.state == "failed")
    error = "output lines failed and is closed: OSError: the lamp is gone"
    assert failed.error == error
    await_more_intents(client, session, 5)
    assert (tmp_path / "closed").exists()
    shown = client.session(session)
    assert (shown.state, shown.epoch, shown.warnings) == ("running", 1, [error])
    assert any(f"({error})" in step.reason for step in shown.steps)


@pytest.mark.slow
def test_the_former_mapping_makes_a_session_that_answers_with_a_list_and_a_deprecation(
    client: Client, sliding: Callable[..., dict[str, Any]]
) -> None:
    session = client.create_session(sliding(outputs={"lsl_outlet": True})).id
    lsl = await_output(client, session, lambda output: output.intents > 2)
    assert (lsl.kind, lsl.state, lsl.error) == ("lsl", "open", "")
    shown = client.session(session)
    assert shown.config["outputs"] == [{"kind": "lsl"}]
    assert [warning.partition(":")[0] for warning in shown.warnings] == ["deprecated"]


@pytest.mark.slow
def test_datagrams_of_a_session_are_neutral_alone_behind_an_emergency_stop(
    client: Client, sliding: Callable[..., dict[str, Any]]
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(60)
        sent = {"kind": "udp", "port": receiver.getsockname()[1]}
        session = client.create_session(sliding(outputs=[sent])).id
        await_output(client, session, lambda output: output.detail.get("sent", 0) > 2)
        stopped = client.emergency_stop(session)
        assert stopped.held
        first_held = await_held(client, session)
        behind: list[dict[str, Any]] = []
        while len(behind) < 5:
            one = json.loads(receiver.recv(1 << 16))
            if one["seq"] >= first_held:
                behind.append(one)
        assert {(one["kind"], one.get("reason")) for one in behind} == {("idle", "held")}
        shown = client.state(session).outputs[0]
        assert (shown.state, shown.error, shown.detail["connected"]) == ("open", "", True)


def test_an_output_that_nobody_installed_is_refused_with_the_kinds_that_there_are(
    service: RunningService, sliding: Callable[..., dict[str, Any]]
) -> None:
    answer = httpx.post(
        f"{service.url}/v1/sessions",
        json=sliding(outputs=[{"kind": "lamp"}]),
        trust_env=False,
        timeout=60,
    )
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["path"] == "outputs[0].kind"
    assert {"lines", "lsl", "record"} <= set(error["allowed"])
