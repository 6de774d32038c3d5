"""What users must be able to rely on when something goes wrong."""

from __future__ import annotations

import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import psutil
import pytest
from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from volition.children import may_fork
from volition.decoders.contract.intent import IdleIntent, SelectionIntent
from volition.service.client import Client
from volition.service.gateway.launch import running_service
from volition.service.wire.messages import Hello, ServerMessage, Status
from volition.streams.simulated.headset import HeadsetOptions, HeadsetProcess, SyntheticSignal

MakeConfig = Callable[..., dict[str, Any]]


def states(messages: Iterator[ServerMessage]) -> Iterator[Hello | Status]:
    return (m for m in messages if isinstance(m, Hello | Status))


def wait_for(messages: Iterator[ServerMessage], state: str) -> Hello | Status:
    return next(m for m in states(messages) if m.state == state)


def intents(messages: Iterator[ServerMessage]) -> Iterator[SelectionIntent | IdleIntent]:
    return (m for m in messages if isinstance(m, SelectionIntent | IdleIntent))


def worker_of(client: Client, id: str) -> psutil.Process:
    pid = client.session(id).worker_pid
    assert pid is not None
    return psutil.Process(pid)


def test_an_emergency_stop_lets_nothing_but_idle_out_until_it_is_released(
    client: Client, sliding: MakeConfig
) -> None:
    session = client.create_session(sliding())
    with client.subscribe(session.id) as messages:
        next(m for m in messages if isinstance(m, SelectionIntent))
        stopped = client.emergency_stop(session.id)
        assert stopped.held
        held_from = next(m for m in states(messages) if m.held)
        assert held_from.state == "running"
        after_stop = list(islice(intents(messages), 8))
        assert not client.release(session.id, order=stopped.answer.order).held
        next(m for m in messages if isinstance(m, SelectionIntent))
    assert {(i.kind, getattr(i, "reason", None)) for i in after_stop} == {("idle", "held")}


def test_the_command_line_stops_and_releases_every_session(
    client: Client, sliding: MakeConfig
) -> None:
    names = [client.create_session(sliding(name=f"s{n}")).id for n in range(2)]
    command = [sys.executable, "-m", "volition.service.cli", "estop", "--url", client.url]
    subprocess.run(command, check=True, capture_output=True)
    assert all(client.session(name).held for name in names)
    subprocess.run([*command, "s0", "--release"], check=True, capture_output=True)
    assert [client.session(name).held for name in names] == [False, True]


def test_an_emergency_stop_survives_the_worker(client: Client, sliding: MakeConfig) -> None:
    session = client.create_session(sliding())
    with client.subscribe(session.id) as messages:
        next(m for m in messages if isinstance(m, SelectionIntent))
        client.emergency_stop(session.id)
        worker_of(client, session.id).kill()
        seen = list(islice((i for i in intents(messages) if i.epoch == 2), 5))
    assert {intent.kind for intent in seen} == {"idle"}
    assert client.session(session.id).held


def test_a_worker_that_hangs_is_said_to_be_silent_then_replaced(
    client: Client, sliding: MakeConfig
) -> None:
    session = client.create_session(sliding())
    with client.subscribe(session.id) as messages:
        next(m for m in messages if isinstance(m, SelectionIntent))
        worker_of(client, session.id).suspend()
        assert "silent" in getattr(wait_for(messages, "degraded"), "reason", "")
        next(i for i in intents(messages) if i.epoch == 2)
    assert client.session(session.id).state == "running"


def test_a_worker_that_wakes_in_time_goes_on_by_itself(client: Client, sliding: MakeConfig) -> None:
    session = client.create_session(sliding())
    with client.subscribe(session.id) as messages:
        next(m for m in messages if isinstance(m, SelectionIntent))
        worker = worker_of(client, session.id)
        worker.suspend()
        wait_for(messages, "degraded")
        worker.resume()
        wait_for(messages, "running")
    assert client.session(session.id).epoch == 1


def test_a_silent_stream_degrades_the_session_and_its_return_is_noticed(
    client: Client, sliding: MakeConfig
) -> None:
    source_id = f"headset-{uuid.uuid4().hex}"
    options = HeadsetOptions(SyntheticSignal(8, 250.0, noise_uv=3.0), source_id=source_id)
    with HeadsetProcess(options) as headset:
        session = client.create_session(sliding(stream={"source_id": source_id}))
        with client.subscribe(session.id) as messages:
            wait_for(messages, "running")
            process = psutil.Process(headset.pid)
            process.suspend()
            degraded = wait_for(messages, "degraded")
            assert "no samples" in getattr(degraded, "reason", "")
            process.resume()
            wait_for(messages, "running")


def test_a_stream_that_ends_and_comes_back_is_found_again(
    client: Client, sliding: MakeConfig
) -> None:
    source_id = f"headset-{uuid.uuid4().hex}"
    options = HeadsetOptions(SyntheticSignal(8, 250.0, noise_uv=3.0), source_id=source_id)
    with HeadsetProcess(options) as headset:
        session = client.create_session(sliding(stream={"source_id": source_id}))
        with client.subscribe(session.id) as messages:
            wait_for(messages, "running")
            psutil.Process(headset.pid).kill()
            wait_for(messages, "connecting")
            with HeadsetProcess(options):
                wait_for(messages, "running")
    assert client.session(session.id).epoch == 1


