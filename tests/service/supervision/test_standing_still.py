"""A service that stood still, or had no room for a worker, makes no worse of it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from volition.errors import SessionError
from volition.service.sessions.config import parse_config
from volition.service.sessions.states import SessionState
from volition.service.supervision import supervisor as supervision
from volition.service.supervision.hub import Closed, Gap
from volition.service.supervision.session import Session
from volition.service.supervision.supervisor import Supervisor
from volition.service.supervision.worker_process import WorkerProcess
from volition.service.worker.bus import Frame, FrameType, IntentCode
from volition.streams.lsl.clock import local_clock

CONFIG = parse_config(
    {
        "stream": {"source_id": "headset"},
        "decoder": {
            "kind": "cca",
            "targets": [{"label": "a", "freq_hz": 9}, {"label": "b", "freq_hz": 11}],
        },
    }
)


class Process:
    """Stands in for a worker's process."""

    pid = 1
    was_killed = False

    def kill(self) -> None:
        self.was_killed = True

    def close(self) -> None: ...


class Link:
    """Stands in for its bus."""

    def send(self, command: dict[str, Any], *, urgent: bool = False) -> bool:
        return True

    def close(self) -> None: ...


def running(supervisor: Supervisor) -> tuple[Session, Process]:
    session, process = Session("s", CONFIG), Process()
    for state in ("connecting", "running"):
        session.step_to(SessionState(state), "for the test")
    session.link, session.process = Link(), process  # type: ignore[assignment]  # stand-ins
    session.t_heard = time.monotonic()
    supervisor.sessions["s"] = session
    return session, process


@contextlib.asynccontextmanager
async def watched(supervisor: Supervisor) -> Any:
    watch = asyncio.create_task(supervisor.watch())
    try:
        yield
    finally:
        watch.cancel()


async def test_a_watch_that_stood_still_kills_no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    late_s = 0.0
    monotonic = time.monotonic
    monkeypatch.setattr(
        "volition.service.supervision.supervisor.time.monotonic", lambda: monotonic() + late_s
    )
    supervisor = Supervisor()
    session, process = running(supervisor)
    async with watched(supervisor):
        await asyncio.sleep(0.1)
        late_s = 11.0
        await asyncio.sleep(0.4)
        assert not process.was_killed
        assert session.state == "running"
        session.t_heard = time.monotonic() - 5.0  # what hangs while the watch is awake is killed
        await asyncio.sleep(0.5)
        assert process.was_killed


def intents(ages_s: list[float], expires_s: float) -> Iterator[Frame]:
    now = local_clock()
    for seq, age_s in enumerate(ages_s, 1):
        intent = {"kind": "selection", "t_sample": now - age_s - 0.02, "expires_s": expires_s}
        payload = json.dumps(intent).encode()
        yield Frame(FrameType.INTENT, IntentCode.SELECTION, seq, now - age_s, payload)


@pytest.mark.parametrize(
    ("expires_s", "told"),
    [(0.5, [Gap(1, 3), 4, Gap(5, 5), 6]), (1.0, [Gap(1, 2), 3, 4, 5, 6]), (9.0, range(1, 7))],
)
async def test_what_is_past_its_time_is_told_as_a_gap(expires_s: float, told: list[Any]) -> None:
    session = Session("s", CONFIG)
    listener = session.hub.subscribe()
    for frame in intents([4.3, 1.7, 0.8, 0.3, 0.7, 0.0], expires_s):
        session.on_frame(frame)
    session.hub.close("over")
    seen: list[Any] = []
    while not isinstance(item := await listener.next(), Closed):
        seen.append(item.seq if isinstance(item, Frame) else item)
    assert seen == list(told)


class Spare:
    """Stands in for the spare worker: there is room at the third attempt."""

    def __init__(self, n_failing: int) -> None:
        self.left = n_failing

    def prepare(self) -> None: ...

    async def take(self) -> WorkerProcess:
        self.left -= 1
        if self.left >= 0:
            raise OSError(24, "Too many open files")
        return WorkerProcess(Process(), None)  # type: ignore[arg-type]  # stand-ins

    async def end(self) -> None: ...


async def test_a_worker_is_started_once_there_is_room_for_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(supervision, "_START_AGAIN_S", 0.01)
    supervisor = Supervisor()
    supervisor._spare = Spare(2)  # type: ignore[assignment]  # a stand-in
    session = Session("s", CONFIG)
    started: list[WorkerProcess] = []

    async def start(_: Session, worker: WorkerProcess) -> None:
        started.append(worker)

    monkeypatch.setattr(supervisor, "_start_worker", start)
    assert await supervisor._start_when_possible(session)
    assert len(started) == 1
    assert "Too many open files" in session.steps[-1].reason


async def test_a_session_that_waits_for_room_can_be_stopped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(supervision, "_START_AGAIN_S", 0.01)
    supervisor = Supervisor()
    supervisor._spare = Spare(10_000)  # type: ignore[assignment]  # a stand-in
    session, process = running(supervisor)
    monkeypatch.setattr(supervision, "end_process", lambda _: 1)
    gone = asyncio.create_task(supervisor._on_worker_gone(session, process))  # type: ignore[arg-type]  # a stand-in
    await asyncio.sleep(0.1)
    await asyncio.wait_for(supervisor.stop(session), 3.0)
    await gone
    assert session.state == "stopped"


async def test_a_session_for_which_there_is_no_room_is_refused_in_words() -> None:
    supervisor = Supervisor()
    supervisor._spare = Spare(1)  # type: ignore[assignment]  # a stand-in
    with pytest.raises(SessionError, match="Too many open files"):
        await supervisor.create(CONFIG)
    assert not supervisor.sessions
