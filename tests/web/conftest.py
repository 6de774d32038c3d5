"""The pages as a person meets them: a real service, a real Chromium, real headsets.

Where there is no Chromium or no node, these tests are skipped and say why.
`VOLITION_SCREENSHOTS=1` writes the pictures of docs/.
"""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    expect,
    sync_playwright,
)

from volition.benchmarks.speed.pages import BROWSER_ARGUMENTS, NoBrowserError, find_browser
from volition.service.gateway.launch import RunningService, running_service

# A worker of a busy machine takes its time to start.
expect.set_options(timeout=30_000)

WEB = Path(__file__).resolve().parents[2] / "service" / "web"
SIZE = {"width": 1280, "height": 720}
TABLET = {"width": 820, "height": 1180}
#: What the browser itself says of a service that is away; the page says it to the person.
AWAY = (
    "ERR_CONNECTION_REFUSED",
    "ERR_CONNECTION_RESET",
    "ERR_EMPTY_RESPONSE",
    "503 (Service Unavailable)",
    "WebSocket",
)
#: Keeps a page's sockets at hand, so that a test can cut them, and counts the frames it asks for.
_KEPT = """
  window.sockets = [];
  window.WebSocket = class extends WebSocket {
    constructor(...given) { super(...given); window.sockets.push(this); }
  };
  window.framesAsked = 0;
  const ask = window.requestAnimationFrame;
  window.requestAnimationFrame = (then) => { window.framesAsked++; return ask(then); };
"""


@pytest.fixture(scope="session")
def build() -> ModuleType:
    """The script that builds the pages, as a module."""
    found = importlib.util.spec_from_file_location("pages_build", WEB / "build.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def pages(build: ModuleType) -> None:
    """The pages, built as the sources say."""
    if build.is_built():
        return
    done = subprocess.run(
        [sys.executable, str(WEB / "build.py")], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"needs the pages: they cannot be built: {done.stderr.strip()[-2000:]}")


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of a browser."""
    try:
        return find_browser()
    except NoBrowserError as error:
        pytest.skip(f"needs Chromium: {error.message}")


# Not for the whole run: while Playwright runs, no coroutine of another test may.
@pytest.fixture(scope="module")
def browser(chromium: str, pages: None) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=[*BROWSER_ARGUMENTS])
        yield launched
        launched.close()


# Not for the whole run: the headsets that pages start would be found by the tests that follow.
@pytest.fixture(scope="module")
def service(pages: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    data = tmp_path_factory.mktemp("data")
    with running_service(env={"VOLITION_DATA": str(data)}) as running:
        yield running


@pytest.fixture
def afresh(service: RunningService) -> Iterator[RunningService]:
    """The service, left without sessions and simulated people as it was found."""
    yield service
    with httpx.Client(base_url=f"{service.url}/v1", timeout=60, trust_env=False) as http:
        for things in ("sessions", "simulations"):
            for one in http.get(f"/{things}").json()[things]:
                http.delete(f"/{things}/{one['id']}")


class Reader:
    """A page in a browser window, and every error that it logged."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.errors: list[str] = []
        page.on("console", self._note)
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.errors.append(message.text)

    def cut(self) -> None:
        """Close the page's sockets behind its back."""
        self.page.evaluate("sockets.splice(0).forEach((socket) => socket.close())")

    def frames_asked(self, *, in_ms: int) -> int:
        """Count the frames of the display that the page asks for in a while."""
        before = self.page.evaluate("framesAsked")
        self.page.wait_for_timeout(in_ms)
        return int(self.page.evaluate("framesAsked") - before)

    def hide(self, hidden: bool) -> None:
        """Have the page believe that its tab is behind another, or is in front again."""
        self.page.evaluate(
            """(hidden) => {
              Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });
              document.dispatchEvent(new Event('visibilitychange'));
            }""",
            hidden,
        )

    def release(self) -> None:
        """Release the emergency stop, as a person who has looked."""
        self.page.get_by_role("button", name="Release…").click()
        asked = self.page.get_by_role("dialog")
        asked.get_by_label("I have looked").check()
        asked.get_by_role("button", name="Release", exact=True).click()
        expect(asked).to_have_count(0)

    def check_fits(self, *, width: int) -> None:
        """Nothing of the page lies beyond a window of this width, once it is drawn anew."""
        self.page.set_viewport_size({"width": width, "height": 900})
        self.page.wait_for_function("() => document.documentElement.scrollWidth <= innerWidth")

    def check(self, *, service_was_away: bool = False) -> None:
        """No error was logged, but for the browser's own about a service that was away."""
        said = [e for e in self.errors if not (service_was_away and any(w in e for w in AWAY))]
        assert said == []

    def check_access(self) -> None:
        """Axe finds no serious fault, in neither theme."""
        source = (WEB / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
        for scheme in ("dark", "light"):
            self.page.emulate_media(color_scheme=scheme)
            self.page.evaluate(source)
            found: dict[str, Any] = self.page.evaluate("axe.run(document)")
            faults = [
                (v["id"], v["help"], [n["html"][:200] for n in v["nodes"]])
                for v in found["violations"]
                if v["impact"] in ("serious", "critical")
            ]
            assert faults == [], (scheme, json.dumps(faults, indent=1))


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    made = browser.new_context(viewport=SIZE, color_scheme="light", locale="en-GB")  # type: ignore[arg-type]  # a plain dict
    made.set_default_timeout(20_000)
    made.add_init_script(_KEPT)
    yield made
    made.close()


@pytest.fixture
def open_page(context: BrowserContext) -> Callable[[str], Reader]:
    def open_(url: str) -> Reader:
        reader = Reader(context.new_page())
        reader.page.goto(url)
        return reader

    return open_


@pytest.fixture
def picture(repository: Path, tmp_path: Path) -> Callable[[Page, str], None]:
    """Take a picture of a page: for docs/ when asked for, else to see that it can be taken."""
    folder = repository / "docs" if os.environ.get("VOLITION_SCREENSHOTS") else tmp_path

    def take(page: Page, name: str) -> None:
        page.screenshot(path=folder / f"{name}.png")

    return take


@pytest.fixture
def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port
