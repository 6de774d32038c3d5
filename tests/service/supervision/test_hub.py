"""Intents kept and handed to listeners who may be slow."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from volition.service.supervision.hub import (
    KEPT_AT_END,
    KEPT_AT_END_BYTES,
    MOST_ANNOUNCED,
    MOST_ANNOUNCED_BYTES,
    MOST_KEPT_BYTES,
    Closed,
    Gap,
    Hub,
    Item,
    NotKeptError,
    Subscription,
)
from volition.service.worker.bus import HELD, Frame, FrameType, IntentCode

codes = st.sampled_from([IntentCode.CURSOR, IntentCode.SELECTION, IntentCode.IDLE])


def intent(seq: int, code: IntentCode = IntentCode.SELECTION, n_bytes: int = 2) -> Frame:
    return Frame(FrameType.INTENT, code, seq, 0.0, b"{}".ljust(n_bytes))


def drain(subscription: Subscription) -> list[Item]:
    async def take() -> list[Item]:
        return [await subscription.next() for _ in range(len(subscription))]

    return asyncio.run(take())


def told(items: list[Item]) -> list[int]:
    """Every number that was delivered or announced as missing, in the order of telling."""
    numbers: list[int] = []
    for item in items:
        if isinstance(item, Frame) and item.type is FrameType.INTENT:
            numbers.append(item.seq)
        elif isinstance(item, Gap):
            numbers.extend(range(item.first, item.last + 1))
    return numbers


@given(st.lists(codes, max_size=60), st.integers(2, 8))
def test_a_listener_who_never_reads_is_told_of_every_number_once_or_closed(
    kinds: list[IntentCode], bound: int
) -> None:
    hub = Hub(max_queued=bound)
    subscription = hub.subscribe()
    for seq, code in enumerate(kinds, 1):
        hub.publish(intent(seq, code))
    items = drain(subscription)
    if items and isinstance(items[-1], Closed):
        assert sum(code is IntentCode.SELECTION for code in kinds) >= bound
        return
    assert told(items) == list(range(1, len(kinds) + 1))


@given(st.lists(codes, min_size=1, max_size=60))
def test_discrete_intents_are_never_conflated(kinds: list[IntentCode]) -> None:
    hub = Hub(max_queued=len(kinds) // 2 + 1)
    subscription = hub.subscribe()
    for seq, code in enumerate(kinds, 1):
        hub.publish(intent(seq, code))
    items = drain(subscription)
    if isinstance(items[-1], Closed):
        return
    kept = [i.seq for i in items if isinstance(i, Frame) and i.intent_code is IntentCode.SELECTION]
    assert kept == [seq for seq, code in enumerate(kinds, 1) if code is IntentCode.SELECTION]
    newest = items[-1]
    assert isinstance(newest, Frame)
    assert newest.seq == len(kinds)


@given(st.integers(0, 40), st.integers(1, 20), st.integers(0, 50))
def test_resuming_gives_what_is_kept_and_announces_what_is_not(
    published: int, kept: int, after: int
) -> None:
    hub = Hub(max_kept=kept)
    for seq in range(1, published + 1):
        hub.publish(intent(seq))
    after = min(after, published)
    assert told(drain(hub.subscribe(after=after))) == list(range(after + 1, published + 1))


@pytest.mark.parametrize(("after", "life"), [(4, None), (2, "another")])
def test_a_number_of_another_life_is_answered_by_a_gap_of_all_that_there_is(
    after: int, life: str | None
) -> None:
    hub = Hub()
    for seq in range(1, 4):
        hub.publish(intent(seq))
    with pytest.raises(NotKeptError, match="another life"):
        hub.page(after, limit=10, life=life)
    subscription = hub.subscribe(after=after, life=life)
    hub.publish(intent(4))
    assert drain(subscription) == [Gap(1, 3), intent(4)]


def test_a_number_of_this_life_is_gone_on_from() -> None:
    hub = Hub()
    hub.publish(intent(1))
    assert hub.page(1, limit=10, life=hub.life) == []
    assert drain(hub.subscribe(after=0, life=hub.life)) == [intent(1)]


def test_a_new_listener_gets_only_what_comes_from_now_on() -> None:
    hub = Hub()
    hub.publish(intent(1))
    subscription = hub.subscribe()
    hub.publish(intent(2))
    assert told(drain(subscription)) == [2]


def test_numbers_that_the_bus_lost_are_announced() -> None:
    hub = Hub()
    subscription = hub.subscribe()
    hub.publish(intent(1))
    hub.publish(intent(5))
    assert drain(subscription) == [intent(1), Gap(2, 4), intent(5)]


def test_a_filter_is_not_a_gap() -> None:
    hub = Hub()
    subscription = hub.subscribe(kinds=frozenset({IntentCode.SELECTION}))
    hub.publish(intent(1, IntentCode.CURSOR))
    hub.publish(intent(2))
    assert drain(subscription) == [intent(2)]


def test_a_page_of_intents_that_are_gone_names_the_oldest() -> None:
    hub = Hub(max_kept=3)
    for seq in range(1, 11):
        hub.publish(intent(seq))
    with pytest.raises(NotKeptError, match="the oldest kept is 8"):
        hub.page(after=2, limit=10)
    assert [frame.seq for frame in hub.page(after=7, limit=2)] == [8, 9]


def test_closing_reaches_every_listener_behind_what_is_queued() -> None:
    hub = Hub()
    subscription = hub.subscribe()
    hub.publish(intent(1))
    hub.close("stopped: asked to stop")
    assert drain(subscription) == [intent(1), Closed("stopped: asked to stop")]


@given(
    st.lists(st.tuples(st.booleans(), st.booleans(), st.sampled_from([None, 0, 1])), max_size=40)
)
def test_what_is_written_at_once_queued_and_gathered_reaches_a_listener_in_order(
    turns: list[tuple[bool, bool, float | None]],
) -> None:
    """Each turn: whether the socket takes a frame at once, whether the sender gets to run, and for
    how long intents are gathered from now on, if that changes."""

    async def play() -> list[Item]:
        hub = Hub()
        got: list[Item] = []
        takes = False

        def write(frame: Frame) -> bool:
            if takes:
                got.append(frame)
            return takes

        subscription = hub.subscribe(write=write)

        async def send_all() -> None:
            while not isinstance(item := await subscription.next(), Closed):
                await asyncio.sleep(0)  # a send that waits for the client
                got.append(item)

        sender = asyncio.create_task(send_all())
        for seq, (takes_it, runs, gather_s) in enumerate(turns, 1):
            takes = takes_it
            if gather_s is not None:
                subscription.gather(gather_s)
            hub.publish(intent(seq))
            if runs:
                await asyncio.sleep(0)
        hub.close("done")
        await sender
        return got

    assert told(asyncio.run(play())) == list(range(1, len(turns) + 1))


async def test_gathered_intents_come_together_and_anything_else_brings_them() -> None:
    hub = Hub()
    written: list[Frame] = []

    def write(frame: Frame) -> bool:
        written.append(frame)
        return True

    subscription = hub.subscribe(write=write)
    subscription.gather(0.05)

    async def take(n: int) -> list[Item]:
        return [await subscription.next() for _ in range(n)]

    first = asyncio.create_task(take(3))
    began = asyncio.get_running_loop().time()
    for seq in (1, 2, 3):
        hub.publish(intent(seq))
        await asyncio.sleep(0)
        assert not first.done()
    assert told(await first) == [1, 2, 3]
    assert asyncio.get_running_loop().time() - began > 0.05

    subscription.gather(60.0)
    second = asyncio.create_task(take(2))
    await asyncio.sleep(0)
    hub.publish(intent(4))
    status = Frame(FrameType.STATUS, IntentCode.NONE, 0, 0.0, b"{}")
    hub.announce(status)
    assert await second == [intent(4), status]

    third = asyncio.create_task(take(1))
    await asyncio.sleep(0)
    hub.publish(intent(5))
    subscription.gather(0.0)
    assert await third == [intent(5)]
    assert written == []

    fourth = asyncio.create_task(take(1))
    await asyncio.sleep(0)
    hub.publish(intent(6))
    assert written == [intent(6)]
    fourth.cancel()


def held(seq: int) -> Frame:
    return Frame(FrameType.INTENT, IntentCode.CURSOR, seq, 0.0, b"{}", HELD)


def test_a_stop_takes_what_may_move_out_of_every_queue_and_tells_of_the_gap() -> None:
    hub = Hub()
    subscription = hub.subscribe()
    for seq, code in enumerate([IntentCode.CLICK, IntentCode.IDLE, IntentCode.CURSOR] * 2, 1):
        hub.publish(intent(seq, code))
    hub.withdraw()
    hub.publish(held(7))
    items = drain(subscription)
    assert told(items) == [1, 2, 3, 4, 5, 6, 7]
    assert [one.seq for one in items if isinstance(one, Frame)] == [2, 5, 7]


def test_what_was_decided_before_a_stop_is_given_to_nobody_who_asks_for_it_later() -> None:
    hub = Hub()
    for seq in range(1, 5):
        hub.publish(intent(seq))
    hub.withdraw()
    hub.publish(held(5))
    hub.publish(intent(6))  # after a release
    items = drain(hub.subscribe(after=0))
    assert items[0] == Gap(1, 4)
    assert [one.seq for one in items if isinstance(one, Frame)] == [5, 6]
    assert [frame.seq for frame in hub.page(0, 100)] == [5, 6]


def test_an_intent_that_is_given_to_nobody_takes_its_number_with_it() -> None:
    hub = Hub()
    subscription = hub.subscribe()
    hub.publish(intent(1))
    hub.lose(intent(2))
    hub.lose(intent(3))
    assert hub.last_seq == 3
    assert drain(subscription)[1:] == [Gap(2, 3)]


def test_of_a_session_that_has_ended_the_newest_intents_are_kept_and_no_more() -> None:
    hub = Hub()
    for seq in range(1, 3 * KEPT_AT_END):
        hub.publish(intent(seq))
    hub.close("stopped")
    for seq in range(3 * KEPT_AT_END, 4 * KEPT_AT_END + 1):  # of a worker that is about to end
        hub.publish(intent(seq))
    first = 3 * KEPT_AT_END + 1
    assert [frame.seq for frame in hub.kept()] == list(range(first, 4 * KEPT_AT_END + 1))
    with pytest.raises(NotKeptError):
        hub.page(0, 10)
    gap, newest, *_ = drain(hub.subscribe(after=first - 10))
    assert gap == Gap(first - 9, first - 1)
    assert isinstance(newest, Frame)
    assert newest.seq == first


@given(st.lists(st.integers(2, 60), min_size=1, max_size=60), st.integers(1, 300))
def test_intents_are_kept_as_long_as_their_bytes_have_room(sizes: list[int], room: int) -> None:
    hub = Hub(max_kept_bytes=room)
    for seq, n_bytes in enumerate(sizes, 1):
        hub.publish(intent(seq, n_bytes=n_bytes))
    kept = [len(frame.payload) for frame in hub.kept()]
    assert kept == sizes[len(sizes) - len(kept) :]
    assert sum(kept) <= room or len(kept) == 1
    is_whole = len(kept) == len(sizes)
    assert is_whole or sum(kept) + sizes[-len(kept) - 1] > room  # none went too early
    assert told(drain(hub.subscribe(after=0))) == list(range(1, len(sizes) + 1))


def test_large_intents_take_no_more_memory_than_a_session_may_have_and_less_once_it_has_ended() -> (
    None
):
    hub = Hub()
    for seq in range(1, 1200):
        hub.publish(intent(seq, n_bytes=10_000))
    assert MOST_KEPT_BYTES - 10_000 < sum(len(one.payload) for one in hub.kept()) <= MOST_KEPT_BYTES
    hub.close("stopped")
    assert sum(len(one.payload) for one in hub.kept()) <= KEPT_AT_END_BYTES
    assert hub.kept()[-1].seq == 1199


@pytest.mark.parametrize("n_bytes", [2, 10_000])
def test_a_listener_who_does_not_read_what_has_no_number_is_closed_and_no_other_is(
    n_bytes: int,
) -> None:
    hub = Hub()
    deaf, listening = hub.subscribe(), hub.subscribe()
    status = Frame(FrameType.STATUS, IntentCode.NONE, 0, 0.0, b"s" * n_bytes)
    for _ in range(1 + min(MOST_ANNOUNCED, MOST_ANNOUNCED_BYTES // n_bytes)):
        hub.announce(status)
        assert drain(listening) == [status]
    assert drain(deaf) == [Closed("too slow: too many messages wait")]
