"""The package of examples/plugin: installed beside Volition it is met everywhere; removed, nowhere.

It is installed into a folder of its own that the programs here are told of, so that this
environment never holds it.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from volition.chunk import Event, FloatArray, SignalSpec
from volition.service.client import ApiError, Client, CueMessage
from volition.service.gateway.launch import running_service
from volition.streams.files.xdf_writer import XdfWriter
from volition.streams.lsl.clock import local_clock
from volition.streams.lsl.outlet import SignalOutlet

VOLITION = Path(sys.executable).with_name("volition")
SPEC = SignalSpec(250.0, ("O1", "Oz", "O2"))
ALPHA = {"kind": "alpha", "window_s": 0.5, "step_s": 0.1}
FBCCA = {"kind": "fbcca", "targets": [{"label": "a", "freq_hz": 13}, {"label": "b", "freq_hz": 17}]}


@pytest.fixture(scope="module")
def installed(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the plugin is installed into."""
    folder = tmp_path_factory.mktemp("plugin") / "site"
    install = ("-m", "pip", "install", "-qq", "--disable-pip-version-check", "--no-deps")
    into = ("--no-index", "--no-build-isolation", "--target", str(folder))
    plugin = repository / "examples" / "plugin"
    subprocess.run([sys.executable, *install, *into, str(plugin)], check=True)
    return folder


@pytest.fixture(scope="module")
def environment(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What a program is told so that it finds the plugin, and keeps its models apart."""
    return {"PYTHONPATH": str(installed), "VOLITION_DATA": str(tmp_path_factory.mktemp("data"))}


def volition(
    *arguments: str, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(VOLITION), *arguments],
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        check=False,
    )


def samples_at(times: FloatArray, *, closed: bool, rng: np.random.Generator) -> FloatArray:
    """Give noise, and with closed eyes the rhythm, larger from channel to channel."""
    rhythm = 20.0 * closed * np.sin(2 * np.pi * 10.0 * times)
    noise: FloatArray = 5.0 * rng.standard_normal((len(times), SPEC.n_channels))
    return noise + rhythm[:, None] * np.arange(1, SPEC.n_channels + 1)


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A person who opens and closes their eyes every second, twelve times each."""
    rng = np.random.default_rng(5)
    path = tmp_path_factory.mktemp("eyes") / "person-1.xdf"
    with XdfWriter(path) as writer:
        signal = writer.add_signal(SPEC, name="EEG", source_id="eyes")
        markers = writer.add_markers(name="trials", source_id="trials")
        for number in range(24):
            times = 100.0 + number + np.arange(250) / 250.0
            label = ("open", "closed")[number % 2]
            trial = Event(float(times[0]), "trial_start", {"class": label})
            writer.write_texts(markers, [trial.to_marker()], [trial.time])
            closed = label == "closed"
            writer.write_samples(signal, samples_at(times, closed=closed, rng=rng), times)
    return path


class Person:
    """An LSL stream of somebody who closes their eyes from and until the times they are told."""

    def __init__(self) -> None:
        self.source_id = f"eyes-{uuid.uuid4().hex}"
        self._closed: list[tuple[float, float]] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._play)

    def __enter__(self) -> Person:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._ended.set()
        self._thread.join()

    def close_eyes(self, since: float, until: float) -> None:
        self._closed.append((since, until))

    def _play(self) -> None:
        rng = np.random.default_rng(3)
        n_sent, begin = 0, local_clock()
        with SignalOutlet(SPEC, name="eyes", source_id=self.source_id) as outlet:
            while not self._ended.wait(0.02):
                n = int((local_clock() - begin) * SPEC.rate_hz) - n_sent
                times = begin + (n_sent + np.arange(n)) / SPEC.rate_hz
                closed = any(a <= times[-1] < b for a, b in self._closed) if n else False
                outlet.push(samples_at(times, closed=closed, rng=rng), times)
                n_sent += n


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Where the plugin's output is sent to."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(60.0)
        yield sock


@pytest.mark.slow
def test_a_plugin_decodes_in_a_live_session_that_was_calibrated_for_it(
    environment: dict[str, str], listener: socket.socket
) -> None:
    with (
        running_service(env=environment) as service,
        Client(service.url) as client,
        Person() as person,
    ):
        session = client.create_session(
            {
                "stream": {"source_id": person.source_id},
                "stages": [{"kind": "median_reference"}],
                "decoder": FBCCA,
                "outputs": [{"kind": "listeners", "ports": [listener.getsockname()[1]]}],
            }
        ).id
        made = calibrated(client, session, person)

        assert made.scores["accuracy"] == 1.0
        assert client.session_model(session).now.decoder == "alpha"
        t = local_clock()
        person.close_eyes(t, t + 3.0)
        received = received_until(listener, lambda one: one.get("label") == "closed")
        assert received["decoder"] == "alpha"
        (output,) = client.state(session).outputs
        assert (output.kind, output.state) == ("listeners", "open")