def test_a_text_that_is_no_utf_8_ends_its_socket_and_is_a_line_in_the_log(
    sliding: MakeConfig, tmp_path: Path
) -> None:
    with (
        (tmp_path / "log").open("w") as log,
        running_service(stderr=log) as service,
        Client(service.url) as client,
    ):
        session = client.create_session(sliding())
        url = f"{service.url.replace('http', 'ws')}/v1/sessions/{session.id}/intents"
        with connect(url, subprotocols=[Subprotocol("volition.v1.json")], proxy=None) as socket:
            socket.send(b"\xff\xfe", text=True)
            with pytest.raises(ConnectionClosedError, match="1007"):
                list(socket)
        assert client.health().status == "ok"
    said = (tmp_path / "log").read_text()
    assert "no UTF-8" in said
    assert "Traceback" not in said


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the memory of another system's C library")
def test_changing_the_model_again_and_again_leaves_no_memory_behind(
    client: Client, sliding: MakeConfig
) -> None:
    config = sliding()
    targets = [{"label": f"t{n}", "freq_hz": 9 + n * 0.1} for n in range(60)]
    large = {**config["decoder"], "targets": targets, "window_s": 2.0}
    session = client.create_session(config).id
    with client.subscribe(session) as messages:
        next(m for m in messages if isinstance(m, SelectionIntent))
    worker = worker_of(client, session)
    taken_mb = []
    for _ in range(12):
        for decoder in (large, config["decoder"]):
            client.swap_model(session, decoder=decoder)
        taken_mb.append(worker.memory_info().rss / 1e6)
    assert max(taken_mb[2:]) < taken_mb[1] + 10  # where each pair of changes left 4 MB


@pytest.mark.parametrize("state", ["created", "connecting", "running", "silent", "stopped"])
def test_a_service_that_is_told_to_end_does_so_within_seconds_from_every_state(
    state: str, headset: str, sliding: MakeConfig, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    with (
        log.open("w") as file,
        running_service(stderr=file) as service,
        Client(service.url) as client,
    ):
        has_stream = state not in ("created", "connecting")
        config = sliding() if has_stream else sliding(stream={"source_id": "nobody"})
        session = client.create_session(config)
        with client.subscribe(session.id) as messages:
            wait_for(messages, "running" if has_stream else state)
            if state == "silent":
                worker_of(client, session.id).suspend()
                wait_for(messages, "degraded")
            elif state == "stopped":
                client.stop(session.id)
        process = psutil.Process(service.pid)
        family = [process, *process.children(recursive=True)]
        process.terminate()
        _, alive = psutil.wait_procs(family, timeout=4)
    assert not alive
    # One that has nothing to close is not waited for.
    assert ("worker does not stop" in log.read_text()) is (state == "silent")


@pytest.mark.skipif(not may_fork(), reason="processes are not forked here")
def test_sessions_outlive_what_forked_them_and_others_can_be_made(
    sliding: MakeConfig,
) -> None:
    with running_service() as service, Client(service.url) as client:
        first = client.create_session(sliding())
        with client.subscribe(first.id) as messages:
            wait_for(messages, "running")
            forks = worker_of(client, first.id).parent()
            assert forks is not None
            assert forks.pid != service.pid
            forks.kill()
            assert len(list(islice(intents(messages), 4))) == 4

        second = client.create_session(sliding())
        with client.subscribe(second.id) as messages:
            wait_for(messages, "running")

        assert client.session(first.id).epoch == 1
        client.stop(first.id)
        assert client.session(first.id).state == "stopped"


def test_nothing_outlives_a_killed_user_of_the_service(tmp_path: Path) -> None:
    script = tmp_path / "user.py"
    script.write_text(
        "import time\n"
        "from volition.service.client import Client\n"
        "from volition.service.gateway.launch import running_service\n"
        "if __name__ == '__main__':\n"
        "    with running_service() as service, Client(service.url) as client:\n"
        "        client.streams(wait_s=0)\n"
        "        print(service.pid, flush=True)\n"
        "        time.sleep(600)\n"
    )
    user = psutil.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    gateway = psutil.Process(int(user.stdout.readline()))
    family = [gateway, *gateway.children(recursive=True)]
    user.kill()
    user.wait(timeout=30)
    user.stdout.close()
    _, alive = psutil.wait_procs(family, timeout=60)
    assert not alive


def test_the_process_that_looks_for_streams_ends_with_a_killed_service() -> None:
    with running_service() as service, Client(service.url) as client:
        client.streams(wait_s=0)
        children = psutil.Process(service.pid).children(recursive=True)
        psutil.Process(service.pid).kill()
        _, alive = psutil.wait_procs(children, timeout=60)
    assert not alive
