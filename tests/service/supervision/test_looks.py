"""A look at a stream goes on beside the service, is bounded, and can be cancelled."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from volition.errors import SessionError
from volition.service.supervision.examinations import MOST_LOOKS, Examination, Looks
from volition.streams.lsl.discovery import find_one
from volition.streams.lsl.verdict import Finding
from volition.streams.simulated.headset import HeadsetOptions, HeadsetProcess, SyntheticSignal

NOBODY = "00000000-0000-0000-0000-000000000000"


@pytest.fixture
async def looks() -> AsyncIterator[Looks]:
    made = Looks()
    yield made
    await made.close()


@pytest.fixture(scope="module")
def uid() -> Iterator[str]:
    """A headset whose uid this is."""
    source_id = f"looked-at-{uuid.uuid4().hex[:8]}"
    signal = SyntheticSignal(4, 250.0, noise_uv=5.0, seed=1)
    with HeadsetProcess(HeadsetOptions(signal, source_id=source_id)):
        yield find_one(source_id=source_id, wait_s=20).uid


async def comes_true(is_true: Callable[[], bool]) -> None:
    while True:
        if is_true():
            return
        await asyncio.sleep(0.02)


async def ended(look: Examination[list[Finding]]) -> None:
    await comes_true(lambda: look.state != "going")


def found_by(look: Examination[list[Finding]]) -> list[Finding]:
    return look.result or []


async def test_what_is_found_is_told_in_words_with_the_time_that_passed(
    looks: Looks, uid: str
) -> None:
    look = looks.look(uid, 3.0)
    await comes_true(lambda: look.progress > 0)
    before = look.result
    assert before is None
    await ended(look)
    assert (look.state, look.detail, look.progress) == ("done", "", 1.0)
    found = {one.check: one for one in found_by(look)}
    assert set(found) == {"rate", "stamps", "clock", "losses", "units", "channels", "plausible"}
    assert found["rate"].found.startswith("250 Hz announced")
    assert found["channels"].ok


async def test_a_stream_that_is_not_there_is_told(looks: Looks) -> None:
    look = looks.look(NOBODY, 1.0)
    await ended(look)
    assert look.state == "failed"
    assert NOBODY in look.detail


async def test_one_that_is_cancelled_ends_and_makes_room(looks: Looks, uid: str) -> None:
    going = [looks.look(uid, 60.0) for _ in range(MOST_LOOKS)]
    with pytest.raises(SessionError, match="cancel one"):
        looks.look(uid, 60.0)
    looks.cancel(going[0])
    assert going[0].state == "cancelled"
    looks.look(uid, 60.0)
    looks.cancel(going[0])
    assert going[0].state == "cancelled"


async def test_what_has_ended_is_remembered_for_a_while_and_no_longer(looks: Looks) -> None:
    first = looks.look(NOBODY, 1.0)
    looks.cancel(first)
    for _ in range(25):
        looks.cancel(looks.look(NOBODY, 1.0))
    assert looks.get(first.id) is None
    assert len(looks.all()) == 20
