"""The training page: a simulated person is calibrated, practises, plays, and comes another day."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.web.conftest import Reader
from volition.service.gateway.launch import RunningService

Open = Callable[[str], Reader]
Picture = Callable[[Page, str], None]


def fill(place: Page | Locator, label: str, value: str) -> None:
    place.get_by_label(label, exact=True).fill(value)
    place.get_by_label(label, exact=True).blur()


def begin(page: Page) -> None:
    """Have a simulated person sit down, and wait until their signal is decoded."""
    page.get_by_role("button", name="Simulated person").click()
    expect(page.get_by_role("status").first).to_contain_text("running")


@pytest.mark.slow
def test_a_person_calibrates_practises_wins_the_game_and_is_told_of_another_day(
    afresh: RunningService, open_page: Open, picture: Picture
) -> None:
    reader = open_page(f"{afresh.url}/training")
    page = reader.page
    begin(page)
    halted = page.locator(".halted")
    expect(halted).to_have_attribute("data-idle", "uncalibrated")
    expect(page.get_by_role("button", name="Start trials")).to_be_disabled()

    for label, value in {"Blocks": "6", "Cue, s": "0.2", "Trial, s": "1.5"}.items():
        fill(page.locator(".calibration"), label, value)
    page.get_by_role("button", name="Calibrate").click()
    asked = page.locator("[data-asked]")
    expect(asked).to_have_attribute("data-asked", re.compile("left|right"))
    expect(page.locator("[data-calibration]")).to_have_attribute(
        "data-calibration", "done", timeout=90_000
    )
    expect(page.locator("[data-model]")).to_have_attribute("data-model", re.compile("^classes@"))
    expect(page.get_by_role("heading", name="Calibrations of classes")).to_be_visible()

    fill(page, "Trials of each class", "2")
    page.get_by_label("A tone with each cue").check()
    page.get_by_role("button", name="Start trials").click()
    score = page.locator("[data-trials]")
    expect(score).to_have_attribute("data-over", "true", timeout=60_000)
    assert int(score.get_attribute("data-right") or 0) >= 3

    page.get_by_role("button", name="Play the game").click()
    board = page.locator("[data-won]")
    expect(board).to_have_attribute("data-reached", "1", timeout=60_000)
    page.evaluate("scrollTo(0, 0)")
    picture(page, "training")
    expect(board).to_have_attribute("data-won", "true", timeout=90_000)
    page.get_by_role("button", name="End", exact=True).click()
    reader.check_access()
    reader.check_fits(width=400)

    fill(page, "Day", "1")
    page.get_by_role("button", name="Simulated person").click()
    expect(halted).to_have_attribute("data-idle", "drifted", timeout=90_000)
    page.get_by_label("Re-centre on today's signal").select_option("running")
    expect(halted).not_to_have_attribute("data-idle", "drifted", timeout=60_000)
    reader.check()
