"""The page to start from: a headset is connected and checked, and what it can do is begun."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from tests.web.conftest import Reader
from volition.service.client import Client
from volition.service.gateway.launch import RunningService
from volition.streams.simulated.headset import HeadsetOptions, HeadsetProcess, Sine, SyntheticSignal

Open = Callable[[str], Reader]
Picture = Callable[[Page, str], None]
STREAM: dict[str, Any] = {
    "name": "Muse-1",
    "type": "EEG",
    "source_id": "muse",
    "host": "lab",
    "uid": "muse-uid",
    "rate_hz": 256.0,
    "format": "float32",
    "n_channels": 4,
    "labels": ["TP9", "AF7", "AF8", "TP10"],
    "units": [],
    "kinds": [],
    "clock_offset_s": 0.0,
}


class Clicks:
    """Clicks buttons of a page, and counts how often."""

    def __init__(self, page: Page) -> None:
        self.page, self.n = page, 0

    def __call__(self, name: str, **how: Any) -> None:
        self.page.get_by_role("button", name=name, **how).click()
        self.n += 1


@pytest.fixture
def quick(context: BrowserContext) -> None:
    """Checks take a quarter of their time."""

    def shorten(route: Route) -> None:
        body = json.loads(route.request.post_data or "{}")
        route.continue_(post_data=json.dumps({**body, "pace": 0.25}))

    context.route("**/v1/checks", shorten)


@pytest.fixture
def battery() -> Iterator[str]:
    """A stream that is no brain's."""
    name = f"battery-{uuid.uuid4().hex[:6]}"
    signal = SyntheticSignal(4, 250.0, sines=(Sine(50.0, 20.0),), noise_uv=3.0, seed=1)
    with HeadsetProcess(HeadsetOptions(signal, source_id=name, name=name, chunk_samples=5)):
        yield name


def streams_are(context: BrowserContext, streams: list[dict[str, Any]]) -> None:
    context.route("**/v1/streams*", lambda route: route.fulfill(json={"streams": streams}))


@pytest.mark.slow
@pytest.mark.usefixtures("quick")
def test_six_clicks_lead_to_the_first_letter_and_the_next_time_it_is_one(
    afresh: RunningService, open_page: Open, picture: Picture
) -> None:
    reader = open_page(f"{afresh.url}/")
    page = reader.page
    click = Clicks(page)
    expect(page.get_by_role("heading", name="Which headset is it?")).to_be_visible()
    reader.check_access()
    click("A person who looks at what flickers")
    click("Begin the check")
    expect(page.locator(".asked")).to_contain_text("Look at one point")
    picture(page, "start-check")
    expect(page.locator("[data-check]")).to_have_attribute("data-check", "done", timeout=60_000)
    expect(page.get_by_text("electrodes are good.")).to_be_visible()
    click("Go on")
    expect(page.locator('[data-way="flicker"]')).to_have_attribute("aria-pressed", "true")
    expect(page.locator('[data-way="cursor"]')).to_be_disabled()
    picture(page, "start-choose")
    reader.check_access()
    reader.check_fits(width=360)
    page.set_viewport_size({"width": 1280, "height": 900})
    click("Begin", exact=True)

    page.wait_for_url("**/speller#*")
    click("I have read this")
    expect(page.get_by_role("status").first).to_contain_text("running")
    click("Start", exact=True)
    written = page.get_by_label("What is written").locator("output")
    expect(written).to_have_text("B", timeout=30_000)
    assert click.n == 6

    page.get_by_role("button", name="End", exact=True).click()
    with Client(afresh.url) as client:
        for session in client.sessions():
            client.delete(session.id)
    page.goto(f"{afresh.url}/")
    page.get_by_role("button", name="Write by looking at what flickers").click()
    page.wait_for_url("**/speller#*")
    expect(page.get_by_role("status").first).to_contain_text("running", timeout=20_000)
    reader.check()


