"""A stop that is confirmed stays so, however often it is pressed again."""

from __future__ import annotations

from typing import Any, cast

import pytest

from tests.service.supervision.test_standing_still import CONFIG
from volition.service.supervision.session import Session


class Alive:
    """A worker's process that runs."""

    pid = 1

    def is_alive(self) -> bool:
        return True


@pytest.fixture
def session() -> Session:
    made = Session("s", CONFIG)
    made.process = cast("Any", Alive())
    made.word.read_as(made.generation, Alive.pid)
    return made


def press(session: Session) -> int:
    return session.press_stop("somebody", "a test")


def test_a_press_is_not_confirmed_before_the_worker_obeys(session: Session) -> None:
    order = press(session)
    assert not session.stop_is_confirmed
    session.word.obey(order)
    assert session.stop_is_confirmed


def test_pressing_again_leaves_what_is_confirmed_and_has_its_own_answer(session: Session) -> None:
    session.word.obey(press(session))
    again = press(session)
    assert session.stop_is_confirmed
    assert not session.obeys(again)


def test_what_was_obeyed_before_a_release_confirms_no_later_stop(session: Session) -> None:
    order = press(session)
    session.word.obey(order)
    session.release_stop(order, "somebody", "a test")
    assert not session.stop_is_confirmed
    press(session)
    assert not session.stop_is_confirmed
