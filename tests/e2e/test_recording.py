"""Sessions that are recorded: what is in the file, what survives, what a replay of it gives."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
import pytest
import pyxdf

from volition.chunk import SignalSpec
from volition.decoders.contract.intent import SelectionIntent
from volition.decoders.kinematics.methods.kalman import KalmanDecoder, KalmanSettings
from volition.models.manifest import ModelCard, ModelInput
from volition.models.registry import ModelRegistry
from volition.service.client import Client
from volition.service.gateway.launch import RunningService, running_service
from volition.service.worker.replay import Replayed, recorded_session, replay
from volition.streams.files.recording import read_recording
from volition.streams.lsl.discovery import find_one

GAPPY = Path(__file__).with_name("gappy_headset.py")
BRIDGED, UNBRIDGED = 10, 150
# The headset's own gaps are long enough to be noticed.
GOING_ON = ("running", "degraded")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data") / "recordings"


@pytest.fixture(scope="module")
def service(folder: Path) -> Iterator[RunningService]:
    with running_service(env={"VOLITION_DATA": str(folder.parent)}) as running:
        yield running


@contextlib.contextmanager
def gappy_headset(*arguments: str, source_id: str = "") -> Iterator[str]:
    """A headset in a process of its own; gives its source id."""
    source_id = source_id or f"gappy-{uuid.uuid4().hex}"
    process = subprocess.Popen([sys.executable, str(GAPPY), source_id, *arguments], stdin=-1)
    assert process.stdin is not None
    try:
        yield source_id
    finally:
        process.stdin.close()
        assert process.wait(10) == 0


@pytest.fixture(scope="module")
def gappy() -> Iterator[str]:
    """It loses 10 samples, then 150, then sends some twice, every two seconds."""
    lost = (f"100:{100 + BRIDGED}", f"250:{250 + UNBRIDGED}")
    with gappy_headset(*lost, "450:480:x2") as source_id:
        yield source_id


def recorded(source_id: str, **decoder: Any) -> dict[str, Any]:
    """A configuration that decides ten times a second, and is recorded."""
    return {
        "stream": {"source_id": source_id, "continuity": {"bridge_s": 0.1}},
        "markers": {"source_id": f"{source_id}-markers"},
        "stages": [{"kind": "bandpass", "low_hz": 5, "high_hz": 45}],
        "decoder": {
            "kind": "fbcca",
            "targets": [
                {"label": "slow", "freq_hz": 9},
                {"label": "looked at", "freq_hz": 12},
            ],
            "trigger": "sliding",
            "window_s": 0.5,
            "step_s": 0.1,
            **decoder,
        },
        "selections": "every",
        "outputs": [{"kind": "record"}],
    }


def await_state(client: Client, id: str, done: Callable[[Any], bool]) -> Any:
    """Ask, as often as the service beats, until the state is as wanted."""
    deadline = time.monotonic() + 120
    while not done(state := client.state(id)):
        assert time.monotonic() < deadline, state
        client.intents(id, after=state.last_seq, wait_s=0.2)
    return state


def replayed(path: Path, chunk_samples: int = 16) -> tuple[Replayed, bool]:
    """Replay a session's recording; say whether it gave what was sent live."""
    recording = read_recording(path)
    known = recorded_session(recording)
    assert known is not None
    done = replay(
        recording, known.config, chunk_samples, next_seq=known.next_seq, changes=known.changes
    )
    return done, done.sha256 == known.live_sha256


