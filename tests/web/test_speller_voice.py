"""What was written stands there after a reload, is said aloud, and somebody can be called."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.web.conftest import Reader
from volition.service.client import Client
from volition.service.gateway.launch import RunningService

SESSION = "writes"
#: A browser with one voice, which keeps what it is to say.
VOICED = """
  window.said = [];
  Object.defineProperty(window, "speechSynthesis", { value: {
    getVoices: () => [], cancel: () => undefined, speak: ({ text }) => said.push(text),
    addEventListener: () => undefined, removeEventListener: () => undefined,
  }});
"""


@pytest.fixture
def session(afresh: RunningService) -> Iterator[str]:
    """A session that nobody's signal reaches, so that nothing else is written."""
    targets = [{"label": "A", "freq_hz": 9}, {"label": "B", "freq_hz": 11}]
    config = {
        "name": SESSION,
        "stream": {"name": "nobody"},
        "decoder": {"kind": "fbcca", "targets": targets},
    }
    with Client(afresh.url) as client:
        yield client.create_session(config).id


@pytest.fixture
def page(
    session: str,
    afresh: RunningService,
    context: BrowserContext,
    open_page: Callable[[str], Reader],
) -> Page:
    context.add_init_script(VOICED)
    page = open_page(f"{afresh.url}/speller#{session}").page
    page.evaluate(
        "(text) => localStorage.setItem('volition-text', text)",
        json.dumps({"session": SESSION, "text": "HELLO THERE"}),
    )
    page.reload()
    page.get_by_role("button", name="I have read this").click()
    return page


def test_what_was_written_stands_there_after_a_reload_and_can_be_taken_back(page: Page) -> None:
    written = page.get_by_label("What is written").locator("output")
    expect(written).to_have_text("HELLO THERE")
    page.get_by_role("button", name="Undo").click()
    expect(written).to_have_text("")


def test_what_is_written_and_phrases_are_said_aloud(page: Page) -> None:
    page.get_by_role("button", name="Speak").click()
    page.get_by_text("Phrases").click()
    page.get_by_role("button", name="Thank you", exact=True).click()
    page.get_by_role("button", name="Keep what is written").click()
    page.get_by_role("button", name="Remove Yes").click()
    page.get_by_role("button", name="HELLO THERE", exact=True).click()
    assert page.evaluate("said") == ["hello there", "thank you", "hello there"]

    page.reload()
    page.get_by_text("Phrases").click()
    expect(page.get_by_role("button", name="HELLO THERE", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="Yes", exact=True)).to_have_count(0)


def test_a_call_sounds_until_it_is_ended_and_the_session_is_told(page: Page) -> None:
    with page.expect_request("**/markers") as told:
        page.get_by_role("button", name="Call somebody").click()
    assert json.loads(told.value.post_data or "")["name"] == "call"
    ending = page.get_by_role("button", name="Stop calling")
    expect(ending).to_have_attribute("aria-pressed", "true")
    ending.click()
    expect(page.get_by_role("button", name="Call somebody")).to_be_visible()


def test_what_another_session_wrote_is_not_shown(page: Page) -> None:
    page.evaluate(
        "(text) => localStorage.setItem('volition-text', text)",
        json.dumps({"session": "another", "text": "SECRET"}),
    )
    page.reload()
    expect(page.get_by_label("What is written").locator("output")).to_have_text("")
