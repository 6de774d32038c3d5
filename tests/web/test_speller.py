"""The speller page: its flicker, and a simulated person who copies a word through the service."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from tests.web.conftest import TABLET, Reader
from volition.service.gateway.launch import RunningService

Open = Callable[[str], Reader]
Picture = Callable[[Page, str], None]

WORD = "BCI"


def flicker_of(text: str) -> tuple[np.ndarray, dict[tuple[float, float], np.ndarray]]:
    """Read what was saved: seconds of the frames, and each target's luminance by its flicker."""
    rows = list(csv.reader(io.StringIO(text)))
    values = np.array(rows[1:], dtype=float)
    names = [name.split("Hz_") for name in rows[0][1:]]
    targets = {(float(f), float(p)): values[:, i + 1] for i, (f, p) in enumerate(names)}
    return values[:, 0] / 1e3, targets


def frequency_and_phase(
    t: np.ndarray, luminance: np.ndarray, near_hz: float
) -> tuple[float, float]:
    """Fit a sinusoid to what was shown, knowing its frequency to a tenth of a hertz alone."""
    shown = luminance - 0.5

    def fit(f: float) -> tuple[float, np.ndarray]:
        basis = np.column_stack([np.sin(2 * np.pi * f * t), np.cos(2 * np.pi * f * t)])
        weights, *_ = np.linalg.lstsq(basis, shown, rcond=None)
        return float(((shown - basis @ weights) ** 2).sum()), weights

    grid = near_hz + np.arange(-100, 101) * 1e-3
    best = float(min(grid, key=lambda f: fit(f)[0]))
    weights = fit(best)[1]
    return best, math.atan2(weights[1], weights[0])


#: Number of targets on the smallest screen; the person is told which of the forty they see.
FEW = 4
FEW_WORD = "CAB"
#: Refresh rate of a Chromium without a screen.
DISPLAY_HZ = 60
#: Records the browser's frames, whatever the page does.
FRAMES = """() => {
  window.frames = [];
  const note = (t) => { window.frames.push(t); requestAnimationFrame(note); };
  requestAnimationFrame(note);
}"""
#: Keeps the page's thread busy so that frames are missed, some of them several at once.
LOAD = """() => {
  const until = performance.now() + 5000;
  const load = () => {
    const busy = performance.now() + 20 + 50 * Math.random();
    while (performance.now() < busy);
    if (performance.now() < until) setTimeout(load, 30);
  };
  load();
}"""


def said_dropped(page: Page) -> int:
    return int(page.locator("[data-dropped]").get_attribute("data-dropped") or 0)


def flickered(page: Page, *, n_frames: int, meanwhile: str | None = None) -> str:
    """Let it flicker for ``n_frames`` of the display's frames; give what was saved of it."""
    page.get_by_role("button", name="Start", exact=True).click()
    if meanwhile is not None:
        page.evaluate(meanwhile)
    page.wait_for_function(
        """(n) => {
          const [, of] = document.querySelector('[data-dropped]').textContent.match(/of (\\d+)/);
          return document.querySelector('[data-asking]') && Number(of) >= n;
        }""",
        arg=n_frames,
    )
    page.get_by_role("button", name="End", exact=True).click()
    expect(page.locator("[data-asking]")).to_have_count(0)
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save frame times").click()
    return saved.value.path().read_text()


def begin(page: Page, n_targets: int) -> None:
    """Start a simulated person before ``n_targets`` targets, and wait for their session."""
    page.get_by_label("Targets of the simulated").select_option(str(n_targets))
    page.get_by_role("button", name="Simulated participant").click()
    shown = page.get_by_role("img", name=f"{n_targets} targets")
    expect(shown).to_be_visible()
    expect(page.get_by_role("status").first).to_contain_text("running")
    expect(page.get_by_text("Clock: known within")).to_be_visible()


