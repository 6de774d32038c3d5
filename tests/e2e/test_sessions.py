"""From a real LSL stream to real clients, through real processes."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import httpx
import jsonschema_rs
import numpy as np
import psutil
import pytest
import websockets.sync.client

from volition.decoders.contract.intent import SelectionIntent
from volition.service.client import ApiError, Client
from volition.service.gateway.launch import RunningService, running_service
from volition.service.wire.messages import Bye, Hello, Status
from volition.streams.lsl.clock import local_clock

MakeConfig = Callable[..., dict[str, Any]]


def selections(messages: Iterator[Any]) -> Iterator[SelectionIntent]:
    return (m for m in messages if isinstance(m, SelectionIntent))


def test_what_the_wearer_looks_at_reaches_the_client(client: Client, sliding: MakeConfig) -> None:
    session = client.create_session(sliding())
    with client.subscribe(session.id) as messages:
        seen = list(islice(selections(messages), 10))
        now = local_clock()
    assert {intent.label for intent in seen} == {"looked at"}
    assert all(0 < now - intent.t_sample < 5 for intent in seen)
    assert client.session(session.id).state == "running"


def test_numbers_are_gapless_and_the_same_by_socket_and_by_rest(
    client: Client, sliding: MakeConfig
) -> None:
    session = client.create_session(sliding())
    with client.subscribe(session.id, after=0) as messages:
        by_socket = list(islice(selections(messages), 12))
    assert [intent.seq for intent in by_socket] == list(range(1, 13))
    page = client.intents(session.id, after=0, limit=12)
    assert page.intents == by_socket


def test_a_client_resumes_where_it_was(client: Client, sliding: MakeConfig) -> None:
    session = client.create_session(sliding())
    with client.subscribe(session.id, after=0) as messages:
        last = list(islice(selections(messages), 5))[-1].seq
    with client.subscribe(session.id, after=last) as messages:
        assert next(selections(messages)).seq == last + 1


def test_a_long_poll_is_answered_by_the_next_intent(client: Client, sliding: MakeConfig) -> None:
    session = client.create_session(sliding())
    page = client.intents(session.id, after=0, wait_s=30)
    assert page.intents[0].seq == 1


def test_a_killed_worker_is_replaced_and_its_numbers_go_on(
    client: Client, sliding: MakeConfig
) -> None:
    session = client.create_session(sliding())
    with client.subscribe(session.id, after=0) as messages:
        next(selections(messages))
        pid = client.session(session.id).worker_pid
        assert pid is not None
        psutil.Process(pid).kill()
        seen = list(islice((i for i in selections(messages) if i.epoch == 2), 3))
    numbers = [i.seq for i in client.intents(session.id, after=0, limit=1000).intents]
    assert numbers == list(range(1, len(numbers) + 1))
    assert seen[-1].seq in numbers
    view = client.session(session.id)
    assert view.epoch == 2
    assert any("worker died" in step.reason for step in view.steps)
    lost = client.state(session.id).lost_with_workers
    assert lost > 0
    assert f"up to {lost} were lost with the worker before" in view.steps[-1].reason


def test_stopping_and_deleting_twice_is_as_good_as_once(
    client: Client, sliding: MakeConfig
) -> None:
    session = client.create_session(sliding(name="short"))
    assert client.stop(session.id).state == "stopped"
    assert client.stop(session.id).state == "stopped"
    client.delete(session.id)
    client.delete(session.id)
    with pytest.raises(ApiError, match="there is no session short"):
        client.session(session.id)


def test_the_socket_says_why_it_closes(client: Client, sliding: MakeConfig) -> None:
    session = client.create_session(sliding())
    with client.subscribe(session.id) as messages:
        assert next(messages).type == "hello"
        next(selections(messages))
        client.stop(session.id)
        rest = list(messages)
    assert isinstance(rest[-1], Bye)
    assert "asked to stop" in rest[-1].reason
    assert [m.state for m in rest if isinstance(m, Status)] == ["stopped"]


def test_a_name_that_is_taken_is_a_conflict(client: Client, sliding: MakeConfig) -> None:
    client.create_session(sliding(name="twice"))
    with pytest.raises(ApiError) as caught:
        client.create_session(sliding(name="twice"))
    assert caught.value.fields["status"] == 409


def test_a_missing_stream_is_named_with_what_is_there(client: Client, headset: str) -> None:
    session = client.create_session(
        {
            "stream": {"source_id": "nobody", "wait_s": 0.6},
            "decoder": {"kind": "fbcca", "targets": [_target("a", 9), _target("b", 12)]},
        }
    )
    with client.subscribe(session.id) as messages:
        bye = list(messages)[-1]
    assert isinstance(bye, Bye)
    assert "nobody" in bye.reason
    assert "volition-headset (EEG, 8 ch" in bye.reason
    assert client.session(session.id).state == "failed"


def test_a_channel_that_is_missing_fails_the_session_with_those_found(
    client: Client, sliding: MakeConfig, headset: str
) -> None:
    session = client.create_session(sliding(stream={"source_id": headset, "channels": ["1", "Oz"]}))
    with client.subscribe(session.id) as messages:
        list(messages)
    view = client.session(session.id)
    assert view.state == "failed"
    assert "Oz" in view.reason
    assert "1, 2, 3" in view.reason


def test_markers_by_rest_and_by_socket_start_a_decision_each(
    client: Client, sliding: MakeConfig
) -> None:
    config = sliding()
    config["decoder"] = {**config["decoder"], "trigger": "markers", "delay_s": 0.1}
    session = client.create_session(config)
    with client.subscribe(session.id) as messages:
        _until_running(client, session.id)
        marker = client.marker(session.id, "trial_start")
        assert next(selections(messages)).t_trigger == pytest.approx(marker.t)
        times = [marker.t + 0.5, marker.t + 0.6]
        assert client.markers(session.id, [("trial_start", t) for t in times]).count == 2
        asked_for = [next(selections(messages)).t_trigger for _ in times]
        assert asked_for == pytest.approx(times)
    url = client_url(client, session.id)
    with websockets.sync.client.connect(url, proxy=None) as socket:
        socket.send(json.dumps({"type": "marker", "name": "trial_start"}))
        kinds = [json.loads(socket.recv(timeout=30)).get("kind") for _ in range(2)]
        both = [{"name": "trial_start", "t": local_clock() + ahead_s} for ahead_s in (0.0, 0.1)]
        socket.send(json.dumps({"type": "markers", "markers": both}))
        kinds += [json.loads(socket.recv(timeout=30)).get("kind") for _ in range(2)]
    assert kinds == [None, "selection", "selection", "selection"]


def test_every_message_is_what_the_asyncapi_document_says(
    client: Client, service: RunningService, sliding: MakeConfig
) -> None:
    document = httpx.get(f"{service.url}/asyncapi.json", trust_env=False, timeout=60).json()
    schema = {**document["components"]["schemas"]["ServerMessage"], **document}
    validator = jsonschema_rs.Draft202012Validator(schema)
    session = client.create_session(sliding())
    seen: set[str] = set()
    with websockets.sync.client.connect(client_url(client, session.id), proxy=None) as socket:
        socket.send(json.dumps({"type": "ping", "t_client": 1.5}))
        socket.send("no message")
        while not {"hello", "status", "intent", "pong", "refused"} <= seen:
            message = json.loads(socket.recv(timeout=30))
            validator.validate(message)
            seen.add(message["type"])
    assert not validator.is_valid({"type": "hello"})


def test_one_who_only_shows_intents_has_them_come_together(
    client: Client, sliding: MakeConfig
) -> None:
    session = client.create_session(sliding())
    with websockets.sync.client.connect(client_url(client, session.id), proxy=None) as socket:
        socket.send(json.dumps({"type": "gather", "for_s": 2}))
        while (message := json.loads(socket.recv(timeout=30)))["type"] != "refused":
            pass
        assert "for_s" in message["detail"]
        socket.send(json.dumps({"type": "gather", "for_s": 0.5}))
        came: list[tuple[int, float]] = []
        while len(came) < 40:
            message = json.loads(socket.recv(timeout=30))
            if message["type"] == "intent":
                came.append((message["seq"], local_clock() - message["t_decoded"]))
    numbers = [seq for seq, _ in came]
    assert numbers == list(range(numbers[0], numbers[0] + 40))
    # Those of one burst were decoded over half a second, and the last of it has waited least.
    waited_s = np.array([late_s for _, late_s in came[-30:]])
    assert waited_s.max() > 0.4
    assert (np.diff(waited_s) > 0.3).sum() >= 1


@pytest.mark.parametrize("query", ["after=x", "kinds=wish", "max_rate=0", "colour=red"])
def test_a_wrong_query_of_the_socket_is_refused_before_it_opens(
    client: Client, sliding: MakeConfig, query: str
) -> None:
    session = client.create_session(sliding())
    with pytest.raises(websockets.exceptions.InvalidStatus) as caught:
        websockets.sync.client.connect(client_url(client, session.id) + f"?{query}", proxy=None)
    assert caught.value.response.status_code == 422
    assert query.partition("=")[0] in caught.value.response.body.decode()


def test_the_state_of_the_decoder_can_be_asked_for(client: Client, sliding: MakeConfig) -> None:
    session = client.create_session(sliding())
    client.intents(session.id, wait_s=30)
    state = client.state(session.id)
    assert state.fresh
    assert state.signal is not None
    assert state.signal["labels"] == ["1", "2", "3", "4"]
    assert state.samples >= 250
    assert len(state.stages) == 1
    assert {"lsl", "stages", "decoder", "encode", "bus"} <= set(state.latency_ms)


def test_the_spectrum_shows_what_the_wearer_looks_at(client: Client, sliding: MakeConfig) -> None:
    session = client.create_session(sliding())
    client.intents(session.id, wait_s=30)
    found = client.spectrum(session.id, last_s=1.0)
    assert found.seconds == 1.0
    assert [channel.label for channel in found.channels] == ["1", "2", "3", "4"]
    for channel in found.channels:
        assert channel.amplitudes is not None
        assert found.freqs_hz[int(np.argmax(channel.amplitudes))] == 12.0


def test_metrics_count_what_the_session_did(
    client: Client, service: RunningService, sliding: MakeConfig
) -> None:
    session = client.create_session(sliding(name="counted"))
    client.intents(session.id, wait_s=30)
    text = httpx.get(f"{service.url}/metrics", trust_env=False, timeout=60).text
    assert 'volition_session_state{session="counted",state="running"} 1.0' in text
    assert 'volition_missing_samples_total{session="counted"} 0.0' in text
    assert 'volition_step_seconds_bucket{le="+Inf",session="counted",step="bus"}' in text


def test_no_worker_outlives_a_killed_service(headset: str, sliding: MakeConfig) -> None:
    with running_service() as service, Client(service.url) as client:
        client.create_session(sliding())
        client.intents(client.sessions()[0].id, wait_s=30)
        children = psutil.Process(service.pid).children(recursive=True)
        assert children
        os.kill(service.pid, signal.SIGKILL)
        _, alive = psutil.wait_procs(children, timeout=60)
    assert not alive


def _target(label: str, freq_hz: float) -> dict[str, Any]:
    return {"label": label, "freq_hz": freq_hz}


def _until_running(client: Client, id: str) -> None:
    with client.subscribe(id) as messages:
        next(m for m in messages if isinstance(m, Hello | Status) and m.state == "running")


def client_url(client: Client, id: str) -> str:
    return f"{client.url.replace('http', 'ws', 1)}/v1/sessions/{id}/intents"
