"""The console examines a stream, as ``volition doctor --stream`` does."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator

import httpx
import pytest
from playwright.sync_api import expect

from tests.web.conftest import Reader
from volition.service.gateway.launch import RunningService
from volition.streams.simulated.headset import HeadsetOptions, HeadsetProcess, SyntheticSignal

Open = Callable[[str], Reader]


@pytest.fixture
def name() -> Iterator[str]:
    """A headset of this name."""
    made = f"Examined {uuid.uuid4().hex[:6]}"
    signal = SyntheticSignal(4, 250.0, noise_uv=5.0, seed=1)
    with HeadsetProcess(HeadsetOptions(signal, name=made, source_id=made.replace(" ", "-"))):
        yield made


def test_a_stream_is_examined_with_its_progress_shown_and_can_be_left(
    name: str, service: RunningService, open_page: Open
) -> None:
    reader = open_page(f"{service.url}/console")
    page = reader.page
    page.get_by_role("button", name=f"Examine {name}").click()
    going = page.get_by_role("progressbar", name=f"Examination of {name}")
    expect(page.get_by_text(re.compile(r"\d+ s left"))).to_be_visible()
    expect(going).not_to_have_attribute("value", "0")
    reader.check_access()
    page.get_by_role("button", name="Cancel").click()
    expect(going).to_have_count(0)
    with httpx.Client(base_url=service.url, trust_env=False, timeout=60) as http:
        while (look := http.get("/v1/looks").json()["looks"][-1])["state"] == "looking":
            page.wait_for_timeout(50)
    assert look["state"] == "cancelled"
    reader.check()


def test_what_was_found_is_told_in_words_and_set_in_the_configuration(
    name: str, service: RunningService, open_page: Open
) -> None:
    reader = open_page(f"{service.url}/console")
    page = reader.page
    answer = {
        "id": "look-1",
        "uid": "x",
        "seconds": 30,
        "state": "done",
        "progress": 1,
        "detail": "",
        "findings": [
            {
                "check": "rate",
                "ok": False,
                "found": "256 Hz announced, 249.90 ± 0.05 Hz measured",
                "advice": "stream: {rate_hz: 249.9}",
                "stream": {"rate_hz": 249.9},
            },
            {"check": "units", "ok": True, "found": "all known", "advice": "", "stream": {}},
        ],
    }
    page.route("**/v1/looks", lambda route: route.fulfill(status=202, json=answer))
    expect(page.get_by_label("Configuration, YAML")).to_have_value(re.compile("fbcca"))
    page.get_by_role("button", name=f"Examine {name}").click()
    found = page.get_by_role("list", name="What was found")
    expect(found.locator("[data-ok=false]")).to_contain_text("249.90 ± 0.05 Hz measured")
    expect(page.get_by_text("To be looked at: rate.")).to_be_visible()
    reader.check_fits(width=400)
    reader.check_access()
    page.get_by_role("button", name="Set rate_hz in the configuration").click()
    expect(page.get_by_label("Configuration, YAML")).to_have_value(re.compile("rate_hz: 249.9"))
    reader.check()
