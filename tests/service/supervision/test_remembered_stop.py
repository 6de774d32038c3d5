"""A stop that the disk does not take holds, is said not to be remembered, and is tried again."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.service.supervision.test_standing_still import CONFIG
from volition.service.client import Client
from volition.service.gateway.stops import stop_view
from volition.service.sessions.stop_folder import StopFolder
from volition.service.sessions.stop_word import StopWord
from volition.service.supervision import stopping as stopping_module
from volition.service.supervision.session import Session
from volition.service.supervision.stopping import StopAnswer, Stopping

SAID = "is not on the disk yet"


class Disk:
    """Stands before the disk: refuses ``refusals`` times, then takes what it may."""

    def __init__(self, refusals: int = 0) -> None:
        self.refusals = refusals
        self.is_free = threading.Event()
        self.is_free.set()
        self.written: list[int] = []

    def remember(self, word: StopWord) -> None:
        order = word.order
        if self.refusals:
            self.refusals -= 1
            raise OSError(28, "No space left on device")
        assert self.is_free.wait(10)
        self.written.append(order)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    made = Disk()

    def remember(word: StopWord) -> None:
        made.remember(word)

    monkeypatch.setattr(StopWord, "remember", remember)
    monkeypatch.setattr(stopping_module, "_AGAIN_S", 0.3)
    return made


@pytest.fixture
async def stopping(disk: Disk) -> AsyncIterator[Stopping]:
    made = Stopping()
    yield made
    disk.is_free.set()
    made.close()


@pytest.fixture
def session(disk: Disk) -> Session:
    return Session("s", CONFIG)


async def press(stopping: Stopping, session: Session) -> StopAnswer:
    return await stopping.press(session, "somebody", "a test")


async def comes_true(is_true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while True:
            if is_true():
                return
            await asyncio.sleep(0.005)


def says_so(session: Session) -> bool:
    assert stop_view(session).remembered is session.stop_is_remembered
    return any(SAID in warning for warning in session.warnings)


async def test_a_stop_that_the_disk_takes_is_remembered_before_it_is_answered(
    stopping: Stopping, session: Session, disk: Disk
) -> None:
    answer = await press(stopping, session)
    assert answer.remembered
    assert disk.written == [answer.order]
    assert not says_so(session)


async def test_a_disk_that_refuses_is_asked_until_it_takes_the_stop(
    stopping: Stopping, session: Session, disk: Disk
) -> None:
    disk.refusals = 2
    answer = await press(stopping, session)
    assert (answer.outcome, answer.remembered) == ("no_worker", False)
    assert says_so(session)
    await comes_true(lambda: session.stop_is_remembered)
    assert (disk.refusals, disk.written) == (0, [answer.order])
    assert not says_so(session)


async def test_a_slow_disk_keeps_no_answer_waiting_and_has_the_newest_press_in_the_end(
    stopping: Stopping, session: Session, disk: Disk
) -> None:
    disk.is_free.clear()
    began = time.monotonic()
    first = await press(stopping, session)
    assert time.monotonic() - began < 0.5
    second = await press(stopping, session)
    assert (first.remembered, second.remembered) == (False, False)
    assert says_so(session)
    disk.is_free.set()
    await comes_true(lambda: session.stop_is_remembered)
    assert disk.written[-1] == second.order
    assert len(disk.written) <= 2  # however often it was pressed meanwhile


async def test_a_release_that_is_not_on_the_disk_is_told_and_tried_again_too(
    stopping: Stopping, session: Session, disk: Disk
) -> None:
    order = (await press(stopping, session)).order
    disk.refusals = 1
    assert not await stopping.release(session, order, "somebody", "a test")
    assert not session.held
    assert says_so(session)
    await comes_true(lambda: session.stop_is_remembered)


async def test_what_another_program_of_the_host_pressed_is_written_by_the_service_too(
    stopping: Stopping, session: Session, disk: Disk
) -> None:
    order = session.word.press("somebody", "this host")
    assert says_so(session)
    stopping.remember(session)
    await comes_true(lambda: disk.written == [order])


async def test_of_a_session_that_is_deleted_the_disk_is_asked_nothing_more(
    stopping: Stopping, session: Session, disk: Disk
) -> None:
    disk.refusals = 1 << 30
    await press(stopping, session)
    await stopping.forget(session)
    before = disk.refusals
    await asyncio.sleep(3 * stopping_module._AGAIN_S)
    assert disk.refusals == before


@pytest.mark.parametrize("is_slow", [True, False])
def test_who_presses_beside_the_service_is_told_that_it_holds_and_is_not_on_the_disk(
    is_slow: bool, disk: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VOLITION_DATA", str(tmp_path))
    folder = StopFolder.of_service(9)
    word = folder.word("arm")
    folder.tell(9, 1)
    disk.refusals = 1 << 30
    if is_slow:
        disk.refusals = 0
        disk.is_free.clear()
    with Client("http://127.0.0.1:9") as client:
        report = client.estop("arm")
    disk.is_free.set()
    folder.close()
    assert report.confirmed
    assert word.held
    assert "not on the disk yet" in report.ways["word"]
