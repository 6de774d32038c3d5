"""A service that starts again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from volition.service.client import ApiError, Client, GapMessage, Hello
from volition.service.gateway.launch import running_service
from volition.service.supervision.store import LEAP

MakeConfig = Callable[..., dict[str, Any]]


def test_sessions_come_back_with_their_numbers_and_their_emergency_stop(
    sliding: MakeConfig, tmp_path: Path
) -> None:
    env = {"VOLITION_DATA": str(tmp_path)}
    with running_service("--restore", env=env) as service, Client(service.url) as client:
        client.create_session(sliding(name="kept"))
        client.create_session(sliding(name="stopped"))
        client.intents("kept", wait_s=30)
        client.stop("stopped")
        client.emergency_stop("kept")
    before = json.loads((tmp_path / "sessions.json").read_text("utf-8"))["sessions"]
    with running_service("--restore", env=env) as service, Client(service.url) as client:
        (session,) = client.sessions()
        assert (session.id, session.held, session.epoch) == ("kept", True, 2)
        assert session.life == before[0]["life"]
        last = before[0]["last_seq"]
        page = client.intents("kept", after=last, wait_s=30)
    assert page.intents[0].seq == last + 1
    assert {intent.kind for intent in page.intents} == {"idle"}


def test_after_a_kill_no_number_is_given_twice(sliding: MakeConfig, tmp_path: Path) -> None:
    env = {"VOLITION_DATA": str(tmp_path)}
    with running_service("--restore", env=env) as service, Client(service.url) as client:
        client.create_session(sliding(name="kept"))
        seen = client.intents("kept", wait_s=30).last_seq
        file = tmp_path / "sessions.json"
        for _ in range(16):
            seen = client.intents("kept", after=seen, limit=1, wait_s=30).intents[-1].seq
        assert file.exists()
        psutil.Process(service.pid).kill()
    with running_service("--restore", env=env) as service, Client(service.url) as client:
        last = client.session("kept").last_seq
        assert last >= LEAP
        assert client.intents("kept", after=last, wait_s=30).intents[0].seq == last + 1


def test_a_number_of_a_life_that_is_over_is_answered_and_not_waited_for(
    sliding: MakeConfig, tmp_path: Path
) -> None:
    env = {"VOLITION_DATA": str(tmp_path)}
    with running_service(env=env) as service, Client(service.url) as client:
        client.create_session(sliding(name="again"))
        before = client.intents("again", wait_s=30)
    with running_service(env=env) as service, Client(service.url) as client:
        session = client.create_session(sliding(name="again"))
        with pytest.raises(ApiError) as caught:
            client.intents("again", after=before.last_seq + 500, wait_s=30)
        assert caught.value.fields["status"] == 410
        assert caught.value.fields["problem"]["life"] == session.life != before.life
        client.intents("again", wait_s=30)
        with pytest.raises(ApiError, match="another life"):
            client.intents("again", after=1, life=before.life)
        with client.subscribe("again", after=1, life=before.life) as messages:
            hello = next(messages)
            gap = next(one for one in messages if isinstance(one, GapMessage))
        assert isinstance(hello, Hello)
        assert hello.life == session.life
        assert gap.first == 1
        assert gap.last >= hello.last_seq


def test_without_being_asked_to_nothing_is_kept(sliding: MakeConfig, tmp_path: Path) -> None:
    with (
        running_service(env={"VOLITION_DATA": str(tmp_path)}) as service,
        Client(service.url) as client,
    ):
        client.create_session(sliding())
    assert not (tmp_path / "sessions.json").exists()


def test_a_file_that_may_not_be_read_is_one_sentence_and_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "sessions.json"
    file.mkdir()
    finished = subprocess.run(
        [sys.executable, "-m", "volition.service.cli", "serve", "--restore", "--port", "0"],
        env={**os.environ, "VOLITION_DATA": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert finished.returncode == 3
    assert "sessions.json" in finished.stderr
    assert "Traceback" not in finished.stderr
    assert file.is_dir()


def test_a_broken_file_keeps_no_service_from_starting(tmp_path: Path) -> None:
    (tmp_path / "sessions.json").write_text('{"ended_well": true, "sess')
    env = {"VOLITION_DATA": str(tmp_path)}
    with running_service("--restore", env=env) as service, Client(service.url) as client:
        assert list(client.sessions()) == []
    assert (tmp_path / "sessions.json.broken").read_text().endswith("sess")
