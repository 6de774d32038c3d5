"""The emergency stop on the pages: pressed at once, released on purpose."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import expect

from tests.web.conftest import Reader
from volition.service.client import Client
from volition.service.gateway.launch import RunningService

Open = Callable[[str], Reader]

CONFIG = {
    "stream": {"name": "nowhere"},
    "decoder": {
        "kind": "fbcca",
        "targets": [{"label": "a", "freq_hz": 9}, {"label": "b", "freq_hz": 12}],
    },
    "outputs": [{"kind": "lsl"}],
}


@pytest.fixture
def client(service: RunningService) -> Iterator[Client]:
    """A client of a service with two sessions, ``moves`` and ``other``, both held."""
    with Client(service.url) as made:
        for name in ("moves", "other"):
            made.create_session({**CONFIG, "name": name})
            made.emergency_stop(name)
        yield made
        for name in ("moves", "other"):
            made.delete(name)


@pytest.mark.parametrize("path", ["console", "speller", "cursor"])
def test_a_release_names_what_will_move_and_needs_a_deed_of_its_own(
    client: Client, service: RunningService, open_page: Open, path: str
) -> None:
    reader = open_page(f"{service.url}/{path}#moves")
    page = reader.page
    expect(page.get_by_role("alert")).to_contain_text("until it is released")

    page.get_by_role("button", name="Release…").click()

    asked = page.get_by_role("dialog", name="Release the emergency stop of moves?")
    expect(asked.get_by_role("button", name="Keep it stopped")).to_be_focused()
    moves = asked.get_by_role("list", name="What moves again")
    expect(moves).to_contain_text("what fbcca decodes in moves")
    expect(moves).to_contain_text("the output lsl")
    expect(asked).to_contain_text("Stopped as well, and stays so: other.")
    release = asked.get_by_role("button", name="Release", exact=True)
    expect(release).to_be_disabled()
    reader.check_fits(width=400)
    reader.check_access()
    asked.get_by_role("button", name="Keep it stopped").click()
    expect(asked).to_have_count(0)
    assert client.session("moves").held

    reader.release()
    expect(page.get_by_role("alert")).to_have_count(0)
    assert not client.session("moves").held
    assert client.session("other").held
    reader.check()


def test_a_press_meanwhile_is_not_released_unseen(
    client: Client, service: RunningService, open_page: Open
) -> None:
    reader = open_page(f"{service.url}/console#moves")
    page = reader.page
    page.get_by_role("button", name="Release…").click()
    asked = page.get_by_role("dialog")
    asked.get_by_label("I have looked").check()
    client.emergency_stop("moves")
    asked.get_by_role("button", name="Release", exact=True).click()
    expect(asked).to_contain_text("It was pressed again meanwhile")
    expect(asked.get_by_role("button", name="Release", exact=True)).to_be_disabled()
    assert client.session("moves").held
    page.keyboard.press("Escape")
    expect(asked).to_have_count(0)
    assert client.session("moves").held
    # The browser notes a refused request by itself.
    assert [e for e in reader.errors if "409" not in e] == []


def test_what_is_confirmed_stays_so_when_it_is_pressed_again(
    client: Client, service: RunningService, open_page: Open
) -> None:
    page = open_page(f"{service.url}/console#moves").page
    expect(page.get_by_role("alert")).to_contain_text("until it is released")
    page.evaluate(
        """() => {
          window.said = new Set();
          const banner = document.querySelector('.held');
          const note = () => said.add(banner.firstChild.textContent);
          const all = {childList: true, characterData: true, subtree: true};
          new MutationObserver(note).observe(banner, all);
          note();
        }"""
    )
    before = client.session("moves").stop.order
    for _ in range(5):
        page.get_by_role("button", name="STOP (Esc)").click()
    while client.session("moves").stop.order == before:
        page.wait_for_timeout(20)
    assert page.evaluate("[...said]") == [
        "Emergency stop: all output is neutral until it is released."
    ]
