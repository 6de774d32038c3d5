"""The speller page where targets flash: what is shown and marked, and a person who spells by it."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.web.conftest import Reader
from volition.service.gateway.launch import RunningService

Open = Callable[[str], Reader]
Picture = Callable[[Page, str], None]

WORD = "CAB"


def begin(page: Page, screen: str, n_targets: int) -> None:
    """Start a simulated person before a screen that flashes, and wait for their session."""
    page.get_by_label("Screen of the simulated").select_option(screen)
    page.get_by_label("Targets of the simulated").select_option(str(n_targets))
    page.get_by_role("button", name="Simulated participant").click()
    expect(page.get_by_role("img", name=f"{n_targets} targets")).to_be_visible()
    expect(page.get_by_role("status").first).to_contain_text("running")
    expect(page.get_by_text("Clock: known within")).to_be_visible()


def plan(page: Page, *, trials: int, trial_s: float) -> None:
    page.get_by_label("Mode").select_option("calibrate")
    page.get_by_label("Trials").fill(str(trials))
    page.get_by_label("Trial, s").fill(str(trial_s))
    page.get_by_label("Trial, s").blur()


@pytest.fixture
def speller(afresh: RunningService, open_page: Open) -> Reader:
    """The page, its warning read."""
    reader = open_page(f"{afresh.url}/speller")
    reader.page.get_by_role("button", name="I have read this").click()
    return reader


@pytest.mark.slow
@pytest.mark.parametrize(
    ("screen", "trials", "trial_s", "kind"),
    [("noisetag", 6, 2.1, "reconvolution"), ("rowcol", 6, 4.0, "erp"), ("rsvp", 6, 5.0, "erp")],
)
def test_a_person_is_calibrated_on_flashes_and_writes_a_word(
    speller: Reader, picture: Picture, screen: str, trials: int, trial_s: float, kind: str
) -> None:
    page = speller.page
    begin(page, screen, 4)
    model = page.locator("[data-model]")
    expect(model).to_have_text("Decodes by reconvolution")
    plan(page, trials=trials, trial_s=trial_s)
    expect(page.get_by_label("Decoder to calibrate")).to_have_value(kind)
    page.get_by_role("button", name="Start", exact=True).click()
    outcome = page.locator("[data-calibration]")
    expect(outcome).to_have_attribute("data-calibration", "done", timeout=120_000)
    expect(model).to_have_attribute("data-model", re.compile(r"^speller@"))
    picture(page, f"speller-{screen}")
    speller.check_access()

    page.get_by_label("Mode").select_option("free")
    page.get_by_label("What the simulated person wants").fill(WORD)
    page.get_by_role("button", name="Start", exact=True).click()
    figures = page.locator("[data-over]")
    expect(figures).to_have_attribute("data-over", "true", timeout=60_000)
    expect(page.get_by_label("What is written").locator("output")).to_have_text(WORD)
    speller.check()
