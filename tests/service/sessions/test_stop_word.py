"""The word that a gateway, a worker and the command line share."""

from __future__ import annotations

import contextlib
import os
import stat
import subprocess
import sys
import timeit
from collections.abc import Iterator
from pathlib import Path

import pytest

from volition.service.sessions.stop_folder import StopFolder, words_at
from volition.service.sessions.stop_word import StopWord

OPENED = Path("/proc/self/fd")


def opened_files() -> set[Path]:
    return {entry.resolve() for entry in OPENED.iterdir()}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StopFolder]:
    monkeypatch.setenv("VOLITION_DATA", str(tmp_path))
    with contextlib.closing(StopFolder.of_service(8123)) as taken:
        yield taken


def test_a_session_is_held_from_a_press_until_that_press_is_released() -> None:
    word = StopWord.in_memory()
    before = word.held
    order = word.press("ward-3", "the console")
    pressed = word.held
    assert word.release(order, "nurse", "the console")
    assert (before, pressed, word.held) == (False, True, False)


def test_a_release_lets_no_press_go_that_it_did_not_know_of() -> None:
    word = StopWord.in_memory()
    seen = word.press("one", "here")
    word.press("another", "there")
    assert not word.release(seen, "one", "here")
    assert word.held


def test_every_press_has_a_number_of_its_own_above_those_before() -> None:
    word = StopWord.in_memory()
    orders = [word.press("one", "here") for _ in range(200)]
    assert orders == sorted(set(orders))


def test_the_word_says_who_pressed_and_who_released(folder: StopFolder) -> None:
    word = folder.word("arm")
    order = word.press("therapist", "REST from 127.0.0.1")
    word.release(order, "physician", "the command line")
    again = folder.word("arm")
    assert again.press_deed is not None
    assert again.release_deed is not None
    assert (again.press_deed.by, again.press_deed.where) == ("therapist", "REST from 127.0.0.1")
    assert (again.release_deed.by, again.release_deed.order) == ("physician", order)
    assert again.session == "arm"


def test_no_name_is_too_long_or_too_strange_to_press_the_stop(folder: StopFolder) -> None:
    word = folder.word("arm")
    word.press("\N{GREEK SMALL LETTER MU}\ud800\0" * 400, "\0" * 5000)
    assert word.held
    assert word.press_deed is not None


@pytest.mark.parametrize("name", ["con", "NUL", "a.", "A.", "x" * 64])
def test_a_session_of_any_name_has_a_word_of_its_own(folder: StopFolder, name: str) -> None:
    folder.word(name).press("one", "here")
    assert folder.word(name).held
    assert not folder.word(name.swapcase() + "-").held
    assert sorted(word.session for word in folder.words()) == sorted([name, name.swapcase() + "-"])


def test_what_another_process_presses_is_read_here_at_once_and_lives_on_when_it_is_killed(
    folder: StopFolder,
) -> None:
    word = folder.word("wheelchair")
    assert word.path is not None
    program = (
        "import os, sys; from pathlib import Path\n"
        "from volition.service.sessions.stop_word import StopWord\n"
        "StopWord.open(Path(sys.argv[1])).press('another', 'a process')\n"
        "os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", program, str(word.path)], check=False)
    assert word.held
    assert folder.word("wheelchair").held


@pytest.mark.skipif(not OPENED.is_dir(), reason="the system does not list open files here")
def test_a_word_that_was_let_go_keeps_no_file_open_and_a_press_reaches_the_file(
    folder: StopFolder,
) -> None:
    word = folder.word("ended")
    first = word.press("me", "here")
    assert word.path is not None
    assert word.path in opened_files()
    word.let_go()
    assert word.path not in opened_files()
    assert word.held
    assert word.order == first
    second = word.press("me", "again")
    assert StopWord.open(word.path).order == second
    word.let_go()
    assert word.release(second, "me", "here")
    assert not StopWord.open(word.path).held


def test_a_word_that_cannot_be_read_is_held(folder: StopFolder) -> None:
    paths = []
    for name, content in {"short": b"volstop1", "other": b"x" * 4096}.items():
        path = folder.word(name).path
        assert path is not None
        path.write_bytes(content)
        paths.append(path)
    for name in ("short", "other"):
        deed = folder.word(name).press_deed
        assert folder.word(name).held
        assert deed is not None
        assert "could not be read" in deed.where


@pytest.mark.skipif(os.name != "posix", reason="modes of files are POSIX's")
def test_nobody_else_may_read_or_write_a_word(folder: StopFolder) -> None:
    path = folder.word("arm").path
    assert path is not None
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_two_services_of_a_port_have_folders_of_their_own_and_a_successor_gets_the_former(
    folder: StopFolder,
) -> None:
    with contextlib.closing(StopFolder.of_service(8123)) as second:
        assert second.path != folder.path
        folder.close()
        with contextlib.closing(StopFolder.of_service(8123)) as successor:
            assert successor.path == folder.path


def test_the_words_of_a_service_are_found_by_where_it_listens(folder: StopFolder) -> None:
    folder.word("arm")
    folder.tell(8123, 1)
    with contextlib.closing(StopFolder.of_service(8124)) as other:
        other.word("leg")
    assert [word.session for word in words_at(8123)] == ["arm"]
    assert words_at(9999) == []


def test_a_look_at_the_word_costs_next_to_nothing() -> None:
    word = StopWord.in_memory()
    assert min(timeit.repeat(lambda: word.held, number=10_000, repeat=5)) / 10_000 < 5e-6
