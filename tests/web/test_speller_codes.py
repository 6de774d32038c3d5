"""The speller page where targets flash: what is shown and marked, and a person who spells by it."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.web.conftest import Reader
from volition.decoders.codes.book import CodeBook
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


def saved_frames(page: Page) -> tuple[np.ndarray, np.ndarray]:
    """Give the moments of a flicker's frames, seconds, and which targets were on in each."""
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save frame times").click()
    rows = list(csv.reader(io.StringIO(saved.value.path().read_text())))
    table = np.array(rows[1:], dtype=float)
    return table[:, 0] / 1e3, table[:, 1:] == 1.0


def wait_for_frames(page: Page, n: int) -> None:
    """Wait until the flicker that goes on has lasted for as many frames."""
    page.wait_for_function(
        """(n) => {
          const [, of] = document.querySelector('[data-dropped]').textContent.match(/of (\\d+)/);
          return Number(of) >= n;
        }""",
        arg=n,
    )


#: Which of four targets are on in each step: rows of two first, then columns; or one at a time.
STEPS = {
    "rowcol": np.array([[1, 1, 0, 0], [0, 0, 1, 1], [1, 0, 1, 0], [0, 1, 0, 1]], dtype=bool),
    "rsvp": np.eye(4, dtype=bool),
}
#: Keeps what the page says by its socket.
SAID = """() => {
  window.said = [];
  const send = WebSocket.prototype.send;
  WebSocket.prototype.send = function (text) { said.push(text); return send.call(this, text); };
}"""


def markers_of(page: Page) -> list[dict[str, Any]]:
    """Give the markers that the page sent, in order."""
    said = [json.loads(text) for text in page.evaluate("said")]
    found: list[dict[str, Any]] = []
    for message in said:
        if message["type"] == "marker":
            found.append(message)
        elif message["type"] == "markers":
            found += message["markers"]
    return found


@pytest.mark.slow
@pytest.mark.parametrize("screen", ["rowcol", "rsvp"])
def test_every_flash_is_marked_with_the_moment_of_its_frame(speller: Reader, screen: str) -> None:
    page = speller.page
    begin(page, screen, 4)
    page.evaluate(SAID)
    page.get_by_label("Mode").select_option("free")
    page.get_by_label("What the simulated person wants").fill("")
    page.get_by_role("button", name="Start", exact=True).click()
    wait_for_frames(page, 100)
    page.get_by_role("button", name="End", exact=True).click()

    times, on = saved_frames(page)
    markers = markers_of(page)
    # In their order, and not by their times: a better ping moves these by some milliseconds.
    begun = max(k for k, one in enumerate(markers) if one["name"] == "trial_start")
    onset = markers[begun]["t"]
    flashes = [one for one in markers[begun:] if one["name"].startswith("step ")]
    before = np.vstack([np.zeros_like(on[:1]), on[:-1]])
    begins = np.flatnonzero(np.logical_and(on.any(axis=1), (on != before).any(axis=1)))
    begins = begins[: len(flashes)]
    marked = np.array([one["t"] - onset for one in flashes])
    shown = STEPS[screen][[int(one["name"].removeprefix("step ")) for one in flashes]]
    assert len(flashes) >= 8
    np.testing.assert_array_equal(on[begins], shown)
    # To the millisecond, but where a better ping moves the page's idea of the service's clock.
    apart = np.abs(np.diff(times[begins]) - np.diff(marked))
    assert np.quantile(apart, 0.75) < 1e-3
    np.testing.assert_allclose(times[begins], marked, atol=0.1)
    assert markers[-1]["name"] == "trial_end"
    speller.check()


@pytest.mark.slow
def test_each_frame_of_noise_tags_shows_the_step_of_its_moment(speller: Reader) -> None:
    page = speller.page
    begin(page, "noisetag", 4)
    plan(page, trials=2, trial_s=4.0)
    page.get_by_role("button", name="Start", exact=True).click()
    wait_for_frames(page, 150)
    page.get_by_role("button", name="End", exact=True).click()

    times, on = saved_frames(page)
    code = CodeBook.model_validate(
        {"items": ["A", "B", "C", "backspace"], "code": {"kind": "modulated_gold"}}
    ).steps
    due = np.floor((times + 0.004) * 60).astype(int) % code.shape[1]
    np.testing.assert_array_equal(on, code[:, due].T)
    # Frames and steps go together: a frame that was not dropped shows the next step.
    whole = np.diff(times) < 1.5 / 60
    assert whole.sum() > 50
    assert (np.diff(np.floor((times + 0.004) * 60))[whole] == 1).mean() > 0.98
    speller.check()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("screen", "trial_s", "kind"),
    [("noisetag", 2.1, "reconvolution"), ("rowcol", 3.2, "erp")],
)
def test_a_person_is_calibrated_on_flashes_and_writes_a_word(
    speller: Reader, picture: Picture, screen: str, trial_s: float, kind: str
) -> None:
    page = speller.page
    begin(page, screen, 4)
    model = page.locator("[data-model]")
    expect(model).to_have_text("Decodes by reconvolution")
    plan(page, trials=8, trial_s=trial_s)  # of five one that goes wrong is chance
    expect(page.get_by_label("Decoder to calibrate")).to_have_value(kind)
    page.get_by_role("button", name="Start", exact=True).click()
    outcome = page.locator("[data-calibration]")
    expect(outcome).to_have_attribute("data-calibration", "done", timeout=120_000)
    expect(model).to_have_attribute("data-model", re.compile(r"^speller@"))
    speller.check_access()

    page.get_by_label("Mode").select_option("free")
    page.get_by_label("What the simulated person wants").fill(WORD)
    page.get_by_role("button", name="Start", exact=True).click()
    if screen == "rowcol":
        expect(page.get_by_label("What is written").locator("output")).to_have_text(WORD[0])
        picture(page, "speller-rowcol")
    figures = page.locator("[data-over]")
    expect(figures).to_have_attribute("data-over", "true", timeout=60_000)
    expect(page.get_by_label("What is written").locator("output")).to_have_text(WORD)
    speller.check()
