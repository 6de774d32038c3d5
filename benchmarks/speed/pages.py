"""What open pages cost a session: its intents' latency with the three pages open, and without.

One session of 64 channels at 1 kHz, decoded at each step by FBCCA, and a client that is no page. In
turns nobody looks, and a browser shows the console, the speller and the cursor of that session,
which stand there when the measurement begins: what loading them costs is not in it.
"""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from volition.benchmarks.speed.feeder import Feeder
from volition.benchmarks.speed.latency import Cell, Floats, in_session, latencies_ms, spread
from volition.benchmarks.speed.listeners import Listener, Received
from volition.errors import VolitionError
from volition.service.client import Client
from volition.service.gateway.launch import running_service

if TYPE_CHECKING:
    from playwright.sync_api import Browser

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
#: Who runs it may be root, and need not have a screen.
BROWSER_ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--force-color-profile=srgb")

_PAGES = ("console", "speller", "cursor")
_OPEN_MS = 120_000.0
#: The console looks for streams for a second, and a browser tidies up for some behind that.
SETTLE_S = 8.0


class NoBrowserError(VolitionError):
    """There is no browser, or nothing to steer one with."""

    code = "no-browser"


def find_browser() -> str:
    """Give the path of a browser; raise `NoBrowserError` that names those looked for."""
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        raise NoBrowserError(f"there is no browser: none of {', '.join(BROWSERS)} is installed")
    return path


def measure(
    *,
    seconds: float,
    rounds: int,
    cell: Cell | None = None,
    settle_s: float = SETTLE_S,
    on_round: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Measure both in turns.

    Parameters
    ----------
    seconds
        Length of each measurement, over all rounds.
    rounds
        How often they take turns.
    cell
        Signal and decoder; 64 channels at 1 kHz and FBCCA when left out.
    settle_s
        Seconds from the moment when all pages show the session to the measurement.

    Raises
    ------
    NoBrowserError
        Playwright (extra ``dev``) or a browser is missing.
    """
    cell = cell or Cell()
    share_s = seconds / rounds
    alone: list[Received] = []
    watched: list[Received] = []
    with contextlib.ExitStack() as stack:
        browser = stack.enter_context(_browser())
        feeder = stack.enter_context(Feeder(cell.n_channels, cell.rate_hz, cell.chunk_s))
        service = stack.enter_context(running_service())
        client = stack.enter_context(Client(service.url))
        url = stack.enter_context(in_session(client, cell, feeder.stream))
        id_ = client.sessions()[0].id
        for number in range(rounds):
            on_round(f"round {number + 1} of {rounds}")
            alone.append(Listener(url, seconds=share_s).result())
            with _open_pages(browser, service.url, id_):
                time.sleep(settle_s)
                watched.append(Listener(url, seconds=share_s).result())
        pushed = feeder.finish()
    p99s = [
        [float(np.percentile(latencies_ms(part, pushed), 99)) for part in parts]
        for parts in (alone, watched)
    ]
    together = [
        np.concatenate([latencies_ms(part, pushed) for part in parts]) for parts in (alone, watched)
    ]
    return {
        "pages": len(_PAGES),
        "without": spread(together[0]),
        "with_pages": spread(together[1]),
        "lost": sum(int((np.diff(part.seq) - 1).sum()) for part in alone + watched),
        "ratio_p50": _ratio(together, 50),
        "ratio_p99": _ratio(together, 99),
        "ratio_p99_by_round": [round(b / a, 3) for a, b in zip(*p99s, strict=True)],
    }


def _ratio(together: list[Floats], percentile: float) -> float:
    without, with_pages = (float(np.percentile(values, percentile)) for values in together)
    return round(with_pages / without, 3)


@contextlib.contextmanager
def _browser() -> Iterator[Browser]:
    path = find_browser()
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError as error:
        raise NoBrowserError(
            "a browser is steered with playwright, which the extra dev installs"
        ) from error
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=path, args=[*BROWSER_ARGUMENTS])
        yield launched
        launched.close()


@contextlib.contextmanager
def _open_pages(browser: Browser, url: str, session: str) -> Iterator[None]:
    """Have each page show the session while the block lasts, in a window of its own."""
    with contextlib.ExitStack() as stack:
        for name in _PAGES:
            context = browser.new_context()
            stack.callback(context.close)
            page = context.new_page()
            page.goto(f"{url}/{name}#{session}")
            page.get_by_role("status").first.filter(has_text="running").wait_for(timeout=_OPEN_MS)
        yield
