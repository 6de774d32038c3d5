"""An emergency stop always holds, whatever else the service, its clients or its workers do."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from volition.decoders.contract.intent import CursorIntent, IdleIntent, SelectionIntent
from volition.service.client import ApiError, Client, UnreachableError
from volition.service.client.call import Call
from volition.service.gateway.auth import Role, TokenFile
from volition.service.gateway.launch import RunningService, running_service
from volition.service.worker.recorder import STATUS
from volition.streams.files.recording import read_recording
from volition.streams.lsl.clock import local_clock
from volition.streams.lsl.discovery import find_one
from volition.streams.lsl.inlet import MarkerInlet
from volition.streams.simulated.headset import HeadsetOptions, HeadsetProcess, SyntheticSignal

MakeConfig = Callable[..., dict[str, Any]]

#: From an answer to what a listener on LSL may still be handed over of what was pushed before it.
ON_ITS_WAY_S = 0.25
#: From this process's clock to the one that intents are stamped by.
TO_LSL_S = local_clock() - time.monotonic()
ON_MARKERS = {
    "kind": "fbcca",
    "targets": [{"label": "slow", "freq_hz": 9}, {"label": "fast", "freq_hz": 12}],
    "trigger": "markers",
}


class LslListener:
    """Keeps what a session's LSL outlet sends, with the moment at which it came.

    ``made_at`` is when it was decided, or its stamp if that is later, on this process's clock.
    """

    def __init__(self, session: str) -> None:
        self.got: list[tuple[float, dict[str, Any]]] = []
        self.made_at: list[float] = []
        self._inlet = MarkerInlet(find_one(source_id=f"volition-{session}", wait_s=20))
        self._inlet.open(5)
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def _listen(self) -> None:
        while not self._ends.wait(0.002):
            for event in self._inlet.pull():
                intent = json.loads(event.name)
                self.got.append((time.monotonic(), intent))
                self.made_at.append(max(intent["t_decoded"], event.time) - TO_LSL_S)

    def __enter__(self) -> LslListener:
        return self

    def __exit__(self, *exc: object) -> None:
        self._ends.set()
        self._thread.join()
        self._inlet.close()

    def hears_more(self, n: int = 8) -> None:
        """Wait until ``n`` more intents have come, neutral ones among them."""
        wanted = len(self.got) + n
        wait_until(lambda: len(self.got) >= wanted)

    def moving_after(self, t: float) -> list[dict[str, Any]]:
        """Give what was decided after a moment, or came so late that it was not on its way."""
        return [
            one
            for (came, one), made in zip(self.got, self.made_at, strict=True)
            if moves(one) and (came > t + ON_ITS_WAY_S or made > t)
        ]

    def moving_behind_the_first_held(self) -> list[dict[str, Any]]:
        """Give what moves behind the first intent that says that the stop holds."""
        sent = [one for _, one in self.got]
        first = next(place for place, one in enumerate(sent) if one.get("reason") == "held")
        return [one for one in sent[first:] if moves(one)]


def wait_until(is_true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not is_true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def moves(intent: dict[str, Any]) -> bool:
    return intent.get("reason") is None and intent.get("kind") != "idle"


@contextlib.contextmanager
def flood(do: Callable[[], object], n_threads: int = 3) -> Iterator[None]:
    """Do something without a pause in several threads, while the block lasts."""
    ends = threading.Event()

    def run() -> None:
        while not ends.is_set():
            with contextlib.suppress(httpx.HTTPError, ConnectionClosed, OSError):
                do()

    threads = [threading.Thread(target=run) for _ in range(n_threads)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ends.set()
        for thread in threads:
            thread.join()


def decides(client: Client, session: str) -> None:
    """Wait until a session makes decisions."""
    with client.subscribe(session) as messages:
        next(m for m in messages if isinstance(m, SelectionIntent))


def worker_of(client: Client, session: str) -> psutil.Process:
    pid = client.session(session).worker_pid
    assert pid is not None
    return psutil.Process(pid)


def estop_command(url: str, *arguments: str, data: str | None = None) -> dict[str, Any]:
    command = [sys.executable, "-m", "volition.service.cli", "estop", "--url", url, "--json"]
    env = {**os.environ, **({"VOLITION_DATA": data} if data else {})}
    done = subprocess.run(
        [*command, *arguments], env=env, capture_output=True, text=True, timeout=60, check=False
    )
    return {"rc": done.returncode, **json.loads(done.stdout.splitlines()[-1])}


def test_no_flood_of_other_callers_refuses_the_stop(client: Client, sliding: MakeConfig) -> None:
    session = client.create_session(sliding()).id
    decides(client, session)
    http = httpx.Client(base_url=client.url, trust_env=False, timeout=60)
    refused: list[int] = []

    def mark() -> None:
        refused.append(http.post(f"/v1/sessions/{session}/markers", json={"name": "x"}).status_code)

    with http, flood(mark):
        wait_until(lambda: 429 in refused)
        answers = [client.emergency_stop(session) for _ in range(17)]
    http = httpx.Client(base_url=client.url, trust_env=False, timeout=60)
    with http:  # whoever deletes the session is of the same address
        path = f"/v1/sessions/{session}/markers"
        wait_until(lambda: http.post(path, json={"name": "x"}).status_code != 429)
    assert all(one.held and one.stop.confirmed for one in answers)
    assert len({one.answer.order for one in answers}) == 17


@pytest.mark.slow
def test_when_the_stop_is_answered_nothing_but_neutral_intents_leaves_by_any_way(
    client: Client, sliding: MakeConfig
) -> None:
    session = client.create_session(sliding(outputs=[{"kind": "lsl"}])).id
    decides(client, session)
    url = client.url.replace("http", "ws") + f"/v1/sessions/{session}/intents"
    marker = json.dumps({"type": "marker", "name": "x", "data": {"d": "y" * 45_000}})
    with (
        LslListener(session) as outlet,
        client.subscribe(session) as messages,
        connect(f"{url}?kinds=click", compression=None, proxy=None) as sender,
    ):
        sent: list[str] = []

        def send() -> None:
            sender.send(marker)
            sent.append(marker)

        with flood(send, 1):
            wait_until(lambda: len(sent) > 20)
            answer = client.emergency_stop(session)
            answered = time.monotonic()
        assert answer.stop.confirmed
        seen: list[Any] = []
        # Numbers go on, so that the first behind the answer's is of after it.
        while not seen or seen[-1].seq < answer.last_seq + 5:
            message = next(messages)
            if isinstance(message, SelectionIntent | IdleIntent):
                seen.append(message)
        outlet.hears_more()
        page = client.intents(session, limit=1000).intents
        assert outlet.moving_after(answered) == []
        assert outlet.moving_behind_the_first_held() == []
    assert {one.kind for one in seen if one.seq > answer.last_seq} == {"idle"}
    assert {one.kind for one in page} == {"idle"}


@pytest.mark.slow
def test_a_worker_that_does_not_obey_is_killed_and_comes_back_held(
    client: Client, sliding: MakeConfig
) -> None:
    session = client.create_session(sliding(outputs=[{"kind": "lsl"}])).id
    decides(client, session)
    with LslListener(session) as outlet:
        worker_of(client, session).suspend()
        began = time.monotonic()
        stopped = client.emergency_stop(session)
        answered = time.monotonic()
        assert answered - began < 1.5
        assert (stopped.answer.outcome, stopped.stop.confirmed) == ("killed", True)
        with client.subscribe(session) as messages:
            second = next(m for m in messages if isinstance(m, IdleIntent) and m.epoch == 2)
        assert second.reason == "held"
        assert outlet.moving_after(answered) == []
    with LslListener(session) as outlet:  # the one of the worker that came back
        outlet.hears_more()
        assert outlet.moving_after(answered) == []
    steps = [step.reason for step in client.session(session).steps]
    assert any("did not obey the emergency stop" in reason for reason in steps)


@pytest.mark.slow
def test_while_a_model_is_changed_the_stop_is_answered_at_once_and_holds(
    client: Client, sliding: MakeConfig
) -> None:
    config = sliding(outputs=[{"kind": "lsl"}])
    targets = [{"label": f"t{n}", "freq_hz": 8 + n * 0.11} for n in range(70)]
    slow = {**config["decoder"], "targets": targets, "window_s": 2.5}
    session = client.create_session(config).id
    decides(client, session)
    with LslListener(session) as outlet:
        for pause_s in (0.02, 0.1, 0.2):
            change = threading.Thread(target=lambda: client.swap_model(session, decoder=slow))
            with Client(client.url) as other:
                change.start()
                time.sleep(pause_s)
                stopped = other.emergency_stop(session)
                assert stopped.stop.confirmed
                answered = time.monotonic()
                change.join()
                outlet.hears_more()
                assert outlet.moving_after(answered) == []
                other.release(session, order=stopped.answer.order)
                other.swap_model(session, decoder=config["decoder"])
            decides(client, session)


@pytest.mark.slow
def test_the_command_line_stops_every_session_of_a_gateway_that_hangs(
    sliding: MakeConfig, tmp_path: Path
) -> None:
    env = {"VOLITION_DATA": str(tmp_path)}
    with running_service(env=env) as service, Client(service.url) as client:
        for name in ("arm", "leg"):
            client.create_session(sliding(name=name, outputs=[{"kind": "lsl"}]))
        for name in ("arm", "leg"):
            decides(client, name)
        with LslListener("arm") as outlet:
            gateway = psutil.Process(service.pid)
            gateway.suspend()
            try:
                said = estop_command(service.url, data=str(tmp_path))
                answered = time.monotonic()
                outlet.hears_more()
            finally:
                gateway.resume()
            assert outlet.moving_after(answered) == []
        assert said["rc"] == 0
        assert {one["id"]: one["held"] for one in said["sessions"]} == {"arm": True, "leg": True}
        view = client.session("leg")
        assert view.held
        assert view.epoch == 1  # a watch that slept judges nobody
        assert view.stop.pressed is not None
        assert view.stop.pressed.where in ("this host", "REST from 127.0.0.1")


@pytest.mark.slow
def test_with_a_gateway_and_a_worker_that_hang_the_command_line_ends_the_worker(
    sliding: MakeConfig, tmp_path: Path
) -> None:
    env = {"VOLITION_DATA": str(tmp_path)}
    with running_service(env=env) as service, Client(service.url) as client:
        client.create_session(sliding(name="arm"))
        decides(client, "arm")
        worker, gateway = worker_of(client, "arm"), psutil.Process(service.pid)
        worker.suspend()
        gateway.suspend()
        try:
            said = estop_command(service.url, data=str(tmp_path))
        finally:
            gateway.resume()
        assert said["rc"] == 0
        assert "killed" in said["sessions"][0]["ways"]["word"]
        with client.subscribe("arm") as messages:
            assert next(m for m in messages if isinstance(m, IdleIntent)).reason == "held"
        told = [step.reason for step in client.session("arm").steps]
        assert any("did not obey the emergency stop" in reason for reason in told)


def test_the_command_line_goes_on_after_a_failure_and_says_what_is_not_confirmed() -> None:
    said = estop_command("http://127.0.0.1:9", "nobody")
    (one,) = said["sessions"]
    assert (said["rc"], one["id"], one["held"]) == (1, "nobody", False)
    assert set(one["ways"]) == {"rest", "socket"}


@pytest.mark.slow
@pytest.mark.parametrize("restore", [True, False])
def test_what_was_answered_before_a_kill_is_what_the_next_service_finds(
    sliding: MakeConfig, tmp_path: Path, restore: bool
) -> None:
    env = {"VOLITION_DATA": str(tmp_path)}
    arguments = ["--restore"] if restore else []
    with running_service(*arguments, env=env) as service, Client(service.url) as client:
        for name in ("held", "ended", "deleted", "let-go"):
            client.create_session(sliding(name=name))
        decides(client, "held")
        order = client.emergency_stop("let-go").answer.order
        client.release("let-go", order=order)
        client.stop("ended")
        client.delete("deleted")
        assert client.emergency_stop("held").answer.remembered
        kill_all(service)
    with running_service(*arguments, env=env) as service, Client(service.url) as client:
        if not restore:
            assert client.sessions() == []
            for name in ("held", "let-go"):
                client.create_session(sliding(name=name))
        assert {one.id: one.held for one in client.sessions()} == {"held": True, "let-go": False}
        with client.subscribe("held", after=0) as messages:
            assert next(m for m in messages if isinstance(m, IdleIntent)).reason == "held"
        deed = client.session("held").stop.pressed
        assert deed is not None
        assert deed.where == "REST from 127.0.0.1"


def kill_all(service: RunningService) -> None:
    gateway = psutil.Process(service.pid)
    children = gateway.children(recursive=True)
    os.kill(service.pid, getattr(signal, "SIGKILL", signal.SIGTERM))
    psutil.wait_procs(children, timeout=60)


@pytest.mark.slow
def test_a_held_cursor_stays_where_it_is_and_goes_on_from_there(client: Client) -> None:
    source_id = f"features-{uuid.uuid4().hex}"
    signal_ = SyntheticSignal(10, 10.0, noise_uv=1.0, seed=4)
    with HeadsetProcess(HeadsetOptions(signal_, source_id=source_id)):
        session = client.create_session(
            {
                "stream": {"source_id": source_id},
                "decoder": {"kind": "recurrent", "network": "flint-run1-gru"},
                "outputs": [{"kind": "lsl"}],
            }
        ).id
        with client.subscribe(session) as messages, LslListener(session) as outlet:
            cursors = (m for m in messages if isinstance(m, CursorIntent))
            moved = [next(cursors) for _ in range(10)]
            order = client.emergency_stop(session).answer.order
            answered = time.monotonic()
            held = [one for one in (next(cursors) for _ in range(40)) if not any(one.velocity)]
            client.release(session, order=order)
            let_go = next(one for one in cursors if any(one.velocity))
            seen = [one for came, one in outlet.got if came > answered + ON_ITS_WAY_S]
    assert len({tuple(one.position or ()) for one in moved}) > 5
    assert len(held) > 20
    (place,) = {tuple(one.position or ()) for one in held}
    step = [after - before for after, before in zip(let_go.position or (), place, strict=True)]
    assert max(map(abs, step)) <= 2 * max(map(abs, let_go.velocity)) / 10.0
    stood = {tuple(one["position"]) for one in seen if one.get("velocity") == [0.0, 0.0]}
    assert stood == {place}


@pytest.mark.slow
def test_who_stopped_and_who_released_stands_in_view_log_recording_and_metrics(
    sliding: MakeConfig, tmp_path: Path
) -> None:
    tokens = TokenFile(tmp_path / "tokens.json")
    nurse, physician = (tokens.make(name, Role.ADMIN) for name in ("nurse", "physician"))
    log = (tmp_path / "log").open("w")
    with (
        log,
        running_service(
            *("--tokens", str(tokens.path)), env={"VOLITION_DATA": str(tmp_path)}, stderr=log
        ) as service,
        Client(service.url, token=nurse) as one,
        Client(service.url, token=physician) as other,
    ):
        one.create_session(sliding(name="arm", outputs=[{"kind": "record"}]))
        decides(one, "arm")
        pressed = one.emergency_stop("arm")
        assert pressed.stop.release_moves == ["the output record"]
        before = time.time()
        released = other.release("arm", order=pressed.answer.order)
        metrics = one.send(Call("GET", "/metrics", bytes.decode))
        decides(one, "arm")
        one.stop("arm")
    assert (released.stop.pressed, released.stop.released) != (None, None)
    assert released.stop.pressed is not None
    assert released.stop.released is not None
    assert (released.stop.pressed.by, released.stop.released.by) == ("nurse", "physician")
    assert released.stop.pressed.order == released.stop.released.order == pressed.answer.order
    assert abs(released.stop.released.utc - before) < 2
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    told = [(one["event"], one["by"]) for one in lines if "emergency stop" in one["event"]]
    assert told == [("emergency stop", "nurse"), ("emergency stop released", "physician")]
    assert 'volition_stop_last_released_seconds{by="physician",session="arm"' in metrics
    assert 'volition_stop_pressed_total{session="arm"} 1.0' in metrics
    (path,) = (tmp_path / "recordings").glob("arm-*.xdf")
    notes = [json.loads(t) for _, t in read_recording(path).metadata["texts"][STATUS]]
    holds = [note["hold"] for note in notes if "hold" in note]
    assert [(hold["held"], hold["by"]) for hold in holds] == [(True, "nurse"), (False, "physician")]


def test_a_release_that_a_hanging_gateway_is_late_with_releases_no_later_press(
    sliding: MakeConfig, tmp_path: Path
) -> None:
    env = {"VOLITION_DATA": str(tmp_path)}
    with running_service(env=env) as service, Client(service.url) as client:
        client.create_session(sliding(name="arm"))
        order = client.emergency_stop("arm").answer.order
        gateway = psutil.Process(service.pid)
        gateway.suspend()
        try:
            with ThreadPoolExecutor(1) as pool:
                release = pool.submit(client.release, "arm", order=order)
                said = estop_command(service.url, data=str(tmp_path))
                gateway.resume()
                # Refused; or never taken, where the service finds the connection too old.
                with pytest.raises((ApiError, UnreachableError)):
                    release.result(timeout=60)
        finally:
            gateway.resume()
        assert said["rc"] == 0
        assert client.session("arm").held


def test_a_release_that_does_not_know_of_the_last_press_is_refused(
    client: Client, sliding: MakeConfig
) -> None:
    session = client.create_session(sliding()).id
    first = client.emergency_stop(session).answer.order
    client.emergency_stop(session)
    with pytest.raises(ApiError, match="pressed again"):
        client.release(session, order=first)
    assert client.session(session).held


@pytest.mark.slow
def test_a_revoked_token_loses_its_open_sockets_at_once_and_presses_nothing(
    sliding: MakeConfig, tmp_path: Path
) -> None:
    tokens = TokenFile(tmp_path / "tokens.json")
    boss, guest = tokens.make("boss", Role.ADMIN), tokens.make("guest", Role.CONTROL)
    with (
        running_service("--tokens", str(tokens.path)) as service,
        Client(service.url, token=boss) as client,
    ):
        session = client.create_session(sliding(decoder=ON_MARKERS)).id
        url = service.url.replace("http", "ws") + f"/v1/sessions/{session}/intents"
        headers = {"Authorization": f"Bearer {guest}"}
        options: dict[str, Any] = {"additional_headers": headers, "proxy": None}
        with connect(url, **options) as talks, connect(url, **options) as listens:
            for socket in (talks, listens):
                assert json.loads(socket.recv())["type"] == "hello"
            tokens.revoke("guest")
            talks.send('{"type": "estop"}')
            for socket in (talks, listens):
                began = time.monotonic()
                assert until_closed(socket) == (1008, "the token was revoked")
                assert time.monotonic() - began < 1.0
        assert not client.session(session).held


def until_closed(socket: ClientConnection) -> tuple[int, str]:
    """Read a socket to its end; give the code and the reason."""
    with contextlib.suppress(ConnectionClosed):
        while True:
            socket.recv(timeout=5)
    return socket.close_code or 0, socket.close_reason or ""


def test_the_client_stops_by_every_way_and_says_what_is_confirmed(
    client: Client, sliding: MakeConfig
) -> None:
    session = client.create_session(sliding()).id
    decides(client, session)
    report = client.estop(session)
    assert report.confirmed
    assert client.session(session).stop.confirmed
    nowhere = client.estop("nobody")
    assert not nowhere.confirmed
    assert "404" in nowhere.ways["rest"]