@pytest.mark.slow
@pytest.mark.parametrize(
    "decoder", [{}, {"trigger": "markers", "delay_s": 0.1}], ids=["sliding", "markers"]
)
def test_a_session_with_gaps_replays_to_the_intents_that_were_sent(
    service: RunningService, folder: Path, gappy: str, decoder: dict[str, Any]
) -> None:
    with Client(service.url) as client:
        session = client.create_session(recorded(gappy, **decoder))
        # Two of each kind of gap at the least, and decisions between them.
        state = await_state(
            client,
            session.id,
            lambda s: s.continuity is not None and s.continuity.resets >= 2 and s.last_seq >= 3,
        )
        # Stopped in an emergency and let go: what passes meanwhile is neutral, in a replay as well.
        order = client.emergency_stop(session.id).answer.order
        client.intents(session.id, after=state.last_seq, wait_s=10)
        client.release(session.id, order=order)
        state = await_state(client, session.id, lambda s: s.last_seq >= state.last_seq + 4)
        live = client.intents(session.id, limit=1000).intents
        client.stop(session.id)
    assert any(getattr(intent, "reason", "") == "held" for intent in live)
    assert state.continuity.repeated >= 30
    assert any(isinstance(intent, SelectionIntent) for intent in live)
    (path,) = folder.glob(f"{session.id}-*.xdf")

    finished = subprocess.run(
        [sys.executable, "-m", "volition.service.cli", "replay", str(path), "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    result = json.loads(finished.stdout.splitlines()[-1])
    assert (result["same"], result["lacks"]) == (True, "")
    assert result["live_intents"] >= len(live)
    assert result["sha256"] == result["live_sha256"]
    assert result["missing"] > 2 * UNBRIDGED
    assert result["resets"] >= 2
    for chunk_samples in (1, 7, 1000):
        assert replayed(path, chunk_samples)[1]


@pytest.mark.slow
def test_a_recording_holds_every_sample_that_came_and_what_was_said(
    service: RunningService, folder: Path, gappy: str
) -> None:
    with Client(service.url) as client:
        session = client.create_session(recorded(gappy))
        await_state(client, session.id, lambda s: s.samples > 250)
        client.marker(session.id, "by hand", data={"why": "test"})
        seen = await_state(client, session.id, lambda s: s.samples > 600)
        shown = client.session(session.id)
        client.stop(session.id)
    assert shown.recording is not None
    (path,) = folder.glob(f"{session.id}-*.xdf")
    assert shown.recording.file == path.name
    assert not shown.recording.error
    assert seen.recording.lost == 0

    streams, header = pyxdf.load_xdf(path, dejitter_timestamps=False)
    by_type = {stream["info"]["type"][0]: stream for stream in streams}
    counter = by_type["EEG"]["time_series"][:, 3]
    assert len(counter) >= seen.samples
    steps, counts = np.unique(np.diff(counter), return_counts=True)
    # In order, but for what the headset lost and sent twice.
    assert set(steps) <= {1.0, BRIDGED + 1.0, UNBRIDGED + 1.0, -9.0}
    assert counts[steps == 1.0] > 0.8 * len(counter)
    assert by_type["EEG"]["footer"]["info"]["sample_count"] == [str(len(counter))]
    markers = [text for (text,) in by_type["Markers"]["time_series"]]
    assert "trial_start" in markers
    assert json.loads(next(m for m in markers if m.startswith("{"))) == {
        "event": "by hand",
        "why": "test",
    }
    intents = [json.loads(text) for (text,) in by_type["Intents"]["time_series"]]
    assert [intent["seq"] for intent in intents] == list(range(1, len(intents) + 1))
    states = [json.loads(text)["state"] for (text,) in by_type["Status"]["time_series"]]
    assert states[0] == "running"
    assert states[-1] == "stopped"
    config = json.loads(header["info"]["volition"][0]["config"][0])
    assert config["stream"]["source_id"] == gappy


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["recorder", "worker", "both"])
def test_a_killed_process_leaves_a_recording_that_opens_and_lacks_less_than_a_second(
    service: RunningService, folder: Path, gappy: str, victim: str
) -> None:
    with Client(service.url) as client:
        session = client.create_session(recorded(gappy))
        seen = await_state(
            client, session.id, lambda s: s.samples > 300 and s.recording and s.recording.file
        )
        worker = psutil.Process(client.session(session.id).worker_pid)
        (recorder,) = worker.children()
        victims = {"recorder": [recorder], "worker": [worker], "both": [recorder, worker]}[victim]
        for process in victims:
            process.send_signal(signal.SIGKILL)
        psutil.wait_procs([recorder], timeout=60)
        if victim == "recorder":
            # The session goes on, says what is wrong, and records on into a file of its own.
            state = await_state(
                client, session.id, lambda s: s.recording.restarts and s.recording.samples > 50
            )
            assert (state.state in GOING_ON, state.epoch) == (True, 1)
            said = [step.reason for step in client.session(session.id).steps]
            assert any("the recorder process died" in reason for reason in said)
            assert any("samples lost" in warning for warning in client.session(session.id).warnings)
            assert state.recording.file != seen.recording.file
            assert (state.recording.error, state.recording.lost > 0) == ("", True)
            rest = httpx.get(f"{service.url}/metrics", trust_env=False, timeout=60).text
            assert f'volition_recording_restarts_total{{session="{session.id}"}} 1.0' in rest
            later = recorded_session(read_recording(folder / state.recording.file))
            assert later is not None
            assert "started again" in later.lacks
        client.stop(session.id)
        path = folder / seen.recording.file

    streams, _ = pyxdf.load_xdf(path, dejitter_timestamps=False)
    (eeg,) = (stream for stream in streams if stream["info"]["type"] == ["EEG"])
    assert len(eeg["time_series"]) > seen.samples - 250
    done, same = replayed(path)
    assert done.continuity["missing"] > 0
    assert same or victim != "worker"


@pytest.mark.slow
def test_a_stream_that_comes_back_in_another_order_is_refused_until_it_is_as_it_was(
    service: RunningService,
) -> None:
    with Client(service.url) as client:
        with gappy_headset() as source_id:
            session = client.create_session(recorded(source_id))
            await_state(client, session.id, lambda s: s.samples > 100)
        with gappy_headset("labels=ramp,O1,O2,Oz", source_id=source_id):
            state = await_state(client, session.id, lambda s: "another signal" in s.reason)
            assert state.state == "connecting"
            assert "Oz, O1, O2, ramp" in state.reason
            assert "ramp, O1, O2, Oz" in state.reason
        with gappy_headset(source_id=source_id):
            await_state(client, session.id, lambda s: s.state == "running")
            client.stop(session.id)


@pytest.mark.slow
def test_a_stream_that_comes_back_in_another_order_is_taken_by_label_if_asked_to(
    service: RunningService, folder: Path
) -> None:
    with Client(service.url) as client:
        with gappy_headset() as source_id:
            config = recorded(source_id)
            config["stream"]["on_change"] = "remap"
            session = client.create_session(config)
            await_state(client, session.id, lambda s: s.samples > 100)
        with gappy_headset("labels=more,ramp,O2,O1,Oz", source_id=source_id):
            before = await_state(client, session.id, lambda s: s.reconnects >= 1)
            state = await_state(client, session.id, lambda s: s.samples > before.samples + 200)
            warnings = client.session(session.id).warnings
            client.stop(session.id)
    assert any("taken by label" in warning for warning in warnings)
    # What was lost between the two, by the stamps, and nothing else.
    assert state.continuity.missing > 0
    assert state.continuity.resets == 1
    (path,) = folder.glob(f"{session.id}-*.xdf")
    recording = read_recording(path)
    assert recording.spec.labels == ("Oz", "O1", "O2", "ramp")
    # The counter goes on by one, but where the second headset took over.
    assert np.count_nonzero(np.diff(recording.samples[:, 3]) != 1.0) == 1
    assert replayed(path)[1]


@pytest.mark.slow
@pytest.mark.parametrize("other", ["rate_hz=200", "labels=O2,Oz,ramp"])
def test_a_stream_that_comes_back_as_another_signal_is_followed_and_each_part_replays(
    service: RunningService, folder: Path, other: str
) -> None:
    with Client(service.url) as client:
        config = recorded(f"gappy-{uuid.uuid4().hex}")
        config["stream"]["on_change"] = "follow"
        with gappy_headset(source_id=config["stream"]["source_id"]) as source_id:
            session = client.create_session(config)
            before = await_state(client, session.id, lambda s: s.last_seq >= 5)
        with gappy_headset(other, source_id=source_id):
            state = await_state(
                client, session.id, lambda s: s.reconnects and s.last_seq >= before.last_seq + 15
            )
            shown = client.session(session.id)
            live = client.intents(session.id, limit=1000).intents
            client.stop(session.id)
    assert (state.state, state.epoch, state.continuity.resets) == ("running", 1, 0)
    assert any("follows it" in warning for warning in shown.warnings)
    assert [intent.seq for intent in live] == list(range(1, len(live) + 1))
    labels = {intent.label for intent in live if isinstance(intent, SelectionIntent)}
    assert labels == {"looked at"}
    assert isinstance(live[-1], SelectionIntent)

    parts = [read_recording(path) for path in folder.glob(f"{session.id}-*.xdf")]
    first, second = sorted(parts, key=lambda part: part.times[0])
    assert first.spec.labels == ("Oz", "O1", "O2", "ramp")
    assert (second.spec.rate_hz, second.spec.labels) == (
        (200.0, first.spec.labels) if "rate" in other else (250.0, ("O2", "Oz", "ramp"))
    )
    # Nothing is decided on a window that holds some of both.
    known = recorded_session(second)
    assert known is not None
    assert known.lacks == ""
    later = [intent for intent in live if intent.seq >= known.next_seq]
    assert later[0].t_sample - second.times[0] >= 0.45
    for part in parts:
        texts = [json.loads(text) for _, text in part.metadata["texts"]["volition-status"]]
        (note,) = (text["followed"] for text in texts if "followed" in text)
        assert "4 channels (Oz, O1, O2, ramp) at 250 Hz" in note["had"]
        assert f"at {second.spec.rate_hz:g} Hz" in note["now"]
        told = recorded_session(part)
        assert told is not None
        done = replay(part, told.config, 7, next_seq=told.next_seq)
        assert (done.intents, done.sha256) == (told.live_intents, told.live_sha256)


@pytest.mark.slow
def test_a_stop_that_is_pressed_while_a_session_follows_another_signal_holds_on_it(
    service: RunningService,
) -> None:
    config = recorded(f"gappy-{uuid.uuid4().hex}", window_s=1.0)
    config["stream"]["on_change"] = "follow"
    # More targets take longer to prepare for the other signal.
    config["decoder"]["targets"] += [{"label": f"t{n}", "freq_hz": 15 + 0.2 * n} for n in range(60)]
    source_id = config["stream"]["source_id"]
    with Client(service.url) as client:
        with gappy_headset(source_id=source_id):
            session = client.create_session(config).id
            await_state(client, session, lambda s: s.last_seq >= 5)
        await_state(client, session, lambda s: s.state != "running")
        before = client.emergency_stop(session)
        with gappy_headset("rate_hz=200", source_id=source_id):
            await_state(client, session, lambda s: s.last_seq >= before.last_seq + 8)
            held = client.intents(session, after=before.last_seq, limit=1000).intents
            client.release(session, order=before.answer.order)
            with client.subscribe(session) as messages:
                released = next(m for m in messages if isinstance(m, SelectionIntent))
        await_state(client, session, lambda s: s.state != "running")
        with gappy_headset(source_id=source_id):
            # Once the stream is seen here the session, too, has found it or soon will.
            find_one(source_id=source_id, wait_s=20)
            during = client.emergency_stop(session)
            await_state(client, session, lambda s: s.last_seq >= during.last_seq + 8)
            after = client.intents(session, after=during.last_seq, limit=1000).intents
            shown = client.session(session)
        client.stop(session)
    assert before.stop.confirmed
    assert during.stop.confirmed
    assert {(one.kind, getattr(one, "reason", None)) for one in held} == {("idle", "held")}
    assert {(one.kind, getattr(one, "reason", None)) for one in after} == {("idle", "held")}
    assert released.seq > held[-1].seq
    assert sum("follows it" in warning for warning in shown.warnings) == 1


@pytest.mark.slow
def test_a_model_fitted_to_the_former_signal_does_not_follow_and_the_state_says_why(
    service: RunningService, folder: Path
) -> None:
    spec = SignalSpec(250.0, ("Oz", "O1", "O2", "ramp"))
    rng = np.random.default_rng(0)
    velocities = rng.standard_normal((300, 2))
    features = velocities @ np.ones((2, 4)) + rng.standard_normal((300, 4))
    card = ModelCard(kind="kalman", input=ModelInput.of(spec), decoder={"kind": "kalman"})
    model = KalmanDecoder.fit(KalmanSettings(), features, velocities).to_bytes()
    ModelRegistry(folder.parent / "models").add("hand", model, card)
    with Client(service.url) as client:
        config = recorded(f"gappy-{uuid.uuid4().hex}")
        config["stream"]["on_change"] = "follow"
        config["decoder"] = {"kind": "kalman", "model": "hand"}
        with gappy_headset(source_id=config["stream"]["source_id"]) as source_id:
            session = client.create_session(config)
            await_state(client, session.id, lambda s: s.samples > 100)
        with gappy_headset("rate_hz=200", source_id=source_id):
            state = await_state(client, session.id, lambda s: "another signal" in s.reason)
            client.stop(session.id)
    assert state.state == "connecting"
    assert "cannot follow it: the model hand@" in state.reason
    assert "does not fit: " in state.reason
    assert "200 Hz" in state.reason


@pytest.mark.slow
def test_a_folder_that_cannot_be_written_is_a_warning_and_not_the_end(
    gappy: str, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("no folder")
    with (
        running_service(env={"VOLITION_DATA": str(tmp_path / "file")}) as service,
        Client(service.url) as client,
    ):
        session = client.create_session(recorded(gappy))
        state = await_state(
            client, session.id, lambda s: s.recording is not None and s.recording.error
        )
        assert "cannot be made" in state.recording.error
        client.intents(session.id, wait_s=30)
        shown = client.session(session.id)
    assert (shown.state in GOING_ON, shown.epoch) == (True, 1)
    assert any("recording" in warning for warning in shown.warnings)


@pytest.mark.slow
def test_recordings_are_listed_downloaded_and_deleted(
    service: RunningService, folder: Path, gappy: str
) -> None:
    with (
        Client(service.url) as client,
        httpx.Client(base_url=service.url, trust_env=False, timeout=60) as rest,
    ):
        session = client.create_session(recorded(gappy))
        seen = await_state(client, session.id, lambda s: s.recording and s.recording.samples > 200)
        name = seen.recording.file.removesuffix(".xdf")
        url = f"/v1/recordings/{name}"

        def listed() -> dict[str, Any]:
            found = rest.get("/v1/recordings").json()["recordings"]
            return next((view for view in found if view["id"] == name), {})

        growing = listed()  # once: it grows meanwhile
        assert growing | {"growing": True, "session": session.id, "epoch": 1} == growing
        assert rest.delete(url).status_code == 409
        part = rest.get(url)
        client.stop(session.id)
        assert not listed()["growing"]
        whole = rest.get(url)
        assert whole.headers["content-type"] == "application/octet-stream"
        assert whole.content == (folder / f"{name}.xdf").read_bytes()
        assert whole.content.startswith(part.content)
        assert rest.delete(url).status_code == 204
        assert rest.delete(url).status_code == 204
        assert rest.get(url).status_code == 404
        assert not listed()
    assert not (folder / f"{name}.xdf").exists()


@pytest.mark.parametrize(
    "id", ["../secret", "..%2Fsecret", "..", "%2e%2e%2fsecret", "a%00", "/etc/passwd", "link", ".x"]
)
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_no_name_of_a_recording_leads_out_of_its_folder(
    service: RunningService, folder: Path, id: str, method: str
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    secret = folder.parent / "secret.xdf"
    secret.write_text("secret")
    link = folder / "link.xdf"
    if not link.is_symlink():
        link.symlink_to(secret)
    answer = httpx.request(method, f"{service.url}/v1/recordings/{id}", trust_env=False, timeout=60)
    assert answer.status_code in (404, 405, 422) or (method == "DELETE" and id == "link")
    assert "secret" not in answer.text.replace(id, "")
    assert secret.read_text() == "secret"
    assert link.is_symlink()
    listed = httpx.get(f"{service.url}/v1/recordings", trust_env=False, timeout=60).json()[
        "recordings"
    ]
    assert "link" not in {view["id"] for view in listed}


@pytest.mark.slow
def test_the_end_of_the_service_closes_the_recording(gappy: str, tmp_path: Path) -> None:
    with (
        running_service(env={"VOLITION_DATA": str(tmp_path)}) as service,
        Client(service.url) as client,
    ):
        session = client.create_session(recorded(gappy))
        await_state(client, session.id, lambda s: s.samples > 300)
        processes = psutil.Process(service.pid).children(recursive=True)
        psutil.Process(service.pid).terminate()
        _, alive = psutil.wait_procs(processes, timeout=2)
    # One whose parent went first is ended, though nobody asks how.
    assert not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]
    (path,) = (tmp_path / "recordings").glob("*.xdf")
    streams, _ = pyxdf.load_xdf(path, dejitter_timestamps=False)
    assert all("footer" in stream for stream in streams)
    assert len(streams) == 4