def calibrated(client: Client, session: str, person: Person) -> Any:
    """Calibrate the plugin's decoder as the service guides, and give its model."""
    body = {
        "name": "eyes",
        "source": "guided",
        "decoder": ALPHA,
        "swap": True,
        "guided": {"blocks": 5, "cue_s": 0.3, "trial_s": 1.2, "pause_s": 0.1},
    }
    with client.subscribe(session) as messages:
        calibration = client.calibrate(session, body)
        for message in messages:
            if isinstance(message, CueMessage) and message.label == "closed":
                person.close_eyes(message.t, message.t_end)
            view = client.calibration(session, calibration.id)
            if view.ended_utc is not None:
                assert view.state == "done", view.refusal
                return view.model
    raise AssertionError("the messages ended before the calibration")


def received_until(listener: socket.socket, wanted: Any) -> dict[str, Any]:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        found: dict[str, Any] = json.loads(listener.recv(1 << 16))
        if wanted(found):
            return found
    raise AssertionError("no such intent came")


def test_a_plugins_data_set_is_evaluated_by_its_own_protocol(
    environment: dict[str, str], recording: Path, tmp_path: Path
) -> None:
    session = tmp_path / "session.yaml"
    session.write_text(json.dumps({"stream": {"type": "EEG"}, "decoder": ALPHA}), "utf-8")
    done = volition(
        *("evaluate", "eyes", "--root", str(recording.parent), "--session", str(session), "--json"),
        env=environment,
    )

    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["accuracy"] > 0.8  # the filters still ring where a trial begins
    assert result["decisions"] > 40


def test_a_recording_is_replayed_through_a_plugins_stage_however_it_is_cut(
    environment: dict[str, str], recording: Path, tmp_path: Path
) -> None:
    session = tmp_path / "session.yaml"
    config = {
        "stream": {"type": "EEG"},
        "stages": [{"kind": "median_reference"}],
        "decoder": {**FBCCA, "trigger": "sliding", "window_s": 1.0, "step_s": 0.5},
    }
    session.write_text(json.dumps(config), "utf-8")
    hashes = set()
    for chunk in ("1", "50", "999"):
        done = volition(
            *("replay", str(recording), "--session", str(session), "--chunk", chunk, "--json"),
            env=environment,
        )
        assert done.returncode == 0, done.stderr
        hashes.add(json.loads(done.stdout.splitlines()[-1])["sha256"])
    assert len(hashes) == 1


def test_what_a_plugin_adds_is_listed_and_its_command_runs(
    environment: dict[str, str], recording: Path
) -> None:
    listed = volition("kinds", "--json", env=environment)
    assert listed.returncode == 0, listed.stderr
    for kind in ("median_reference", "alpha", "listeners", "eyes"):
        assert f'"{kind}"' in listed.stdout
    assert "volition-rhythm" in listed.stdout
    assert "rhythm" in volition("--help", env=environment).stdout
    assert "log share of alpha" in volition("rhythm", str(recording), env=environment).stdout


def test_without_the_plugin_a_session_that_names_it_is_told_what_is_missing(
    tmp_path: Path, recording: Path
) -> None:
    session = tmp_path / "session.yaml"
    session.write_text(json.dumps({"stream": {"type": "EEG"}, "decoder": ALPHA}), "utf-8")
    done = volition("replay", str(recording), "--session", str(session))

    assert done.returncode == 3
    assert "no decoder of kind 'alpha' is installed" in done.stderr
    assert "install the package that brings it" in done.stderr
    assert "rhythm" not in volition("--help").stdout


def test_the_service_refuses_a_kind_that_is_not_installed_with_the_same_sentence(
    tmp_path: Path,
) -> None:
    wanted = {
        "stream": {"type": "EEG"},
        "stages": [{"kind": "median_reference"}],
        "decoder": FBCCA,
        "outputs": [{"kind": "listeners", "ports": [9]}],
    }
    with (
        running_service(env={"VOLITION_DATA": str(tmp_path)}) as service,
        Client(service.url) as client,
        pytest.raises(ApiError) as refused,
    ):
        client.create_session(wanted)
    said = json.dumps(refused.value.fields)
    assert "no stage of kind 'median_reference' is installed" in said
    assert "no output of kind 'listeners' is installed" in said