def plan(page: Page, *, blocks: int, window_s: float) -> None:
    page.get_by_label("Mode").select_option("calibrate")
    page.get_by_label("Blocks").fill(str(blocks))
    page.get_by_label("Window, s").fill(str(window_s))
    page.get_by_label("Window, s").blur()


@pytest.fixture
def words(context: BrowserContext) -> None:
    """The service knows words, whatever is installed."""
    known = ["bring", "back", "water"]

    def answer(route: Route) -> None:
        begun = parse_qs(urlsplit(route.request.url).query).get("begun", [""])[0].lower()
        found = [{"word": word, "share": 0.5} for word in known if word.startswith(begun)]
        route.fulfill(json={"language": "en", "words": found, "why_none": ""})

    context.route("**/v1/words*", answer)


@pytest.fixture
def speller(afresh: RunningService, open_page: Open) -> Reader:
    """The page, its warning read."""
    reader = open_page(f"{afresh.url}/speller")
    reader.page.get_by_role("button", name="I have read this").click()
    return reader


@pytest.mark.slow
def test_of_two_trials_of_each_target_tdca_learns_nothing_and_says_why(speller: Reader) -> None:
    page = speller.page
    begin(page, FEW)
    plan(page, blocks=2, window_s=0.5)
    page.get_by_label("Decoder to calibrate").select_option("tdca")
    page.get_by_role("button", name="Start", exact=True).click()
    outcome = page.locator("[data-calibration]")
    expect(outcome).to_have_attribute("data-calibration", "refused", timeout=60_000)
    expect(outcome).to_contain_text("too-few-trials")
    expect(page.locator("[data-model]")).to_have_text("Decodes by fbcca")
    speller.check()


@pytest.mark.slow
def test_a_person_is_calibrated_on_few_targets_and_copies_a_word(speller: Reader) -> None:
    page = speller.page
    begin(page, FEW)
    model = page.locator("[data-model]")
    expect(model).to_have_text("Decodes by fbcca")
    plan(page, blocks=4, window_s=0.5)
    page.get_by_label("Decoder to calibrate").select_option("etrca")
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.get_by_text("Look at the marked target")).to_be_visible()
    outcome = page.locator("[data-calibration]")
    expect(outcome).to_have_attribute("data-calibration", "done", timeout=120_000)
    assert float(outcome.get_attribute("data-calibrated-accuracy") or 0) > 0.6
    expect(outcome).to_contain_text("Bits a minute")
    expect(model).to_have_attribute("data-model", re.compile(r"^speller@"))
    speller.check_access()

    # Who is taken for somebody else takes it back, until the word stands there.
    page.get_by_label("Mode").select_option("free")
    page.get_by_label("What the simulated person wants").fill(FEW_WORD)
    page.get_by_role("button", name="Start", exact=True).click()
    figures = page.locator("[data-over]")
    expect(figures).to_have_attribute("data-over", "true", timeout=60_000)
    expect(page.get_by_label("What is written").locator("output")).to_have_text(FEW_WORD)

    page.get_by_role("button", name="Back to fbcca").click()
    expect(model).to_have_text("Decodes by fbcca")
    speller.check()


def test_nothing_flickers_before_the_warning_is_read(
    service: RunningService, open_page: Open
) -> None:
    reader = open_page(f"{service.url}/speller")
    expect(reader.page.get_by_role("heading", name="This page flickers")).to_be_visible()
    expect(reader.page.get_by_role("button", name="Start")).to_have_count(0)
    reader.check_access()
    reader.check()


