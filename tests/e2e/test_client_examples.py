"""The examples of clients run as their first lines say, against a real service and headset."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from volition.service.client import Client
from volition.service.gateway.launch import running_service
from volition.streams.files.recording import packaged_recordings
from volition.streams.simulated.headset import HeadsetOptions, HeadsetProcess

SOURCE_ID = "examples"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    options = HeadsetOptions(
        packaged_recordings()["ssvep-exo-s12"],
        source_id=SOURCE_ID,
        start_trial=0,
        skip_rest=True,
        loop=True,
    )
    data = str(tmp_path_factory.mktemp("data"))
    with HeadsetProcess(options), running_service(env={"VOLITION_DATA": data}) as service:
        yield service.url


@contextlib.contextmanager
def example(repository: Path, name: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run an example until the block ends."""
    with subprocess.Popen(
        [sys.executable, str(repository / "examples" / "client" / name), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(repository / "src")},
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def said_by(repository: Path, name: str, *arguments: str) -> tuple[str, str]:
    """Run an example to its end; give what it printed, and its errors."""
    with example(repository, name, *arguments) as process:
        return process.communicate(timeout=60)


@pytest.mark.slow
def test_a_session_is_started_followed_and_its_recording_fetched(
    repository: Path, url: str, tmp_path: Path
) -> None:
    started, errors = said_by(repository, "start_preset.py", "fbcca-exo", url)
    assert not errors
    session, socket = started.split()
    assert socket.startswith("ws://")
    assert "?ticket=" in socket
    with example(repository, "follow_selections.py", session, url) as following:
        assert following.stdout is not None
        label, _, confidence = following.stdout.readline().rpartition(" ")
        assert label
        assert 0 < float(confidence) <= 1
        with Client(url) as client:
            client.delete(session)
        assert following.wait(timeout=30) == 0  # it ends with the session
    assert said_by(repository, "fetch_recordings.py", str(tmp_path), url) == ("", "")


@pytest.mark.slow
def test_a_cursor_is_asked_for_by_a_loop_of_its_own(repository: Path, url: str) -> None:
    with Client(url) as client:
        session = client.create_session(
            {
                "stream": {"source_id": SOURCE_ID},
                "stages": [{"kind": "band_power", "bin_s": 0.05, "scale": "log"}],
                "decoder": {"kind": "kalman", "cursor": {"workspace": [[-1, 1], [-1, 1]]}},
                "outputs": [{"kind": "record"}],
            }
        )
        with example(repository, "steer_cursor.py", session.id, url) as steering:
            assert steering.stdout is not None
            assert steering.stdout.readline() == "0.00 0.00\n"  # it stands until it is calibrated
            deadline = time.monotonic() + 30
            while not client.recordings() and time.monotonic() < deadline:
                time.sleep(0.05)
            client.stop(session.id)
            assert steering.wait(timeout=30) == 0
        (recording,) = client.recordings()
        assert client.recording_content(recording.id).startswith(b"XDF:")
        client.delete_recording(recording.id)
        assert client.recordings() == []
