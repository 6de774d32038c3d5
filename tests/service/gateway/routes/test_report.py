"""A report of a recording, by REST: a page for keeping, or why there is none."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.service.gateway.asgi import Call, ask, running
from volition.service.gateway.app import create_app
from volition.service.sessions.folders import recordings_folder
from volition.streams.files.recording import packaged_recordings

ONE = "speller-20261201T060000Z-1"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VOLITION_DATA", str(tmp_path))
    recordings_folder().mkdir(parents=True)
    return recordings_folder()


async def test_it_is_a_page_that_may_run_and_load_nothing(folder: Path) -> None:
    shutil.copy(packaged_recordings()["ssvep-exo-s03"], folder / f"{ONE}.xdf")
    async with running(create_app()) as app:
        answer = await ask(app, Call("http", "GET", f"/v1/recordings/{ONE}/report", None))
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["content-disposition"] == f'attachment; filename="{ONE}.html"'
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert b"<h2>Signal</h2>" in answer.body


async def test_what_is_no_recording_has_none_and_says_why(folder: Path) -> None:
    (folder / f"{ONE}.xdf").write_bytes(b"XDF:" + b"\0" * 100)
    async with running(create_app()) as app:
        broken = await ask(app, Call("http", "GET", f"/v1/recordings/{ONE}/report", None))
        none = await ask(app, Call("http", "GET", "/v1/recordings/other/report", None))
    assert (broken.status, broken.code) == (503, "recording")
    assert ONE in broken.body.decode()
    assert (none.status, none.code) == (404, "no-recording")