@pytest.mark.slow
@pytest.mark.usefixtures("words")
def test_a_simulated_person_copies_a_word_and_what_is_written_can_be_changed(
    speller: Reader, picture: Picture
) -> None:
    page = speller.page
    begin(page, 40)
    page.get_by_label("Text to copy").fill(WORD)

    page.get_by_role("button", name="Start", exact=True).click()

    written = page.get_by_label("What is written").locator("output")
    expect(written).to_have_text(WORD[:2])
    picture(page, "speller")
    figures = page.locator("[data-over]")
    expect(figures).to_have_attribute("data-over", "true")
    expect(written).to_have_text(WORD)
    expect(figures).to_have_attribute("data-accuracy", "1")
    assert speller.frames_asked(in_ms=1000) <= 5, "it draws while nothing flickers"

    page.get_by_role("button", name="Undo").click()
    expect(written).to_have_text(WORD[:2])
    page.get_by_role("button", name="Undo").click()
    expect(written).to_have_text(WORD[:1])
    offered = page.get_by_label("What is written").get_by_role("button").first
    expect(offered).to_have_text("1 BRING")
    page.keyboard.press("1")
    expect(written).to_have_text("BRING")
    speller.check_access()
    page.set_viewport_size(TABLET)  # type: ignore[arg-type]  # a plain dict
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    speller.check()


@pytest.mark.slow
def test_every_target_flickers_at_its_frequency_and_phase(speller: Reader) -> None:
    page = speller.page
    begin(page, 40)
    # A flicker of more than 5 s: a busy machine drops frames, and no target goes wrong for it.
    plan(page, blocks=2, window_s=6)
    t, targets = flicker_of(flickered(page, n_frames=305))
    assert len(targets) == 40
    assert t[-1] > 5.0
    for (freq_hz, phase_rad), luminance in targets.items():
        found_hz, found_rad = frequency_and_phase(t, luminance, freq_hz)
        off = (found_rad - phase_rad + math.pi) % (2 * math.pi) - math.pi
        assert abs(found_hz - freq_hz) <= 0.01
        assert abs(off) <= 2 * math.pi * freq_hz / DISPLAY_HZ

    # Ten minutes of signal are kept: what takes longer is not begun.
    plan(page, blocks=20, window_s=6)
    expect(page.get_by_text("would be of no use")).to_be_visible()
    expect(page.get_by_role("button", name="Start", exact=True)).to_be_disabled()
    speller.check()


@pytest.mark.slow
def test_frames_that_are_missed_are_counted_and_those_drawn_are_on_time(speller: Reader) -> None:
    page = speller.page
    begin(page, 40)
    plan(page, blocks=2, window_s=6)
    # What the page counts is what is missing of the display's frames, and all that it drew stands
    # in a record beside it.
    page.evaluate(FRAMES)
    t, targets = flicker_of(flickered(page, n_frames=150, meanwhile=LOAD))
    seen = np.array(page.evaluate("frames")) / 1e3
    places = np.arange(len(seen) - len(t) + 1)
    apart = [np.abs((seen[i : i + len(t)] - seen[i]) - (t - t[0])).max() for i in places]
    assert min(apart) < 1e-4
    missed = round((t[-1] - t[0]) * DISPLAY_HZ) - (len(t) - 1)
    assert missed > 20
    assert abs(said_dropped(page) - missed) <= 1
    for (freq_hz, phase_rad), luminance in targets.items():
        due = (1 + np.sin(2 * np.pi * freq_hz * t + phase_rad)) / 2
        np.testing.assert_allclose(luminance, due, atol=1e-3)
    speller.check()


@pytest.mark.slow
def test_spelling_ends_with_a_lost_connection_and_with_the_emergency_stop(
    speller: Reader,
) -> None:
    page = speller.page
    begin(page, 40)
    page.get_by_label("Text to copy").fill(WORD)
    page.get_by_role("button", name="Start", exact=True).click()
    speller.cut()
    notices = page.get_by_role("log")
    expect(notices).to_contain_text("Spelling ended: the connection was lost")
    back = re.compile(r"Connected again after [\d.]+ s; \d+ intents were sent meanwhile")
    expect(notices).to_contain_text(back)
    page.get_by_role("button", name="Start", exact=True).click()
    page.keyboard.press("Escape")
    expect(notices).to_contain_text("Spelling ended: emergency stop")
    speller.check()