@pytest.mark.slow
@pytest.mark.usefixtures("quick")
def test_what_is_wrong_with_an_electrode_is_said_with_what_to_do(
    afresh: RunningService, open_page: Open, battery: str
) -> None:
    reader = open_page(f"{afresh.url}/")
    page = reader.page
    page.get_by_role("button", name=battery).click()
    page.get_by_role("button", name="Begin the check").click()
    expect(page.locator("[data-check]")).to_have_attribute("data-check", "done", timeout=60_000)

    mend = page.get_by_role("list", name="Electrodes to mend").get_by_role("listitem")
    expect(mend).to_have_count(4)
    expect(mend.first).to_contain_text("more hum than signal")
    expect(mend.first).to_contain_text("mains cables")
    assert page.locator("[data-brain]").get_attribute("data-brain") != "yes"
    reader.check()


def test_without_a_headset_the_page_says_what_to_do_and_finds_it_when_it_comes(
    service: RunningService, open_page: Open, context: BrowserContext
) -> None:
    streams_are(context, [])
    reader = open_page(f"{service.url}/")
    page = reader.page
    expect(page.get_by_text("No headset is on the network yet")).to_be_visible()
    expect(page.get_by_role("link", name="What each device needs")).to_be_visible()

    context.unroute("**/v1/streams*")
    streams_are(context, [STREAM])
    expect(page.get_by_role("button", name="Muse-1")).to_be_visible()
    reader.check()


def test_what_a_headset_cannot_do_says_why(
    service: RunningService, open_page: Open, context: BrowserContext
) -> None:
    slow = {**STREAM, "name": "Slow", "uid": "slow", "rate_hz": 50.0, "labels": ["a", "b"]}
    streams_are(context, [STREAM, {**slow, "n_channels": 2}])
    reader = open_page(f"{service.url}/")
    page = reader.page

    page.get_by_role("button", name="Muse-1").click()
    page.get_by_role("button", name="Leave it out").click()
    expect(page.locator('[data-way="flicker"]')).to_contain_text(
        "no electrode sits over the back of the head"
    )
    expect(page.locator('[data-way="movements"]')).to_contain_text("no electrode sits over the top")
    expect(page.locator('[data-way="flash"]')).to_be_enabled()
    page.get_by_text("Show the file").click()
    expect(page.get_by_label("The session's file")).to_contain_text("source_id: muse")

    page.get_by_role("button", name="1. Connect").click()
    page.get_by_role("button", name="Slow").click()
    page.get_by_role("button", name="Leave it out").click()
    expect(page.locator('[data-way="flash"]')).to_contain_text(
        "50 samples a second, and 100 are needed"
    )
    expect(page.get_by_text("Nothing can be done with this headset")).to_be_visible()
    reader.check_access()
    reader.check()


def test_a_headset_that_goes_away_is_said_at_any_step(
    service: RunningService, open_page: Open, context: BrowserContext
) -> None:
    streams_are(context, [STREAM])
    page = open_page(f"{service.url}/").page
    page.get_by_role("button", name="Muse-1").click()
    context.unroute("**/v1/streams*")
    streams_are(context, [])
    expect(page.get_by_role("alert")).to_contain_text("Muse-1 is no longer there")
    page.get_by_role("button", name="connect it anew").click()
    expect(page.get_by_text("No headset is on the network yet")).to_be_visible()


def test_nothing_that_the_browser_kept_stops_the_page(
    service: RunningService, open_page: Open
) -> None:
    reader = open_page(f"{service.url}/")
    for kept in ("{", "null", "[]", '{"way": "flicker"}', '{"way": 1, "config": [], "headset": 3}'):
        reader.page.evaluate("(text) => localStorage.setItem('volition-last', text)", kept)
        reader.page.reload()
        expect(reader.page.get_by_role("heading", name="Which headset is it?")).to_be_visible()
        expect(reader.page.get_by_role("heading", name="As the last time")).to_have_count(0)
    reader.check()
